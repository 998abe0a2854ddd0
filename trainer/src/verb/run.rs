//! `run`: baseline, training, held-out measures, the adapter; by one rank or by several together.
//!
//! Every rank runs the same code on the same plan. Rank 0 leads: it alone writes files and
//! checkpoints and speaks to the user. What all must decide alike, they agree on at a boundary
//! between two steps.

mod begin;
mod finish;
mod identity;
mod leader;
mod measure;
mod saver;

use std::path::Path;
use std::time::{Duration, Instant};

use schliff_collective::rendezvous::Limits;
use schliff_collective::{CollectiveError, rendezvous};
use schliff_data::sample::Sample;
use schliff_spec::event::{Doing, Event, Measures, StepMetrics};
use schliff_spec::exit::ExitCode;
use schliff_spec::job::{Job, Precision};
use schliff_spec::place::Place;
use schliff_spec::request::Start;
use schliff_spec::world;
use serde_json::Value;

use self::leader::Leader;
use super::job::OpenJob;
use crate::failure::Failure;
use crate::process::interrupt::Wish;
use crate::process::report::Reporter;
use crate::training::group::Group;
use crate::training::packing;
use crate::training::step::{State, StepError, StepReport, Stepper};
use crate::{device, on_device, workers};

/// Ranks of a group start within this time, or the group does not come about.
const JOIN_LIMIT: Duration = Duration::from_secs(600);
/// Longest wait for a peer. Whoever supervises notices a stuck rank long before; this is for ranks
/// that nobody supervises.
const OPERATION_LIMIT: Duration = Duration::from_secs(1800);

/// Told where sums are in an order of the library's own.
const NOT_FIXED: &str = "sums are taken in NCCL's own order, as asked for: another number of ranks, or \
    another run, may give other bits";

/// What is asked for.
#[derive(Clone, Copy)]
pub(super) struct Order<'a> {
    pub(super) job: &'a Job,
    pub(super) out: &'a Path,
    pub(super) place: &'a Place,
    pub(super) start: &'a Start,
}

/// How training came to its end.
enum End {
    Done,
    Asked(Wish),
    Failed(Failure),
}

/// Numbers for the summary that outlive interruptions; the same however often that happened.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
struct Totals {
    tokens: u64,
    /// Steps without an update, because their gradient overflowed in half precision.
    #[serde(default)]
    skipped: usize,
    last_loss: Option<f64>,
    /// Held-out measures of the base without the adapter.
    baseline: Option<Measures>,
}

/// Work of this process alone.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    tokens: u64,
    seconds: f64,
}

/// Trains a job, with signs of life while it does.
pub(super) fn run(order: Order<'_>, reporter: &Reporter) -> Result<Value, Failure> {
    if order.place.rank > 0 {
        reporter.follow();
    }
    let pulse = reporter.pulse();
    std::thread::scope(|scope| {
        // Ends the beat however the work ends, so that the scope can close.
        struct Over<'a>(&'a crate::process::pulse::Pulse);
        impl Drop for Over<'_> {
            fn drop(&mut self) {
                self.0.end();
            }
        }
        let _over = Over(pulse);
        scope.spawn(|| pulse.beat_until_over(|beat| reporter.event(&Event::Beat(beat))));
        train_together(order, reporter)
    })
}

fn train_together(order: Order<'_>, reporter: &Reporter) -> Result<Value, Failure> {
    let started = Instant::now();
    // What this build or machine lacks is told before anything is read.
    rendezvous::check(order.place.collective).map_err(Failure::usage)?;
    let open = OpenJob::open(order.job, reporter)?;
    world::check(order.place.world_size, open.micro_batches_a_step()).map_err(Failure::usage)?;
    reporter.pulse().turn_to(Doing::Joining);
    let limits = Limits {
        join: JOIN_LIMIT,
        operation: OPERATION_LIMIT,
    };
    let group = rendezvous::join(order.place, &limits).map_err(not_joined)?;
    if !group.is_fixed() {
        reporter.warning(NOT_FIXED.into());
    }
    let mut group = Group::new(group);
    reporter.pulse().turn_to(Doing::Preparing);
    let result = on_device(|| train_in(&mut group, order, &open, (reporter, started)));
    // An end that all agreed on surprises nobody; any other must not leave peers waiting.
    let is_agreed = |exit| matches!(exit, ExitCode::MoreToDo | ExitCode::Interrupted);
    if let Err(failure) = &result
        && !is_agreed(failure.exit())
    {
        group.abort(failure.told());
    }
    result
}

fn train_in(
    group: &mut Group,
    order: Order<'_>,
    open: &OpenJob<'_>,
    (reporter, started): (&Reporter, Instant),
) -> Result<Value, Failure> {
    let mut leader = match group.leads() {
        true => Some(Leader::open(order, open, reporter)?),
        false => None,
    };
    let begun = begin::begin(group, leader.as_mut(), open, reporter)?;
    reporter.stage("loading the base model");
    let place = order.place;
    let network = open.network(&device(place.local_rank)?, place.local_world_size)?;
    let workers = workers()?;
    let stepper = Stepper {
        network: &network,
        layout: &open.layout,
        workers: &workers,
        settings: open.step_settings(),
        pulse: reporter.pulse(),
    };
    let mut run = Run {
        open,
        group,
        stepper,
        reporter,
        leader,
        totals: begun.totals,
        pace: Pace::default(),
        resumed_from: begun.resumed_from,
    };
    let mut state = begun.state;
    run.check_packing(&state.masters)?;
    if run.resumed_from.is_none() {
        run.totals.baseline = run.measure(None, 0)?;
    }
    let end = run.train(&mut state);
    run.finish(&state, end, started)
}

