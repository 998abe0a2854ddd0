//! What `schliff-trainer` answers: one JSON object a line on its standard output.
//!
//! The first line is [`Event::Hello`], the last [`Event::Done`] or [`Event::Failed`]. The
//! trainer's standard error is free text for people.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One line from the trainer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Who answers.
    Hello {
        /// [`crate::request::PROTOCOL`] of the trainer.
        protocol: u32,
        /// Version of the trainer.
        version: String,
        /// Backend it was built for and found, such as `flex (avx512, 2 threads)`.
        backend: String,
    },
    /// A stage of work begins, in words for people: `loading the base model`.
    Stage {
        /// The words.
        name: String,
    },
    /// Progress inside the stage.
    Progress {
        /// Done so far.
        done: u64,
        /// All there is.
        total: u64,
    },
    /// A remark the user should see, such as skipped samples.
    Warning {
        /// The words.
        text: String,
    },
    /// One optimizer step is done; also a line of `metrics.jsonl`.
    Step(StepMetrics),
    /// Held-out measures at a step; step 0 is the baseline without the adapter.
    Evaluation {
        /// Optimizer steps done.
        step: usize,
        /// The measures.
        measures: Measures,
    },
    /// A sign of life, about once a second from every rank.
    Beat(Beat),
    /// What became of a checkpoint.
    Checkpoint(CheckpointNews),
    /// The verb's result, its form depending on the verb.
    Done {
        /// The result, printed as it is under `--json`.
        result: serde_json::Value,
    },
    /// The verb failed.
    Failed(Failure),
}

/// What a rank is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doing {
    /// Reads files, checks, measures: no steps yet or none just now.
    Preparing,
    /// Waits for the other ranks to join.
    Joining,
    /// Computes a step.
    Computing,
    /// Waits in a collective operation for its peers.
    Reducing,
    /// Measures, answers questions or saves.
    Measuring,
}

/// A rank's sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// Optimizer steps done.
    pub step: usize,
    /// What it is doing.
    pub doing: Doing,
    /// How long it has been doing that, in milliseconds.
    pub for_ms: u64,
}

/// What became of a checkpoint; from the rank that writes them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fate", rename_all = "snake_case")]
pub enum CheckpointNews {
    /// It is in the store, whole and verified: training can go on from it.
    Committed {
        /// Optimizer steps that it holds.
        step: usize,
        /// Bytes written.
        bytes: u64,
        /// From the snapshot to the commit.
        latency_ms: u64,
    },
    /// The store cannot be written; training goes on, and the newest state is tried again.
    Delayed {
        /// Optimizer steps of the state that waits.
        step: usize,
        /// Newest step that is safe, if any.
        committed: Option<usize>,
        /// Why, in words.
        reason: String,
    },
    /// Training went on from it.
    Resumed {
        /// Optimizer steps that it holds.
        step: usize,
        /// Newer ones that were passed over, each with its reason.
        skipped: Vec<String>,
    },
}

/// One optimizer step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepMetrics {
    /// Optimizer step, from 1.
    pub step: usize,
    /// Steps in all.
    pub steps: usize,
    /// Mean loss over the step's trained tokens, before the update.
    pub loss: f64,
    /// Global gradient norm before clipping; `None` where it was not finite.
    pub grad_norm: Option<f64>,
    /// Learning rate of this update.
    pub lr: f64,
    /// What the loss was multiplied with, in half precision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_scale: Option<f32>,
    /// There was no update: the gradient overflowed at this loss scale.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub skipped: bool,
    /// Tokens read in this step, padding excluded.
    pub tokens: u64,
    /// Tokens a second over this step.
    pub tokens_per_s: f64,
}

/// Held-out measures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// Mean loss a trained token.
    pub loss: f64,
    /// `exp(loss)`.
    pub perplexity: f64,
    /// Bits a byte of the trained text; absent where the text is not known.
    pub bits_per_byte: Option<f64>,
    /// Trained tokens measured.
    pub tokens: u64,
    /// Share of greedy answers equal to the label; absent where not asked for.
    pub exact_match: Option<f64>,
    /// Answers compared.
    pub exact_match_samples: usize,
}

/// Why a verb failed, ready to print.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The failed operation and its object.
    pub error: String,
    /// Causes, outermost first.
    pub causes: Vec<String>,
    /// What the user can do.
    pub hint: Option<String>,
    /// [`crate::exit::ExitCode`] as a number.
    pub exit: i32,
    /// Folder of what could be saved, if anything was.
    pub saved: Option<PathBuf>,
}
