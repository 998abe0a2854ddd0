//! Makes a [`Job`] of checked settings.
//!
//! Rules: each function reads one section and reports the combinations of keys that cannot be;
//! `None` means that a reason is in the report already, here or from [`crate::settings`].

use crate::cluster::BatchWish;
use crate::form::Value;
use crate::job::{
    Adapter, Checkpoint, CheckpointEvery, Data, DataFormat, Evaluation, Governance, Job, JobResult,
    LossOn, Model, Resources, Scheduling, Targets,
};
use crate::problem::Fault;
use crate::reader::Reader;
use crate::report::Report;
use crate::settings::Settings;
use crate::world;

/// Time between two checkpoints where nothing is said.
const CHECKPOINT_EVERY_S: u64 = 120;

mod sweep;
mod training;

/// Reads everything.
pub(crate) fn job(settings: &Settings, report: &mut Report) -> Option<Job> {
    let mut reader = Reader { settings, report };
    let model = reader.model();
    let adapter = reader.adapter();
    let data = reader.data();
    let training = reader.training();
    let evaluation = reader.evaluation();
    let resources = reader.resources();
    let checkpoint = reader.checkpoint();
    let result = reader.later("result", Reader::result);
    let governance = reader.later("governance", Reader::governance);
    let scheduling = reader.scheduling();
    let sweep = reader.sweep();
    Some(Job {
        name: reader.text("name")?,
        model: model?,
        adapter: adapter?,
        data: data?,
        training: training?,
        evaluation: evaluation?,
        resources,
        scheduling: scheduling?,
        checkpoint: checkpoint?,
        result,
        governance,
        sweep,
    })
}

