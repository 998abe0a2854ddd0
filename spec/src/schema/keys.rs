//! The table of the job file.

use super::Fallback::{Follows, None, Required, Value};
use super::Form::{
    self, Choice, File, Files, Flag, Folder, Name, Number, Text, Texts, Time, Whole, WholeIn, Word,
};
use super::Interval::{BelowOne, NotNegative, Positive, Share};
use super::other_names::OTHER_NAMES;
use super::{Fallback, Key, Schema, Section};

/// The job file.
pub(crate) static JOB: Schema = Schema {
    noun: "job file",
    outline: ("a job", "a name and the sections model, data and others"),
    hint: "configs/jobs has examples, docs/job-file.md all keys",
    sections: SECTIONS,
    other_names: OTHER_NAMES,
};

const SECTIONS: &[Section] = &[
    Section {
        name: "",
        meaning: "The job as a whole.",
        keys: &[key(
            "name",
            Name("job"),
            Required,
            "Name of the job, used for folders and records.",
        )],
    },
    Section {
        name: "model",
        meaning: "The frozen base model.",
        keys: MODEL,
    },
    Section {
        name: "adapter",
        meaning: "What is trained on top of it.",
        keys: ADAPTER,
    },
    Section {
        name: "data",
        meaning: "What it is trained on.",
        keys: DATA,
    },
    Section {
        name: "training",
        meaning: "How it is trained.",
        keys: TRAINING,
    },
    Section {
        name: "evaluation",
        meaning: "How it is judged, always against the base without the adapter.",
        keys: EVALUATION,
    },
    Section {
        name: "resources",
        meaning: "What it runs on.",
        keys: RESOURCES,
    },
    Section {
        name: "scheduling",
        meaning: "What a coordinator does with it. Nothing here changes the adapter.",
        keys: SCHEDULING,
    },
    Section {
        name: "checkpoint",
        meaning: "Where its state is kept.",
        keys: CHECKPOINT,
    },
    Section {
        name: "result",
        meaning: "What becomes of the adapter.",
        keys: RESULT,
    },
    Section {
        name: "governance",
        meaning: "What the job's records say of its data.",
        keys: GOVERNANCE,
    },
    Section {
        name: "sweep",
        meaning: "A search: several jobs that differ in some keys, compared by their held-out loss.",
        keys: SWEEP,
    },
];

pub(super) const fn key(
    name: &'static str,
    form: Form,
    fallback: Fallback,
    meaning: &'static str,
) -> Key {
    Key {
        name,
        form,
        fallback,
        meaning,
    }
}

#[rustfmt::skip]
const MODEL: &[Key] = &[
    key("base", Form::Base, Required, "A folder as `save_pretrained` writes it, a `.gguf` file, or `gguf:PATH`."),
    key("tokenizer", File, None, "A `tokenizer.json` that replaces the base model's own."),
    key("chat_template", File, None, "A Jinja file that replaces the base model's own chat template."),
    key("quantization", Choice(&["none", "as-stored", "q8-0", "q4-0", "nf4"]), Value("\"none\""), "How the frozen base's linear weights are held in memory: as `training.precision` has them, in the file's own blocks, or quantised to 8 or 4 bits. Products see the values of that format."),
];

#[rustfmt::skip]
const ADAPTER: &[Key] = &[
    key("method", Choice(&["lora", "rslora", "dora"]), Value("\"lora\""), "The low-rank form."),
    key("rank", Whole(1), Value("16"), "Rank of the factors."),
    key("alpha", Number(Positive), Value("32"), "Numerator of the scale: `alpha / rank`, or `alpha / sqrt(rank)` for rslora."),
    key("dropout", Number(BelowOne), Value("0.0"), "Dropout on the adapter branch's input."),
    key("targets", Form::Targets, Value("\"all-linear\""), "Layers that carry it, as PEFT reads `target_modules`: a list matches names or dotted suffixes, a regular expression the full name."),
    key("rank_pattern", Form::WholeByPattern, Value("{}"), "Rank by module pattern, as PEFT has it."),
    key("alpha_pattern", Form::NumberByPattern, Value("{}"), "Alpha by module pattern, as PEFT has it."),
    key("modules_to_save", Texts, Value("[]"), "Modules trained in full and saved with the adapter."),
    key("lr_b_ratio", Number(Positive), Value("1.0"), "LoRA+: learning rate of B as a multiple of that of A."),
    key("init", Folder, None, "A PEFT folder with the initial factors; seeded random factors without it."),
];

