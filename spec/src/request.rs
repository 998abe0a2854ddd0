//! What `schliff` asks of `schliff-trainer`: one JSON object on its standard input.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::job::{BaseModel, DataFormat, Job};
use crate::place::{CollectiveKind, Place};

/// Version of the request and event forms; both binaries must name the same one.
pub const PROTOCOL: u32 = 2;

/// One verb with all that it needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Request {
    /// Trains, evaluates and writes the out folder.
    Run {
        /// The job.
        job: Box<Job>,
        /// Folder that receives `adapter/`, `metrics.jsonl` and `summary.json`.
        out: PathBuf,
        /// This rank's place among those that train together.
        place: Place,
        /// What becomes of checkpoints that are there already.
        start: Start,
    },
    /// Reads model and data, measures, and plans without training.
    Check {
        /// The job.
        job: Box<Job>,
        /// Ranks that are to train together.
        world_size: usize,
        /// How they are to exchange sums.
        #[serde(default)]
        collective: CollectiveKind,
    },
    /// Examines the data of a job.
    Data {
        /// The job.
        job: Box<Job>,
        /// Samples to show with their masks.
        samples: usize,
    },
    /// Negative log-likelihood of a text or of data.
    Eval {
        /// The base model.
        base: BaseModel,
        /// A PEFT folder on top of it.
        adapter: Option<PathBuf>,
        /// What is evaluated.
        input: EvalInput,
    },
    /// Continues a prompt greedily.
    Generate {
        /// The base model.
        base: BaseModel,
        /// A PEFT folder on top of it.
        adapter: Option<PathBuf>,
        /// The user's words.
        prompt: String,
        /// Uses the words as they are, without the chat template.
        raw: bool,
        /// Longest continuation.
        max_new_tokens: usize,
    },
    /// Adds an adapter into its base and writes an HF directory.
    Merge {
        /// The base model.
        base: BaseModel,
        /// A PEFT folder.
        adapter: PathBuf,
        /// Folder to write.
        out: PathBuf,
        /// `f32`, `bf16` or `f16`.
        dtype: MergeDtype,
    },
}

/// How a run treats checkpoints of the same job that it finds at its address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Start {
    /// Begins at step 0; checkpoints that are there are an error.
    Fresh,
    /// Begins at step 0; checkpoints that are there are removed.
    Replace,
    /// Goes on from the newest good one under `uri`; none is an error.
    Resume {
        /// A prefix as `checkpoint.uri` names it.
        uri: String,
    },
    /// Goes on from the newest good one; where there is none, begins at step 0. For restarts.
    Continue,
}

/// What `eval` looks at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvalInput {
    /// One text, with the tokenizer's special tokens as its own configuration adds them.
    Text(String),
    /// A data file.
    File {
        /// The file.
        path: PathBuf,
        /// Its layout.
        format: DataFormat,
    },
}

/// Number format of a merged model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergeDtype {
    /// 32 bits.
    F32,
    /// bfloat16.
    Bf16,
    /// IEEE half.
    F16,
}
