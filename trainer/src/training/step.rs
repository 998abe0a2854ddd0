//! One optimizer step: leaves, tree, loss scale, clip, AdamW.

use std::ops::Range;

use schliff_collective::CollectiveError;
use schliff_data::sample::Sample;
use schliff_spec::event::Doing;
use thiserror::Error;

use super::group::{Group, LossAndGradient};
use super::leaves::{Workers, cut, weights};
use super::loss_scale::LossScale;
use super::optimizer::{AdamW, Moments, clip, global_norm};
use super::schedule::LearningRate;
use super::tree;
use crate::adapter::factors::Adapter;
use crate::adapter::layout::{Gradients, Kind, Layout, Parameter};
use crate::model::batch::Leaf;
use crate::model::network::{LeafPass, Network};
use crate::model::projection::{Context, Dropout};
use crate::process::pulse::Pulse;

/// A step that must not be taken.
#[derive(Debug, Error)]
pub enum StepError {
    /// The loss or the gradient is not a number any more.
    #[error("step {step}: the {what} is {value}; the update was not applied")]
    NonFinite {
        /// Optimizer step, from 1.
        step: usize,
        /// `loss` or `gradient norm`.
        what: &'static str,
        /// What it is.
        value: f64,
    },
    /// No token of the step counts.
    #[error("step {step}: no token of the batch counts in the loss")]
    NothingTrained {
        /// Optimizer step, from 1.
        step: usize,
    },
    /// The other ranks cannot be reached any more.
    #[error("step {step}: the ranks lost each other; the update was not applied")]
    Group {
        /// Optimizer step, from 1.
        step: usize,
        /// What happened.
        source: CollectiveError,
    },
}

/// Settings that hold for all steps of a run.
#[derive(Clone, Debug)]
pub struct StepSettings {
    /// The optimizer.
    pub optimizer: AdamW,
    /// The learning rate by step.
    pub learning_rate: LearningRate,
    /// LoRA+: the rate of B is this times that of everything else.
    pub lr_b_ratio: f64,
    /// Largest global gradient norm.
    pub clip_norm: Option<f64>,
    /// Dropout on the branches' input.
    pub dropout: f64,
    /// Seed of dropout.
    pub seed: u64,
    /// Each block is computed again in the backward pass.
    pub checkpointing: bool,
}

/// What changes from step to step.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Trained values, flat.
    pub masters: Vec<f32>,
    /// The optimizer's memory.
    pub moments: Moments,
    /// Steps done, skipped ones included.
    pub step: usize,
    /// The loss scale, in half precision.
    pub loss_scale: Option<LossScale>,
}

impl State {
    /// The state before the first step.
    pub fn new(masters: Vec<f32>, loss_scale: Option<LossScale>) -> Self {
        let moments = Moments::zeros(masters.len());
        Self {
            masters,
            moments,
            step: 0,
            loss_scale,
        }
    }
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// Mean loss over the trained tokens, before the update.
    pub loss: f64,
    /// Global gradient norm before clipping; `None` where the gradient overflowed and the update
    /// was skipped.
    pub grad_norm: Option<f64>,
    /// Learning rate of the update.
    pub lr: f64,
    /// What the loss was scaled with, in half precision.
    pub loss_scale: Option<f32>,
    /// Tokens read.
    pub tokens: u64,
    /// Tokens that counted.
    pub trained_tokens: u64,
}

/// The parts a step works with.
pub(crate) struct Stepper<'a> {
    pub(crate) network: &'a Network,
    pub(crate) layout: &'a Layout,
    pub(crate) workers: &'a Workers,
    pub(crate) settings: StepSettings,
    pub(crate) pulse: &'a Pulse,
}

impl<'a> Stepper<'a> {
    /// Takes one step on the given micro-batches, which are the same on every rank.
    pub(crate) fn step(
        &self,
        state: &mut State,
        micro_batches: &[Vec<&Sample>],
        group: &mut Group,
    ) -> Result<StepReport, StepError> {
        let number = state.step + 1;
        let samples = || micro_batches.iter().flatten();
        let tokens = samples().map(|sample| sample.input_ids.len() as u64).sum();
        let trained: usize = samples().map(|sample| sample.trained_tokens()).sum();
        if trained == 0 {
            return Err(StepError::NothingTrained { step: number });
        }
        self.pulse.turn_to(Doing::Computing);
        let place = (group.rank(), group.world_size());
        let scale = state.loss_scale.map_or(1.0, LossScale::factor);
        let part = self.part(state, micro_batches, scale / trained as f32, place);
        self.pulse.turn_to(Doing::Reducing);
        let sum = group.sum(part, self.layout.len);
        let sum = sum.map_err(|source| StepError::Group {
            step: number,
            source,
        })?;
        self.pulse.turn_to(Doing::Computing);
        let report = self.update(state, sum, trained)?;
        Ok(StepReport { tokens, ..report })
    }

