//! What a pretended training does: it travels in the job's document, as a job file would.

use schliff_backend::Launch;
use schliff_spec::id::Step;
use serde::{Deserialize, Serialize};

/// The file that it comes in.
pub(crate) const FILE: &str = "job.json";

/// A pretended training.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Steps in all.
    pub steps: u64,
    /// For one step, with one rank; ranks share it.
    pub step_ms: u64,
    /// From the last agent's coming until all ranks train.
    pub prepare_ms: u64,
    /// Steps between checkpoints.
    pub commit_every: u64,
    /// Steps between held-out losses.
    pub eval_every: u64,
    /// The job fails by its own fault: the step, and the exit code.
    pub fails_at: Option<(u64, i32)>,
    /// Folder of the result, and of its checkpoints.
    pub out: String,
    /// What sets its loss apart from others.
    pub quality: u64,
}

impl Work {
    /// That of a launch.
    pub(crate) fn of(launch: &Launch) -> Option<Self> {
        let file = launch.files.iter().find(|file| file.name == FILE)?;
        serde_json::from_slice(&file.content).ok()
    }

    /// The held-out loss after a step: falls, and has as many digits as real ones.
    pub(crate) fn loss(&self, step: Step) -> f64 {
        let quality = (self.quality % 97) as f64 / 97.0;
        0.3 + quality + 3.0 / ((step.0 + 1) as f64).sqrt()
    }

    /// For one step with so many ranks.
    pub(crate) fn step_ms(&self, ranks: u32) -> u64 {
        (self.step_ms / u64::from(ranks.max(1))).max(50)
    }
}
