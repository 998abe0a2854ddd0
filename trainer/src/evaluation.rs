//! Held-out measures: loss, and answers compared with their labels.

use schliff_collective::CollectiveError;
use schliff_data::dataset::Question;
use schliff_data::sample::Sample;
use schliff_data::tokenizer::Tokenizer;
use schliff_spec::event::Measures;

use crate::adapter::factors::Adapter;
use crate::model::batch::Leaf;
use crate::model::decode::{Stop, generate};
use crate::model::network::Network;
use crate::model::projection::Context;
use crate::training::group::Group;
use crate::training::leaves::{Workers, cut, weights};
use crate::training::tree;

/// Samples handed to the workers at one time.
const SAMPLES_AT_ONCE: usize = 64;
/// Prompts that one thread decodes side by side.
const PROMPTS_AT_ONCE: usize = 16;

/// A network with an adapter on it, or bare, at work on all threads.
#[derive(Clone, Copy)]
pub(crate) struct Evaluator<'a> {
    pub(crate) network: &'a Network,
    pub(crate) adapter: Option<&'a Adapter<'a>>,
    pub(crate) workers: &'a Workers,
}

/// A sum of losses and what it is over.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct LossSum {
    pub(crate) loss: f64,
    pub(crate) tokens: u64,
}

impl LossSum {
    fn plus(self, other: Self) -> Self {
        Self {
            loss: self.loss + other.loss,
            tokens: self.tokens + other.tokens,
        }
    }
}

impl Evaluator<'_> {
    /// Summed loss of the samples' labels, each rank computing its share; `None` where any rank's
    /// `go_on`, which hears of samples done, says no.
    pub(crate) fn loss(
        &self,
        samples: &[Sample],
        group: &mut Group,
        go_on: impl Fn(usize) -> bool,
    ) -> Result<Option<LossSum>, CollectiveError> {
        let mut total = LossSum::default();
        for (chunk, samples) in samples.chunks(SAMPLES_AT_ONCE).enumerate() {
            let leaves = cut(&samples.iter().collect::<Vec<_>>());
            let weights = weights(&leaves);
            let own = tree::share(&weights, group.rank(), group.world_size());
            let leaves = &leaves[own.clone()];
            let sum = self.workers.tree(
                &weights[own],
                |index| {
                    let leaf = Leaf::new(leaves[index].iter().copied());
                    let context = Context {
                        leaf: &leaf,
                        adapter: self.adapter,
                        dropout: None,
                    };
                    let losses = self.network.losses(&context);
                    let loss = losses.iter().map(|&loss| f64::from(loss)).sum();
                    LossSum {
                        loss,
                        tokens: losses.len() as u64,
                    }
                },
                LossSum::plus,
            );
            let goes_on = go_on((chunk * SAMPLES_AT_ONCE) + samples.len());
            let sum = sum.unwrap_or_default();
            let parts = group.gather([sum.loss.to_bits(), sum.tokens, goes_on.into()])?;
            if parts.iter().any(|[_, _, goes_on]| *goes_on == 0) {
                return Ok(None);
            }
            let parts = parts.into_iter().map(|[loss, tokens, _]| LossSum {
                loss: f64::from_bits(loss),
                tokens,
            });
            total =
                total.plus(tree::fold_ranks(parts.collect(), LossSum::plus).unwrap_or_default());
        }
        Ok(Some(total))
    }

    /// Greedy continuations of the prompts, in their order, cut short where `go_on` says no.
    pub(crate) fn answers(
        &self,
        prompts: &[Vec<u32>],
        stop: &Stop<'_>,
        go_on: impl Fn() -> bool + Sync,
    ) -> Vec<Vec<u32>> {
        let share = prompts
            .len()
            .div_ceil(self.workers.threads())
            .clamp(1, PROMPTS_AT_ONCE);
        let groups: Vec<&[Vec<u32>]> = prompts.chunks(share).collect();
        let answers = self.workers.tree(
            &vec![1; groups.len()],
            |index| {
                generate(self.network, self.adapter, groups[index], stop, |_, _| {
                    go_on()
                })
            },
            |mut a, b| {
                a.extend(b);
                a
            },
        );
        answers.unwrap_or_default()
    }
}

/// Measures of a held-out set from a sum of losses.
pub(crate) fn measures(sum: LossSum, samples: &[Sample]) -> Measures {
    let loss = sum.loss / sum.tokens.max(1) as f64;
    let bytes: Option<usize> = samples.iter().map(|sample| sample.trained_bytes).sum();
    let bits = sum.loss / std::f64::consts::LN_2;
    Measures {
        loss,
        perplexity: loss.exp(),
        bits_per_byte: bytes
            .filter(|&bytes| bytes > 0)
            .map(|bytes| bits / bytes as f64),
        tokens: sum.tokens,
        exact_match: None,
        exact_match_samples: 0,
    }
}

/// Number of questions whose greedy answer is the expected text, white space at the ends aside.
pub(crate) fn exact_matches(
    evaluator: &Evaluator<'_>,
    questions: &[Question],
    tokenizer: &Tokenizer,
    stop: &Stop<'_>,
    go_on: impl Fn() -> bool + Sync,
) -> usize {
    let prompts: Vec<Vec<u32>> = questions.iter().map(|q| q.prompt_ids.clone()).collect();
    let answers = evaluator.answers(&prompts, stop, go_on);
    let right = questions.iter().zip(answers).filter(|(question, answer)| {
        let text = tokenizer.decode(answer, true).unwrap_or_default();
        text.trim() == question.answer.trim()
    });
    right.count()
}
