//! Writes a job down with every value spelled out.

use std::path::PathBuf;

use serde::Serialize;

use crate::job::{
    Adapter, BaseModel, BatchSize, Candidates, Checkpoint, CheckpointEvery, Data, Duration,
    Evaluation, Job, Model, Parameter, Scale, Scheduling, Sweep, SweepMethod, Targets, Training,
    Warmup,
};
use crate::origin::Origin;
use crate::schema::{Form, JOB};
use crate::written::{list, number, path, seconds, short_number, sweep_value, table, text};

/// One key with its value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Resolved {
    /// Path of the key, such as `training.lr`.
    pub path: String,
    /// The value, as TOML.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// The job as a TOML file that loads to the same job. Paths stay as they were found, so it loads
/// from the same working directory.
pub fn resolved_toml(job: &Job) -> String {
    let mut text = String::new();
    let keys = resolved_keys(job);
    // These can be there without any key.
    let mut bare = Vec::new();
    bare.extend(job.resources.is_some().then_some("resources"));
    bare.extend(job.governance.is_some().then_some("governance"));
    for section in JOB.sections {
        let of_section = |key: &&Resolved| {
            let (home, _) = key.path.split_once('.').unwrap_or(("", &key.path));
            home == section.name
        };
        let mut lines = keys.iter().filter(of_section).peekable();
        let is_there = lines.peek().is_some() || bare.contains(&section.name);
        if is_there && !section.name.is_empty() {
            text.push_str(&format!("\n[{}]\n", section.name));
        }
        for key in lines {
            let name = key.path.rsplit('.').next().unwrap_or(&key.path);
            text.push_str(&format!("{name} = {}\n", key.value));
        }
    }
    text
}

/// Every key of a job, in the order of the reference, as if all had their defaults.
pub(crate) fn resolved_keys(job: &Job) -> Vec<Resolved> {
    let mut keys = Keys(Vec::new());
    keys.put("name", text(&job.name));
    keys.model(&job.model);
    keys.adapter(&job.adapter);
    keys.data(&job.data);
    keys.training(&job.training);
    keys.evaluation(&job.evaluation);
    keys.resources(job);
    keys.scheduling(&job.scheduling);
    keys.checkpoint(&job.checkpoint);
    keys.later(job);
    if let Some(sweep) = &job.sweep {
        keys.sweep(sweep);
    }
    keys.0
}

struct Keys(Vec<Resolved>);

impl Keys {
    fn put(&mut self, path: &str, value: String) {
        self.0.push(Resolved {
            path: path.to_owned(),
            value,
            origin: Origin::Default,
        });
    }

    fn put_if_some(&mut self, path: &str, value: Option<String>) {
        if let Some(value) = value {
            self.put(path, value);
        }
    }

    fn put_word(&mut self, path: &str, variant: impl Serialize) {
        self.put_if_some(path, word(path, variant));
    }

    fn model(&mut self, model: &Model) {
        let base = match &model.base {
            BaseModel::Gguf(file) => text(&format!("gguf:{}", file.display())),
            BaseModel::HfDirectory(folder) => path(folder),
        };
        self.put("model.base", base);
        self.put_if_some("model.tokenizer", model.tokenizer.as_deref().map(path));
        let template = model.chat_template.as_deref();
        self.put_if_some("model.chat_template", template.map(path));
        self.put_word("model.quantization", model.quantization);
    }

    fn adapter(&mut self, adapter: &Adapter) {
        let targets = match &adapter.targets {
            Targets::AllLinear => text("all-linear"),
            Targets::Names(names) => list(names.iter().map(|name| text(name))),
            Targets::Regex(regex) => text(regex),
        };
        self.put_word("adapter.method", adapter.method);
        self.put("adapter.rank", adapter.rank.to_string());
        self.put("adapter.alpha", number(adapter.alpha));
        self.put("adapter.dropout", number(adapter.dropout));
        self.put("adapter.targets", targets);
        let ranks = table(&adapter.rank_pattern, usize::to_string);
        self.put("adapter.rank_pattern", ranks);
        let alphas = table(&adapter.alpha_pattern, |alpha| number(*alpha));
        self.put("adapter.alpha_pattern", alphas);
        let saved = list(adapter.modules_to_save.iter().map(|name| text(name)));
        self.put("adapter.modules_to_save", saved);
        self.put("adapter.lr_b_ratio", number(adapter.lr_b_ratio));
        self.put_if_some("adapter.init", adapter.init.as_deref().map(path));
    }