#[rustfmt::skip]
const DATA: &[Key] = &[
    key("train", Files, Required, "Training files."),
    key("eval", Files, None, "Held-out files."),
    key("format", Choice(&["alpaca", "messages", "sharegpt", "prompt-completion", "text", "tokens"]), Required, "Layout of the samples in all files."),
    key("max_tokens", Whole(2), Value("1024"), "Longest sample."),
    key("overflow", Choice(&["truncate", "drop", "split"]), Value("\"truncate\""), "What happens to longer samples: the end is cut off, they are left out, or they become several."),
    key("packing", Flag, Value("true"), "Several samples share a row, isolated from each other."),
    key("shuffle", Flag, Value("true"), "Samples are drawn in a seeded order instead of the file's."),
    key("loss_on", Choice(&["answer", "completion", "assistant", "all"]), Follows("`answer`; `all` for the formats text and tokens"), "Tokens that count in the loss. `completion` and `assistant` are other words for `answer`. Samples of the format tokens bring their own labels."),
];

#[rustfmt::skip]
const TRAINING: &[Key] = &[
    key("epochs", Number(Positive), Follows("1, unless `steps` is set"), "Passes over the training data. Not together with `steps`."),
    key("steps", Whole(1), None, "Optimizer steps. Not together with `epochs`."),
    key("batch_tokens", Whole(1), Follows("8192, or `micro_batch_tokens` where that is more"), "Tokens of an optimizer step, filled with whole samples."),
    key("micro_batch_tokens", Whole(1), Follows("`batch_tokens` where that is set; else 2048, or `data.max_tokens` where that is more"), "Tokens computed at a time; at least `data.max_tokens`, at most `batch_tokens`."),
    key("batch_samples", Whole(1), None, "Samples of an optimizer step, instead of `batch_tokens`."),
    key("micro_batch_samples", Whole(1), Follows("`batch_samples`"), "Samples computed at a time; divides `batch_samples`."),
    key("lr", Number(Positive), Value("2e-4"), "Peak learning rate."),
    key("schedule", Choice(&["constant", "linear", "cosine", "cosine-min-lr", "wsd", "inverse-sqrt"]), Value("\"cosine\""), "Shape of the learning rate over the steps."),
    key("warmup_steps", Whole(0), None, "Length of the warm-up in steps. Not together with `warmup`."),
    key("warmup", Number(Share), Follows("0.03, unless `warmup_steps` is set"), "Length of the warm-up as a share of all steps, rounded up."),
    key("min_lr_ratio", Number(Share), Value("0.1"), "Floor of `cosine-min-lr` and end of `wsd`, as a share of `lr`."),
    key("decay_share", Number(Share), Value("0.1"), "Share of all steps that `wsd` spends in decay."),
    key("weight_decay", Number(NotNegative), Value("0.0"), "AdamW's decoupled weight decay."),
    key("beta1", Number(BelowOne), Value("0.9"), "AdamW's first-moment decay."),
    key("beta2", Number(BelowOne), Value("0.999"), "AdamW's second-moment decay."),
    key("eps", Number(Positive), Value("1e-8"), "AdamW's epsilon."),
    key("clip_norm", Form::NumberOrOff, Value("1.0"), "Largest global gradient norm; 0 or false leaves gradients as they are."),
    key("seed", Whole(0), Value("0"), "Seed of sample order, dropout and initial factors."),
    key("precision", Choice(&["f32", "bf16-mixed", "fp16-mixed"]), Value("\"f32\""), "Number format of the frozen base and of what enters products with it. Masters, moments, sums, norms and the loss are 32 bits wide in each. `fp16-mixed` scales the loss, as torch's `GradScaler` does, and skips steps whose gradient overflows."),
    key("activation_checkpointing", Flag, Value("false"), "Keeps only each block's input and computes the block again in the backward pass: less memory, more time."),
];

#[rustfmt::skip]
const EVALUATION: &[Key] = &[
    key("every_steps", Whole(1), None, "Held-out loss is also taken every so many steps. Needs `data.eval`."),
    key("exact_match_samples", Whole(0), Value("0"), "Held-out samples whose greedy answer is compared with the label. Needs `data.eval`."),
    key("max_new_tokens", Whole(1), Value("128"), "Longest greedy answer."),
];

