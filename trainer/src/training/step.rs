//! One optimizer step: leaves, tree, clip, AdamW.

use std::ops::Range;

use schliff_data::sample::Sample;
use thiserror::Error;

use super::leaves::{Workers, cut};
use super::optimizer::{AdamW, Moments, clip, global_norm};
use super::schedule::LearningRate;
use crate::adapter::factors::Adapter;
use crate::adapter::layout::{Gradients, Kind, Layout, Parameter};
use crate::model::batch::Leaf;
use crate::model::network::{LeafPass, Network};
use crate::model::projection::{Context, Dropout};

/// A step that must not be taken.
#[derive(Debug, Error, Clone, PartialEq)]
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
    /// Steps done.
    pub step: usize,
}

impl State {
    /// The state before the first step.
    pub fn new(masters: Vec<f32>) -> Self {
        let moments = Moments::zeros(masters.len());
        Self {
            masters,
            moments,
            step: 0,
        }
    }
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// Mean loss over the trained tokens, before the update.
    pub loss: f64,
    /// Global gradient norm before clipping.
    pub grad_norm: f64,
    /// Learning rate of the update.
    pub lr: f64,
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
}

impl Stepper<'_> {
    /// Takes one step on the given micro-batches.
    pub(crate) fn step(
        &self,
        state: &mut State,
        micro_batches: &[Vec<&Sample>],
    ) -> Result<StepReport, StepError> {
        let number = state.step + 1;
        let samples = || micro_batches.iter().flatten();
        let tokens = samples().map(|sample| sample.input_ids.len() as u64).sum();
        let trained: usize = samples().map(|sample| sample.trained_tokens()).sum();
        let sum = self.gradient(state, micro_batches, 1.0 / trained.max(1) as f32);
        let Some((loss_sum, mut gradients)) = sum.filter(|_| trained > 0) else {
            return Err(StepError::NothingTrained { step: number });
        };
        let loss = loss_sum / trained as f64;
        let grad_norm = global_norm(&gradients);
        for (what, value) in [("loss", loss), ("gradient norm", grad_norm)] {
            if !value.is_finite() {
                return Err(StepError::NonFinite {
                    step: number,
                    what,
                    value,
                });
            }
        }
        if let Some(limit) = self.settings.clip_norm {
            clip(&mut gradients, grad_norm, limit);
        }
        let lr = self.settings.learning_rate.at(state.step);
        let rates = self.rates(lr);
        let State {
            masters, moments, ..
        } = state;
        self.settings
            .optimizer
            .update(masters, &gradients, moments, &rates);
        state.step = number;
        Ok(StepReport {
            loss,
            grad_norm,
            lr,
            tokens,
            trained_tokens: trained as u64,
        })
    }

    /// Sum of losses, and gradient of `scale` times it, over all leaves.
    pub(crate) fn gradient(
        &self,
        state: &State,
        micro_batches: &[Vec<&Sample>],
        scale: f32,
    ) -> Option<(f64, Vec<f32>)> {
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
        self.workers.tree(
            leaves.len(),
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
    pub(crate) fn adapter(&self, masters: &[f32]) -> Adapter<'_> {
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