    fn data(&mut self, data: &Data) {
        let files = |files: &[PathBuf]| list(files.iter().map(|file| path(file)));
        self.put("data.train", files(&data.train));
        self.put("data.eval", files(&data.eval));
        self.put_word("data.format", data.format);
        self.put("data.max_tokens", data.max_tokens.to_string());
        self.put_word("data.overflow", data.overflow);
        self.put("data.packing", data.packing.to_string());
        self.put("data.shuffle", data.shuffle.to_string());
        self.put_word("data.loss_on", data.loss_on);
    }

    fn training(&mut self, training: &Training) {
        match training.duration {
            Duration::Epochs(epochs) => self.put("training.epochs", number(epochs)),
            Duration::Steps(steps) => self.put("training.steps", steps.to_string()),
        }
        let (unit, batch, micro_batch) = match training.batch {
            BatchSize::Samples { batch, micro_batch } => ("samples", batch, micro_batch),
            BatchSize::Tokens { batch, micro_batch } => ("tokens", batch, micro_batch),
        };
        self.put(&format!("training.batch_{unit}"), batch.to_string());
        self.put(
            &format!("training.micro_batch_{unit}"),
            micro_batch.to_string(),
        );
        self.put("training.lr", number(training.lr));
        self.put_word("training.schedule", training.schedule);
        match training.warmup {
            Warmup::Steps(steps) => self.put("training.warmup_steps", steps.to_string()),
            Warmup::Share(share) => self.put("training.warmup", number(share)),
        }
        for (path, value) in [
            ("training.min_lr_ratio", training.min_lr_ratio),
            ("training.decay_share", training.decay_share),
            ("training.weight_decay", training.weight_decay),
            ("training.beta1", training.beta1),
            ("training.beta2", training.beta2),
            ("training.eps", training.eps),
        ] {
            self.put(path, number(value));
        }
        let clip_norm = training.clip_norm.map_or("false".to_owned(), number);
        self.put("training.clip_norm", clip_norm);
        self.put("training.seed", training.seed.to_string());
        self.put_word("training.precision", training.precision);
        let checkpointing = training.activation_checkpointing.to_string();
        self.put("training.activation_checkpointing", checkpointing);
    }

    fn evaluation(&mut self, evaluation: &Evaluation) {
        let every = evaluation.every_steps.as_ref();
        self.put_if_some("evaluation.every_steps", every.map(usize::to_string));
        let samples = evaluation.exact_match_samples.to_string();
        self.put("evaluation.exact_match_samples", samples);
        let max_new_tokens = evaluation.max_new_tokens.to_string();
        self.put("evaluation.max_new_tokens", max_new_tokens);
    }

    fn resources(&mut self, job: &Job) {
        let Some(resources) = &job.resources else {
            return;
        };
        let count = |count: Option<usize>| count.map(|count| count.to_string());
        self.put_if_some("resources.nodes", count(resources.nodes));
        self.put_if_some("resources.min_nodes", count(resources.min_nodes));
        self.put_if_some("resources.gpus_per_node", count(resources.gpus_per_node));
        self.put_if_some("resources.cpus_per_node", count(resources.cpus_per_node));
        self.put_if_some("resources.time", resources.time_s.map(seconds));
    }