struct Run<'a> {
    open: &'a OpenJob<'a>,
    group: &'a mut Group,
    stepper: Stepper<'a>,
    reporter: &'a Reporter,
    /// Rank 0's files and checkpoints.
    leader: Option<Leader>,
    totals: Totals,
    pace: Pace,
    resumed_from: Option<usize>,
}

impl Run<'_> {
    /// Refuses to train where a sample's loss depends on its neighbours.
    fn check_packing(&self, masters: &[f32]) -> Result<(), Failure> {
        self.reporter
            .stage("checking that packed samples are isolated");
        let adapter = self.stepper.adapter(masters);
        let first = self.micro_batches(0).into_iter().next().unwrap_or_default();
        packing::check(self.stepper.network, &adapter, &first).map_err(Failure::job)
    }

    /// Samples of a step, micro-batch by micro-batch.
    fn micro_batches(&self, step: usize) -> Vec<Vec<&Sample>> {
        self.open.micro_batches(step)
    }

    fn train(&mut self, state: &mut State) -> End {
        let steps = self.open.plan.steps();
        self.reporter.stage("training");
        while state.step < steps {
            match self.boundary(state) {
                Ok(Wish::GoOn | Wish::Checkpoint) => {}
                Ok(wish) => return End::Asked(wish),
                Err(failure) => return End::Failed(failure),
            }
            if let Err(failure) = self.step(state) {
                return End::Failed(failure);
            }
            let every = self.open.job.evaluation.every_steps;
            if every.is_some_and(|every| state.step.is_multiple_of(every) && state.step < steps) {
                let measured = self.measure(Some(state), state.step);
                if let Err(failure) = measured {
                    return End::Failed(failure);
                }
                self.reporter.stage("training");
            }
        }
        End::Done
    }

    /// Between two steps: what all ranks do next, and a checkpoint where one is due.
    fn boundary(&mut self, state: &State) -> Result<Wish, Failure> {
        self.stepper.pulse.turn_to(Doing::Reducing);
        let own = self.reporter.interrupt().wish();
        let wish = self.group.agree(own).map_err(lost)?;
        if let Some(leader) = &mut self.leader
            && wish <= Wish::Checkpoint
            && (wish == Wish::Checkpoint || leader.is_due(state.step))
        {
            leader.save(self.open, state, &self.totals)?;
        }
        Ok(wish)
    }

    fn step(&mut self, state: &mut State) -> Result<(), Failure> {
        let begun = Instant::now();
        let micro_batches = self.open.micro_batches(state.step);
        let report = self.stepper.step(state, &micro_batches, self.group);
        let precision = self.open.job.training.precision;
        let report = report.map_err(|error| stopped(error, precision))?;
        self.stepper.pulse.step(state.step);
        self.record(state.step, &report, begun.elapsed().as_secs_f64())
    }

    fn record(&mut self, step: usize, report: &StepReport, seconds: f64) -> Result<(), Failure> {
        self.totals.tokens += report.tokens;
        self.totals.skipped += usize::from(report.grad_norm.is_none());
        self.pace.tokens += report.tokens;
        self.pace.seconds += seconds;
        self.totals.last_loss = Some(report.loss);
        let metrics = StepMetrics {
            step,
            steps: self.open.plan.steps(),
            loss: report.loss,
            grad_norm: report.grad_norm,
            loss_scale: report.loss_scale,
            skipped: report.grad_norm.is_none(),
            lr: report.lr,
            tokens: report.tokens,
            tokens_per_s: report.tokens as f64 / seconds.max(1e-9),
        };
        self.reporter.event(&Event::Step(metrics.clone()));
        match &mut self.leader {
            Some(leader) => leader.output.step(&metrics).map_err(Failure::job),
            None => Ok(()),
        }
    }
}

/// A step that was not taken.
fn stopped(error: StepError, precision: Precision) -> Failure {
    match error {
        StepError::Group { .. } => Failure::new(ExitCode::GroupLost, &error),
        StepError::NonFinite { .. } if precision == Precision::Fp16Mixed => Failure::job(error)
            .hint("try training.precision = \"bf16-mixed\", whose numbers reach further"),
        error => Failure::job(error)
            .hint("lower training.lr, or look for odd samples with 'schliff data'"),
    }
}

/// There is no group. What a library lacks will not be there after a restart.
fn not_joined(error: CollectiveError) -> Failure {
    match error {
        CollectiveError::Library { .. } => Failure::usage(error),
        error => lost(error),
    }
}

/// The other ranks cannot be reached.
fn lost(error: CollectiveError) -> Failure {
    Failure::new(ExitCode::GroupLost, &error)
}