#[rustfmt::skip]
const RESOURCES: &[Key] = &[
    key("nodes", Whole(1), None, "Machines. `nodes * gpus_per_node` is the number of ranks, a power of two."),
    key("min_nodes", Whole(1), None, "Machines that it can do with where there are fewer, or where some die (`slurm.no_kill` of the cluster): `nodes` is halved, never below this."),
    key("gpus_per_node", Whole(0), None, "GPUs on each of them, a rank each; 0 is one rank on the CPU."),
    key("cpus_per_node", Whole(1), None, "Cores on each of them."),
    key("time", Time, None, "Wall time asked for."),
];

#[rustfmt::skip]
const SCHEDULING: &[Key] = &[
    key("cluster", Name("cluster"), None, "The cluster that runs it; any that can where absent."),
    key("priority", WholeIn(0, 100), Value("50"), "Weight among waiting jobs; the higher goes first."),
    key("retries", WholeIn(0, 1000), Value("3"), "Failed attempts in a row, none with a new step, that are allowed."),
    key("budget_gpu_hours", Number(Positive), None, "GPU-hours that all attempts together may use."),
    key("budget_core_hours", Number(Positive), None, "Core-hours that all attempts together may use."),
    key("account", Word, None, "Who pays, on Slurm (`--account`); wins over the cluster profile."),
    key("partition", Word, None, "Where it waits, on Slurm; several with commas. Wins over the cluster profile."),
    key("qos", Word, None, "Under which quality of service, on Slurm; wins over the cluster profile."),
    key("reservation", Word, None, "In which reservation, on Slurm; wins over the cluster profile."),
    key("constraint", Word, None, "On nodes with which features, on Slurm; wins over the cluster profile."),
];

#[rustfmt::skip]
const CHECKPOINT: &[Key] = &[
    key("uri", Text, Follows("`checkpoints/` in the folder of the result"), "Prefix in an object store (`s3://bucket/prefix`), or a folder."),
    key("every", Time, Follows("2min, unless `every_steps` is set"), "Time between two checkpoints. Not together with `every_steps`."),
    key("every_steps", Whole(1), None, "Optimizer steps between two checkpoints. Not together with `every`."),
    key("keep", Whole(1), Value("3"), "Newest checkpoints kept; the newest good one is never deleted."),
];

#[rustfmt::skip]
const RESULT: &[Key] = &[
    key("model", Text, None, "Name under which the adapter is registered."),
    key("gates", Texts, Value("[]"), "Conditions on its measures, such as `eval.loss < 1.9`."),
];

#[rustfmt::skip]
const GOVERNANCE: &[Key] = &[
    key("purpose", Text, None, "Why the data is processed."),
    key("data_class", Text, None, "Class of the data, such as `personal`."),
    key("residency", Texts, Value("[]"), "Countries in which it may lie, as ISO 3166 codes."),
    key("retention_days", Whole(0), None, "Days until it is deleted."),
];

#[rustfmt::skip]
const SWEEP: &[Key] = &[
    key("method", Choice(&["grid", "random", "halving"]), Follows("required in this section"), "Every combination, some that are drawn, or some that are drawn of which only the best go on at each rung."),
    key("parameters", Form::Parameters, Follows("required in this section"), "The keys that are varied. A range is drawn from, so it needs `random` or `halving`; its scale is `linear` (the default) or `log`. Not `name`, `data.eval`, `checkpoint.uri`, nor a key of `scheduling` or `sweep`."),
    key("trials", WholeIn(1, 1000), None, "Combinations that are drawn. Needed by `random` and `halving`. A grid has at most 1000."),
    key("seed", Whole(0), Value("0"), "Seed of what is drawn."),
    key("eta", WholeIn(2, 1000), Value("3"), "`halving`: at a rung one trial in so many goes on."),
    key("rungs", Form::Rungs, Follows("from `training.steps`, `trials` and `eta`: as many as leave one trial, each `eta` times the one before"), "`halving`: optimizer steps after which trials are compared. Sets `evaluation.every_steps` to their greatest common divisor. Needs `data.eval`."),
    key("max_parallel", Whole(1), None, "Trials at work at a time, at most."),
];