    fn scheduling(&mut self, scheduling: &Scheduling) {
        self.put_if_some(
            "scheduling.cluster",
            scheduling.cluster.as_deref().map(text),
        );
        self.put("scheduling.priority", scheduling.priority.to_string());
        self.put("scheduling.retries", scheduling.retries.to_string());
        let gpu_hours = scheduling.budget_gpu_hours.map(number);
        self.put_if_some("scheduling.budget_gpu_hours", gpu_hours);
        let core_hours = scheduling.budget_core_hours.map(number);
        self.put_if_some("scheduling.budget_core_hours", core_hours);
        let wish = &scheduling.wish;
        let words = [
            ("scheduling.account", &wish.account),
            ("scheduling.partition", &wish.partition),
            ("scheduling.qos", &wish.qos),
            ("scheduling.reservation", &wish.reservation),
            ("scheduling.constraint", &wish.constraint),
        ];
        for (key, word) in words {
            self.put_if_some(key, word.as_deref().map(text));
        }
    }

    fn sweep(&mut self, sweep: &Sweep) {
        let method = match &sweep.method {
            SweepMethod::Grid => "grid",
            SweepMethod::Random { .. } => "random",
            SweepMethod::Halving { .. } => "halving",
        };
        self.put("sweep.method", text(method));
        let parameters = sweep.parameters.iter();
        let parameters = parameters.map(|Parameter { key, candidates }| {
            format!("{} = {}", text(key), written_candidates(candidates))
        });
        let parameters = parameters.collect::<Vec<_>>().join(", ");
        self.put("sweep.parameters", format!("{{ {parameters} }}"));
        if let SweepMethod::Random { trials } | SweepMethod::Halving { trials, .. } = &sweep.method
        {
            self.put("sweep.trials", trials.to_string());
        }
        self.put("sweep.seed", sweep.seed.to_string());
        if let SweepMethod::Halving { eta, rungs, .. } = &sweep.method {
            self.put("sweep.eta", eta.to_string());
            self.put("sweep.rungs", list(rungs.iter().map(usize::to_string)));
        }
        let max_parallel = sweep.max_parallel.as_ref().map(usize::to_string);
        self.put_if_some("sweep.max_parallel", max_parallel);
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) {
        self.put_if_some("checkpoint.uri", checkpoint.uri.as_deref().map(text));
        match checkpoint.every {
            CheckpointEvery::Seconds(every_s) => self.put("checkpoint.every", seconds(every_s)),
            CheckpointEvery::Steps(steps) => self.put("checkpoint.every_steps", steps.to_string()),
        }
        self.put("checkpoint.keep", checkpoint.keep.to_string());
    }

    fn later(&mut self, job: &Job) {
        let texts = |texts: &[String]| list(texts.iter().map(|t| text(t)));
        let put_text = |keys: &mut Self, path: &str, value: &Option<String>| {
            keys.put_if_some(path, value.as_deref().map(text));
        };
        let put_count = |keys: &mut Self, path: &str, value: Option<usize>| {
            keys.put_if_some(path, value.map(|count| count.to_string()));
        };
        if let Some(result) = &job.result {
            put_text(self, "result.model", &result.model);
            self.put("result.gates", texts(&result.gates));
        }
        if let Some(governance) = &job.governance {
            put_text(self, "governance.purpose", &governance.purpose);
            put_text(self, "governance.data_class", &governance.data_class);
            self.put("governance.residency", texts(&governance.residency));
            put_count(self, "governance.retention_days", governance.retention_days);
        }
    }
}

fn written_candidates(candidates: &Candidates) -> String {
    match candidates {
        Candidates::Values(values) => list(values.iter().map(sweep_value)),
        Candidates::Range { min, max, scale } => {
            let scale = match scale {
                Scale::Linear => "linear",
                Scale::Log => "log",
            };
            let (min, max) = (short_number(*min), short_number(*max));
            format!("{{ min = {min}, max = {max}, scale = \"{scale}\" }}")
        }
    }
}

/// The declared word for a variant that serde calls by the same one.
fn word(path: &str, variant: impl Serialize) -> Option<String> {
    let serialized = serde_json::to_value(variant).ok()?;
    let name = serialized.as_str()?.replace('_', "-");
    let words = match JOB.key(path)?.form {
        Form::Choice(words) => words,
        _ => return None,
    };
    words
        .iter()
        .find(|word| **word == name)
        .map(|word| text(word))
}
