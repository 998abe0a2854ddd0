//! A job as the rest of Schliff sees it: every value checked, every default filled in.
//!
//! The written form (TOML or YAML) is read elsewhere in this crate; these types are also what
//! travels to the trainer, as JSON. Paths are as found: absolute, or relative to the working
//! directory.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

mod scheduling;
mod sweep;

pub use scheduling::Scheduling;
pub use sweep::{Candidates, Parameter, Scale, Sweep, SweepMethod, SweepValue};

/// One fine-tuning job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Name of the job, used for folders and records.
    pub name: String,
    /// The base model.
    pub model: Model,
    /// What is trained on top of it.
    pub adapter: Adapter,
    /// What it is trained on.
    pub data: Data,
    /// How it is trained.
    pub training: Training,
    /// How it is judged.
    pub evaluation: Evaluation,
    /// What it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// What a coordinator does with it; without effect on the adapter.
    #[serde(default, skip_serializing_if = "Scheduling::is_default")]
    pub scheduling: Scheduling,
    /// Where its state is kept.
    pub checkpoint: Checkpoint,
    /// What becomes of its adapter; read and checked, without effect yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<JobResult>,
    /// What its records say of the data; read and checked, without effect yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub governance: Option<Governance>,
    /// The search that this job is the pattern of; absent in each job of the search itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<Sweep>,
}

impl Job {
    /// The same job with every path made absolute, so that it means the same from anywhere.
    ///
    /// # Errors
    /// The working directory cannot be told.
    pub fn with_absolute_paths(mut self) -> std::io::Result<Self> {
        let (BaseModel::Gguf(base) | BaseModel::HfDirectory(base)) = &mut self.model.base;
        let single = [
            Some(base),
            self.model.tokenizer.as_mut(),
            self.model.chat_template.as_mut(),
            self.adapter.init.as_mut(),
        ];
        let files = self.data.train.iter_mut().chain(&mut self.data.eval);
        for path in single.into_iter().flatten().chain(files) {
            *path = std::path::absolute(&*path)?;
        }
        if let Some(sweep) = &mut self.sweep {
            sweep.make_paths_absolute()?;
        }
        Ok(self)
    }
}

/// The frozen base.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Where the base model's files are.
    pub base: BaseModel,
    /// A tokenizer.json that replaces the base model's own.
    pub tokenizer: Option<PathBuf>,
    /// A Jinja file that replaces the base model's own chat template.
    pub chat_template: Option<PathBuf>,
    /// How the frozen base is held in memory.
    pub quantization: Quantization,
}

/// How the frozen base's linear weights are held in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantization {
    /// In the number format that `training.precision` names.
    None,
    /// As the GGUF file has them, where that is a block format; else as `None`.
    AsStored,
    /// 8-bit blocks of 32 (GGUF's Q8_0).
    Q8_0,
    /// 4-bit blocks of 32 (GGUF's Q4_0).
    Q4_0,
    /// 4-bit normal floats in blocks of 64 (Dettmers et al. 2023).
    Nf4,
}

/// A base model on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "path", rename_all = "snake_case")]
pub enum BaseModel {
    /// One GGUF v3 file.
    Gguf(PathBuf),
    /// A folder as `save_pretrained` writes it.
    HfDirectory(PathBuf),
}

/// Which low-rank form the adapter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdapterMethod {
    /// `y = xW + (alpha / r) xAB`.
    Lora,
    /// LoRA scaled by `alpha / sqrt(r)`.
    Rslora,
    /// LoRA whose output rows are renormalised to a trained magnitude.
    Dora,
}

/// Which linear layers carry an adapter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Targets {
    /// Every linear layer but the output head.
    AllLinear,
    /// Module names, each exact or a dotted suffix, as PEFT reads a list.
    Names(Vec<String>),
    /// A regular expression over the full module name, as PEFT reads a string.
    Regex(String),
}

/// The trained part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adapter {
    /// Low-rank form.
    pub method: AdapterMethod,
    /// Rank of the factors, at least 1.
    pub rank: usize,
    /// Numerator of the scale.
    pub alpha: f64,
    /// Dropout on the branch's input, in `0.0..1.0`.
    pub dropout: f64,
    /// Layers that carry it.
    pub targets: Targets,
    /// Rank by module pattern (PEFT's `rank_pattern`).
    pub rank_pattern: BTreeMap<String, usize>,
    /// Alpha by module pattern (PEFT's `alpha_pattern`).
    pub alpha_pattern: BTreeMap<String, f64>,
    /// Modules trained in full (PEFT's `modules_to_save`).
    pub modules_to_save: Vec<String>,
    /// LoRA+: the learning rate of B is this times that of A.
    pub lr_b_ratio: f64,
    /// A PEFT folder with the initial factors; seeded when absent.
    pub init: Option<PathBuf>,
}

/// The layout of a sample in a data file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataFormat {
    /// `instruction`, `input`, `output`.
    Alpaca,
    /// OpenAI `messages`.
    Messages,
    /// `conversations` of `from` and `value`.
    Sharegpt,
    /// `prompt` and `completion`.
    PromptCompletion,
    /// `text`.
    Text,
    /// `input_ids` and `labels`.
    Tokens,
}

/// Which tokens of a sample count in the loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossOn {
    /// The completion (prompt formats) or the assistant's turns (chat formats).
    #[serde(alias = "completion", alias = "assistant")]
    Answer,
    /// Every token.
    All,
}

