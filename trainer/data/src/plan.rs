//! Which samples each optimizer step trains on, and in which micro-batches.
//!
//! Rules: PL-1 a plan is a pure function of (lengths, batch, duration, shuffle, packing, seed), and
//! any step of it can be asked for alone, so that a resumed run goes on with the very same steps.
//! PL-2 samples come in the epoch's order, none left out, none twice in an epoch. PL-3 a run of
//! whole epochs ends each with a smaller step where the samples do not come out even; a run of a
//! number of steps goes on into the next epoch in the same step. PL-4 a micro-batch is one row of
//! whole samples, end to end, without padding. PL-5 where batches are counted in tokens, a
//! micro-batch holds at most `micro_batch` tokens and a step at most `batch / micro_batch`
//! micro-batches: without packing a sample that does not fit opens the next micro-batch, with
//! packing it goes to the first of the step's micro-batches that has room; where none has, the next
//! step begins. Absent on purpose: ranks; they share out a step's micro-batches.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use schliff_spec::job::{BatchSize, Duration};

use crate::order;

/// Longest plan, in samples drawn: above it the step table alone would fill the memory.
const MOST_DRAWS: u64 = 1 << 32;

/// Samples that go through the model together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MicroBatch {
    /// Indexes into the data set, in the order in which they lie in the row.
    pub samples: Vec<usize>,
    /// Their tokens.
    pub tokens: usize,
}

/// Why there is no plan.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// There is nothing to train on.
    #[error("the data set has no samples")]
    Empty,
    /// The run would end before its first step.
    #[error("the duration is {0}: it must be above nought")]
    Duration(String),
    /// Batch sizes that cannot be.
    #[error("a batch of {batch} in micro-batches of {micro_batch} cannot be: {reason}")]
    Batch {
        /// Samples or tokens a step.
        batch: usize,
        /// Samples or tokens a micro-batch.
        micro_batch: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// A sample does not fit a micro-batch.
    #[error(
        "sample {sample} has {tokens} tokens, a micro-batch holds {micro_batch}; \
         lower data.max_tokens or raise training.micro_batch_tokens"
    )]
    SampleTooLong {
        /// Index of the sample.
        sample: usize,
        /// Its tokens.
        tokens: usize,
        /// Tokens a micro-batch.
        micro_batch: usize,
    },
    /// More steps than can be counted here.
    #[error("the run would draw more than {MOST_DRAWS} samples; shorten training.steps or epochs")]
    TooLong,
}

/// What a plan is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recipe {
    /// Samples or tokens a step and a micro-batch.
    pub batch: BatchSize,
    /// Steps or epochs.
    pub duration: Duration,
    /// Draw in a seeded order.
    pub shuffle: bool,
    /// Fill micro-batches that are counted in tokens tightly.
    pub packing: bool,
    /// Seed of the order.
    pub seed: u64,
}

/// All steps of a run.
#[derive(Debug)]
pub struct Plan {
    lengths: Vec<usize>,
    recipe: Recipe,
    /// Draws before each step, and after the last.
    bounds: Vec<u64>,
    tokens: u64,
    /// Orders of the epochs asked for last: a step needs one or two.
    orders: Mutex<BTreeMap<u64, Arc<[u32]>>>,
}

impl Plan {
    /// Lays out a run over samples of the given lengths, in tokens.
    pub fn new(lengths: Vec<usize>, recipe: Recipe) -> Result<Self, PlanError> {
        check(&lengths, &recipe)?;
        let mut plan = Self {
            lengths,
            recipe,
            bounds: vec![0],
            tokens: 0,
            orders: Mutex::default(),
        };
        let (most_steps, draws) = match recipe.duration {
            Duration::Steps(steps) => (steps, MOST_DRAWS),
            Duration::Epochs(epochs) => (usize::MAX, plan.draws_of(epochs)?),
        };
        let mut at = 0;
        while plan.bounds.len() <= most_steps && at < draws {
            let (batches, next) = plan.fill(at, draws);
            plan.tokens += batches.iter().map(|batch| batch.tokens as u64).sum::<u64>();
            plan.bounds.push(next);
            at = next;
        }
        if plan.bounds.len() <= most_steps && matches!(recipe.duration, Duration::Steps(_)) {
            return Err(PlanError::TooLong);
        }
        Ok(plan)
    }

    /// Optimizer steps.
    pub fn steps(&self) -> usize {
        self.bounds.len() - 1
    }

    /// Micro-batches of a step, from 0; none beyond the last step.
    pub fn step(&self, step: usize) -> Vec<MicroBatch> {
        match self.bounds.get(step..step.saturating_add(2)) {
            Some(&[start, end]) => self.fill(start, end).0,
            _ => Vec::new(),
        }
    }

    /// Tokens of all steps together, those that do not count in the loss included.
    pub fn tokens_total(&self) -> u64 {
        self.tokens
    }