    /// Ends a step with the sum over all leaves, which is the same on every rank.
    ///
    /// In half precision, a gradient that is not finite has overflowed at its scale: the step is
    /// done without an update, as torch has it, and the next one has a smaller scale. Its samples are
    /// used up, and its place in the learning rate's schedule, but the optimizer counts no update.
    pub(crate) fn update(
        &self,
        state: &mut State,
        (loss_sum, mut gradients): LossAndGradient,
        trained: usize,
    ) -> Result<StepReport, StepError> {
        let number = state.step + 1;
        let finite = |what, value: f64| match value.is_finite() {
            true => Ok(value),
            false => Err(StepError::NonFinite {
                step: number,
                what,
                value,
            }),
        };
        // No scale acts on the loss: where it is no number, a smaller one would not help.
        let loss = finite("loss", loss_sum / trained as f64)?;
        let scale = state.loss_scale;
        if let Some(scale) = scale {
            scale.unscale(&mut gradients);
        }
        let norm = global_norm(&gradients);
        let is_skipped = !norm.is_finite() && scale.is_some_and(LossScale::may_fall);
        let grad_norm = match is_skipped {
            true => None,
            false => Some(finite("gradient norm", norm)?),
        };
        let lr = self.settings.learning_rate.at(state.step);
        if let Some(norm) = grad_norm {
            if let Some(limit) = self.settings.clip_norm {
                clip(&mut gradients, norm, limit);
            }
            let (masters, moments) = (&mut state.masters, &mut state.moments);
            let optimizer = self.settings.optimizer;
            optimizer.update(masters, &gradients, moments, &self.rates(lr));
        }
        state.loss_scale = scale.map(|scale| scale.after(!is_skipped));
        state.step = number;
        Ok(StepReport {
            loss,
            grad_norm,
            lr,
            loss_scale: scale.map(LossScale::factor),
            tokens: 0,
            trained_tokens: trained as u64,
        })
    }

    /// Sum of losses, and gradient of `scale` times it, over the leaves of rank `place.0` of
    /// `place.1`; `None` where there are none.
    pub(crate) fn part(
        &self,
        state: &State,
        micro_batches: &[Vec<&Sample>],
        scale: f32,
        place: (usize, usize),
    ) -> Option<LossAndGradient> {
        let adapter = self.adapter(&state.masters);
        let dropout = Dropout {
            p: self.settings.dropout,
            seed: self.settings.seed,
            step: state.step as u64,
        };
        let pass = LeafPass {
            scale,
            checkpointing: self.settings.checkpointing,
        };
        let leaves: Vec<_> = micro_batches.iter().flat_map(|batch| cut(batch)).collect();
        let weights = weights(&leaves);
        let own = tree::share(&weights, place.0, place.1);
        let leaves = &leaves[own.clone()];
        self.workers.tree(
            &weights[own],
            |index| {
                let leaf = Leaf::new(leaves[index].iter().copied());
                let context = Context {
                    leaf: &leaf,
                    adapter: Some(&adapter),
                    dropout: Some(dropout),
                };
                let mut gradients = Gradients::zeros(self.layout);
                let loss = self.network.leaf_gradient(&context, pass, &mut gradients);
                (loss, gradients.into_flat())
            },
            |(loss, mut sum), (other, addend)| {
                sum.iter_mut().zip(addend).for_each(|(a, b)| *a += b);
                (loss + other, sum)
            },
        )
    }

    /// The factors in the form that leaves compute with.
    pub(crate) fn adapter(&self, masters: &[f32]) -> Adapter<'a> {
        self.workers
            .together(|| self.network.adapter(self.layout, masters))
    }

    /// Learning rate of each parameter. As in PEFT's LoRA+, vectors go with B.
    fn rates(&self, lr: f64) -> Vec<(Range<usize>, f64)> {
        let with_b = |p: &Parameter| p.kind == Kind::B || (p.kind != Kind::A && p.shape.0 == 1);
        let rate = |p| {
            if with_b(p) {
                lr * self.settings.lr_b_ratio
            } else {
                lr
            }
        };
        self.layout
            .parameters
            .iter()
            .map(|p| (p.range(), rate(p)))
            .collect()
    }
}