/// What happens to a sample longer than `max_tokens`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    /// Its end is cut off.
    Truncate,
    /// It is left out.
    Drop,
    /// It becomes several samples.
    Split,
}

/// Training and held-out data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Data {
    /// Training files.
    pub train: Vec<PathBuf>,
    /// Held-out files; empty when there are none.
    pub eval: Vec<PathBuf>,
    /// Layout of their samples.
    pub format: DataFormat,
    /// Longest sample, in tokens.
    pub max_tokens: usize,
    /// What happens to longer ones.
    pub overflow: Overflow,
    /// Several samples share a row, isolated from each other.
    pub packing: bool,
    /// Samples are drawn in a seeded order instead of the file's.
    pub shuffle: bool,
    /// Tokens that count.
    pub loss_on: LossOn,
}

/// How long training goes on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duration {
    /// So many optimizer steps.
    Steps(usize),
    /// So many passes over the training data.
    Epochs(f64),
}

/// How samples are gathered into steps and micro-batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchSize {
    /// Counted in samples.
    Samples {
        /// Samples an optimizer step.
        batch: usize,
        /// Samples a micro-batch.
        micro_batch: usize,
    },
    /// Counted in tokens, filled with whole samples.
    Tokens {
        /// Tokens an optimizer step, at most.
        batch: usize,
        /// Tokens a micro-batch, at most.
        micro_batch: usize,
    },
}

/// Shape of the learning rate over the optimizer steps, as HF's `get_scheduler` has it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Flat after warm-up.
    Constant,
    /// Falls linearly to zero.
    Linear,
    /// Half a cosine to zero.
    Cosine,
    /// Half a cosine to `min_lr_ratio` of the peak.
    CosineMinLr,
    /// Warm-up, stable, decay.
    Wsd,
    /// Falls with the square root of the step.
    InverseSqrt,
}

/// Length of the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Warmup {
    /// So many optimizer steps.
    Steps(usize),
    /// This share of all steps, rounded up.
    Share(f64),
}

/// Number format of the frozen base and the activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Precision {
    /// 32-bit floats throughout.
    #[serde(rename = "f32")]
    F32,
    /// bfloat16 base and products; masters, moments and sums in 32 bits.
    #[serde(rename = "bf16_mixed")]
    Bf16Mixed,
    /// IEEE half base and products with a loss scale; masters, moments and sums in 32 bits.
    #[serde(rename = "fp16_mixed")]
    Fp16Mixed,
}

/// The optimizer's settings and the run's length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// Steps or epochs.
    pub duration: Duration,
    /// Batch and micro-batch.
    pub batch: BatchSize,
    /// Peak learning rate.
    pub lr: f64,
    /// Shape of the learning rate.
    pub schedule: Schedule,
    /// Warm-up.
    pub warmup: Warmup,
    /// Floor of `cosine_min_lr` and end of `wsd`, as a share of the peak.
    pub min_lr_ratio: f64,
    /// Share of all steps that `wsd` spends in decay.
    pub decay_share: f64,
    /// AdamW's decoupled weight decay.
    pub weight_decay: f64,
    /// AdamW's first-moment decay.
    pub beta1: f64,
    /// AdamW's second-moment decay.
    pub beta2: f64,
    /// AdamW's epsilon.
    pub eps: f64,
    /// Largest global gradient norm; `None` leaves gradients as they are.
    pub clip_norm: Option<f64>,
    /// Seed of sample order, dropout and initial factors.
    pub seed: u64,
    /// Number format.
    pub precision: Precision,
    /// Keeps only each block's input and computes the block again in the backward pass.
    pub activation_checkpointing: bool,
}

/// How the result is judged against the base without the adapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Held-out loss is also taken every so many steps.
    pub every_steps: Option<usize>,
    /// Held-out samples whose greedy answer is compared with the label; 0 for none.
    pub exact_match_samples: usize,
    /// Longest answer, in tokens.
    pub max_new_tokens: usize,
}

/// What the job runs on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Machines.
    pub nodes: Option<usize>,
    /// Machines that it can do with: `nodes`, halved as often as that is not less than this.
    pub min_nodes: Option<usize>,
    /// GPUs on each of them.
    pub gpus_per_node: Option<usize>,
    /// Cores on each of them.
    pub cpus_per_node: Option<usize>,
    /// Wall time asked for.
    pub time_s: Option<u64>,
}

/// Where the job's state is kept, so that it can go on after an interruption.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Prefix in an object store, or a folder; `checkpoints/` in the out folder where absent.
    pub uri: Option<String>,
    /// When the next one is due.
    pub every: CheckpointEvery,
    /// Newest checkpoints kept, at least 1.
    pub keep: usize,
}

/// Distance between two checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckpointEvery {
    /// So many seconds of wall time.
    Seconds(u64),
    /// So many optimizer steps.
    Steps(usize),
}

/// What becomes of the adapter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobResult {
    /// Name under which it is registered.
    pub model: Option<String>,
    /// Conditions on its measures, such as `eval.loss < 1.9`.
    pub gates: Vec<String>,
}

/// What the job's records say of its data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Governance {
    /// Why the data is processed.
    pub purpose: Option<String>,
    /// Class of the data, such as `personal`.
    pub data_class: Option<String>,
    /// Countries in which it may lie, as ISO 3166 codes.
    pub residency: Vec<String>,
    /// Days until it is deleted.
    pub retention_days: Option<usize>,
}