impl Reader<'_> {
    fn model(&mut self) -> Option<Model> {
        Some(Model {
            base: self.base("model.base")?,
            tokenizer: self.path("model.tokenizer"),
            chat_template: self.path("model.chat_template"),
            quantization: self.choice("model.quantization")?,
        })
    }

    fn adapter(&mut self) -> Option<Adapter> {
        let targets = match &self.settings.get("adapter.targets")?.value {
            Value::Texts(names) => Targets::Names(names.clone()),
            Value::Text(text) if text == "all-linear" || text == "all_linear" => Targets::AllLinear,
            Value::Text(text) => Targets::Regex(text.clone()),
            _ => return None,
        };
        Some(Adapter {
            method: self.choice("adapter.method")?,
            rank: self.whole("adapter.rank")?,
            alpha: self.number("adapter.alpha")?,
            dropout: self.number("adapter.dropout")?,
            targets,
            rank_pattern: self.wholes("adapter.rank_pattern")?,
            alpha_pattern: self.numbers("adapter.alpha_pattern")?,
            modules_to_save: self.texts("adapter.modules_to_save")?,
            lr_b_ratio: self.number("adapter.lr_b_ratio")?,
            init: self.path("adapter.init"),
        })
    }

    fn data(&mut self) -> Option<Data> {
        let train = self.paths("data.train");
        if train.as_ref().is_some_and(Vec::is_empty) {
            let fault = Fault::new("the list is empty").expected("at least one file");
            self.refuse("data.train", fault);
        }
        let eval = self.paths("data.eval").unwrap_or_default();
        let also_trained = |path| train.as_ref().is_some_and(|train| train.contains(path));
        if let Some(both) = eval.iter().find(|path| also_trained(path)) {
            let message = format!("{} is in data.train as well", both.display());
            let hint = "measures on data that was trained on say little";
            self.warn("data.eval", Fault::new(message).hint(hint));
        }
        let format = self.choice("data.format");
        let loss_on = format.and_then(|format| self.loss_on(format));
        Some(Data {
            train: train?,
            eval,
            format: format?,
            max_tokens: self.whole("data.max_tokens")?,
            overflow: self.choice("data.overflow")?,
            packing: self.flag("data.packing")?,
            shuffle: self.flag("data.shuffle")?,
            loss_on: loss_on?,
        })
    }

    fn loss_on(&mut self, format: DataFormat) -> Option<LossOn> {
        let given = self.choice("data.loss_on");
        let reason = match format {
            DataFormat::Text => "a sample of the format text has no answer",
            DataFormat::Tokens => "samples of the format tokens bring their own labels",
            _ => return Some(given.unwrap_or(LossOn::Answer)),
        };
        if given == Some(LossOn::Answer) {
            self.refuse("data.loss_on", Fault::new(reason).expected("all"));
        }
        if self.is_given("model.chat_template") {
            let message = "has no effect: samples of this format are not rendered";
            self.warn("model.chat_template", Fault::new(message));
        }
        Some(LossOn::All)
    }

    fn evaluation(&mut self) -> Option<Evaluation> {
        let every_steps = self.whole("evaluation.every_steps");
        let exact_match_samples = self.whole("evaluation.exact_match_samples");
        let asked = [
            ("evaluation.every_steps", every_steps),
            ("evaluation.exact_match_samples", exact_match_samples),
        ];
        let has_files = !self.paths("data.eval").unwrap_or_default().is_empty();
        let is_broken = self.settings.was_written("data.eval") && !self.is_given("data.eval");
        for (path, count) in asked {
            if count.is_some_and(|count| count > 0) && !has_files && !is_broken {
                let fault = Fault::new("there is no held-out data");
                self.refuse(path, fault.hint("set data.eval"));
            }
        }
        let is_text = self.choice("data.format") == Some(DataFormat::Text);
        if is_text && exact_match_samples.is_some_and(|count| count > 0) {
            let fault = Fault::new("a sample of the format text has no answer to compare with");
            self.refuse("evaluation.exact_match_samples", fault);
        }
        Some(Evaluation {
            every_steps,
            exact_match_samples: exact_match_samples?,
            max_new_tokens: self.whole("evaluation.max_new_tokens")?,
        })
    }

    /// Reads a section that has no effect yet, and says so.
    fn later<T>(&mut self, section: &str, read: fn(&mut Self) -> T) -> Option<T> {
        self.settings.section_place(section)?;
        let message = "read and checked, but has no effect yet";
        self.warn(section, Fault::new(message));
        Some(read(self))
    }

    /// `nodes * gpus_per_node` is the world size that the job asks for.
    fn resources(&mut self) -> Option<Resources> {
        self.settings.section_place("resources")?;
        let resources = Resources {
            nodes: self.whole("resources.nodes"),
            min_nodes: self.whole("resources.min_nodes"),
            gpus_per_node: self.whole("resources.gpus_per_node"),
            cpus_per_node: self.whole("resources.cpus_per_node"),
            time_s: self.seconds("resources.time"),
        };
        if let Err(error) = world::power_of_two(resources.ranks()) {
            self.refuse("resources", Fault::new(error.to_string()));
        }
        let nodes = resources.nodes.unwrap_or(1);
        if let Some(least) = resources.min_nodes.filter(|least| *least > nodes) {
            let fault = Fault::new(format!("{least} is more than nodes = {nodes}"));
            self.refuse(
                "resources.min_nodes",
                fault.expected(format!("at most {nodes}")),
            );
        }
        Some(resources)
    }

    fn scheduling(&self) -> Option<Scheduling> {
        Some(Scheduling {
            cluster: self.text("scheduling.cluster"),
            priority: u8::try_from(self.whole_u64("scheduling.priority")?).ok()?,
            retries: u32::try_from(self.whole_u64("scheduling.retries")?).ok()?,
            budget_gpu_hours: self.number("scheduling.budget_gpu_hours"),
            budget_core_hours: self.number("scheduling.budget_core_hours"),
            wish: self.wish(),
        })
    }

    fn wish(&self) -> BatchWish {
        BatchWish {
            account: self.text("scheduling.account"),
            partition: self.text("scheduling.partition"),
            qos: self.text("scheduling.qos"),
            reservation: self.text("scheduling.reservation"),
            constraint: self.text("scheduling.constraint"),
        }
    }

    fn checkpoint(&mut self) -> Option<Checkpoint> {
        let (time, steps) = ("checkpoint.every", "checkpoint.every_steps");
        let every = match (self.seconds(time), self.whole(steps)) {
            (Some(_), Some(_)) => {
                self.exclude(steps, time);
                return None;
            }
            (None, Some(steps)) => CheckpointEvery::Steps(steps),
            (every_s, None) => CheckpointEvery::Seconds(every_s.unwrap_or(CHECKPOINT_EVERY_S)),
        };
        Some(Checkpoint {
            uri: self.text("checkpoint.uri"),
            every,
            keep: self.whole("checkpoint.keep")?,
        })
    }

    fn result(&mut self) -> JobResult {
        JobResult {
            model: self.text("result.model"),
            gates: self.texts("result.gates").unwrap_or_default(),
        }
    }

    fn governance(&mut self) -> Governance {
        Governance {
            purpose: self.text("governance.purpose"),
            data_class: self.text("governance.data_class"),
            residency: self.texts("governance.residency").unwrap_or_default(),
            retention_days: self.whole("governance.retention_days"),
        }
    }
}