    /// Passes over the data that are finished when a step begins.
    pub fn epoch_at(&self, step: usize) -> f64 {
        let draws = self
            .bounds
            .get(step)
            .or(self.bounds.last())
            .copied()
            .unwrap_or_default();
        draws as f64 / self.lengths.len() as f64
    }

    fn draws_of(&self, epochs: f64) -> Result<u64, PlanError> {
        let draws = (epochs * self.lengths.len() as f64).round();
        match draws {
            draws if draws > MOST_DRAWS as f64 => Err(PlanError::TooLong),
            draws => Ok((draws as u64).max(1)),
        }
    }

    /// Fills one step from draw `start` on, before `limit`; also gives the draw after it.
    fn fill(&self, start: u64, limit: u64) -> (Vec<MicroBatch>, u64) {
        let samples = self.lengths.len() as u64;
        let limit = match self.recipe.duration {
            Duration::Steps(_) => limit,
            Duration::Epochs(_) => limit.min((start / samples + 1) * samples),
        };
        let mut row = Row::new(&self.recipe);
        let mut at = start;
        let mut epoch = (u64::MAX, Arc::from([]));
        while at < limit {
            if epoch.0 != at / samples {
                epoch = (at / samples, self.order(at / samples));
            }
            let sample = epoch.1[(at % samples) as usize] as usize;
            if !row.take(sample, self.lengths[sample]) {
                break;
            }
            at += 1;
        }
        (row.batches, at)
    }

    fn order(&self, epoch: u64) -> Arc<[u32]> {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(order) = orders.get(&epoch) {
            return Arc::clone(order);
        }
        let order: Arc<[u32]> = match self.recipe.shuffle {
            true => order::shuffled(self.lengths.len(), self.recipe.seed, epoch).into(),
            false => order::in_sequence(self.lengths.len()).into(),
        };
        if orders.len() >= 2 {
            orders.pop_first();
        }
        orders.insert(epoch, Arc::clone(&order));
        order
    }
}

/// The micro-batches of a step while it fills.
struct Row {
    batches: Vec<MicroBatch>,
    batch: BatchSize,
    packing: bool,
    taken: usize,
}

impl Row {
    fn new(recipe: &Recipe) -> Self {
        Self {
            batches: Vec::new(),
            batch: recipe.batch,
            packing: recipe.packing,
            taken: 0,
        }
    }

    /// Adds a sample; false where the step is full.
    fn take(&mut self, sample: usize, tokens: usize) -> bool {
        let (place, most) = match self.batch {
            BatchSize::Samples { batch, micro_batch } => {
                if self.taken == batch {
                    return false;
                }
                let last = self.batches.len().wrapping_sub(1);
                let open = self
                    .batches
                    .last()
                    .is_some_and(|b| b.samples.len() < micro_batch);
                (open.then_some(last), usize::MAX)
            }
            BatchSize::Tokens { batch, micro_batch } => {
                let first = if self.packing {
                    0
                } else {
                    self.batches.len().saturating_sub(1)
                };
                let room = |b: &MicroBatch| b.tokens + tokens <= micro_batch;
                let place = self.batches.iter().skip(first).position(room);
                (place.map(|at| first + at), batch / micro_batch)
            }
        };
        match place {
            Some(place) => self.add(place, sample, tokens),
            None if self.batches.len() < most => {
                self.batches.push(MicroBatch {
                    samples: Vec::new(),
                    tokens: 0,
                });
                self.add(self.batches.len() - 1, sample, tokens);
            }
            None => return false,
        }
        true
    }

    fn add(&mut self, place: usize, sample: usize, tokens: usize) {
        self.batches[place].samples.push(sample);
        self.batches[place].tokens += tokens;
        self.taken += 1;
    }
}

fn check(lengths: &[usize], recipe: &Recipe) -> Result<(), PlanError> {
    if lengths.is_empty() {
        return Err(PlanError::Empty);
    }
    match recipe.duration {
        Duration::Steps(0) => return Err(PlanError::Duration("0 steps".to_owned())),
        Duration::Epochs(epochs) if !(epochs > 0.0 && epochs.is_finite()) => {
            return Err(PlanError::Duration(format!("{epochs} epochs")));
        }
        _ => {}
    }
    let (batch, micro_batch) = match recipe.batch {
        BatchSize::Samples { batch, micro_batch } | BatchSize::Tokens { batch, micro_batch } => {
            (batch, micro_batch)
        }
    };
    let wrong = |reason| {
        Err(PlanError::Batch {
            batch,
            micro_batch,
            reason,
        })
    };
    if micro_batch == 0 {
        return wrong("a micro-batch must hold something");
    }
    if batch < micro_batch {
        return wrong("a step is smaller than its micro-batch");
    }
    let BatchSize::Tokens { .. } = recipe.batch else {
        return Ok(());
    };
    match lengths.iter().position(|&tokens| tokens > micro_batch) {
        Some(sample) => Err(PlanError::SampleTooLong {
            sample,
            tokens: lengths[sample],
            micro_batch,
        }),
        None => Ok(()),
    }
}
