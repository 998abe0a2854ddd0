//! What is asked for as options of `sbatch`. Pure.
//!
//! Rules: one option an item, in the order in which people look for them; what is not asked for is
//! not there. Absent on purpose: the quoting of a script's lines, which is the script's.

use super::{Ask, Batch, GpuForm, Gpus};

/// Every option of a batch job, such as `--nodes=2`, with what it says.
pub(super) fn directives(batch: &Batch) -> Vec<Directive> {
    let Batch { ask, .. } = batch;
    let mut list = List(Vec::new());
    list.value("job-name", &batch.name);
    list.value("comment", &batch.comment);
    place(&mut list, ask);
    size(&mut list, ask);
    course(&mut list, ask);
    if !batch.folder.is_empty() {
        list.value("chdir", &batch.folder);
    }
    list.value("output", &batch.output);
    list.flag("open-mode=append");
    list.flag("export=NONE");
    list.0.extend(ask.more.iter().cloned().map(Directive::More));
    list.0
}

/// One option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Directive {
    /// `--name`, which is written here.
    Flag(String),
    /// `--name=value` with a value of somebody else.
    Value(&'static str, String),
    /// Written by somebody else as a whole.
    More(String),
}

struct List(Vec<Directive>);

impl List {
    fn flag(&mut self, text: impl Into<String>) {
        self.0.push(Directive::Flag(text.into()));
    }

    fn value(&mut self, name: &'static str, value: &str) {
        self.0.push(Directive::Value(name, value.to_owned()));
    }

    fn maybe(&mut self, name: &'static str, value: Option<&String>) {
        if let Some(value) = value {
            self.value(name, value);
        }
    }

    fn number(&mut self, name: &str, number: Option<impl std::fmt::Display>) {
        if let Some(number) = number {
            self.flag(format!("{name}={number}"));
        }
    }
}

/// Who pays, and where it waits.
fn place(list: &mut List, ask: &Ask) {
    list.maybe("clusters", ask.cluster.as_ref());
    list.maybe("account", ask.account.as_ref());
    list.maybe("partition", ask.partition.as_ref());
    list.maybe("qos", ask.qos.as_ref());
    list.maybe("reservation", ask.reservation.as_ref());
    list.maybe("constraint", ask.constraint.as_ref());
    list.maybe("licenses", ask.licenses.as_ref());
}

/// How much it takes.
fn size(list: &mut List, ask: &Ask) {
    list.flag(format!("nodes={}", ask.nodes));
    list.flag(format!("ntasks-per-node={}", ask.tasks_per_node));
    list.number("cpus-per-task", ask.cpus_per_task);
    if let Some(Gpus { count, kind, form }) = &ask.gpus {
        let kind = kind.as_ref().map(|kind| format!("{kind}:"));
        let amount = format!("{}{count}", kind.unwrap_or_default());
        match form {
            GpuForm::Gres => list.value("gres", &format!("gpu:{amount}")),
            GpuForm::GpusPerNode => list.value("gpus-per-node", &amount),
        }
    }
    // A number without a unit is in MiB; 0 is all of a node's memory.
    list.number("mem", ask.memory_mib);
    if ask.is_exclusive {
        list.flag("exclusive");
    }
    if !ask.exclude.is_empty() {
        list.value("exclude", &ask.exclude.join(","));
    }
}

/// When it starts, how long it takes, and what happens on the way.
fn course(list: &mut List, ask: &Ask) {
    let time = ask
        .time_min
        .map(|min| format!("{:02}:{:02}:00", min / 60, min % 60));
    list.number("time", time);
    if let Some((name, seconds)) = &ask.signal {
        list.value("signal", &format!("B:{name}@{seconds}"));
    }
    list.flag(if ask.may_requeue {
        "requeue"
    } else {
        "no-requeue"
    });
    if ask.no_kill {
        list.flag("no-kill");
    }
    if let Some(job) = ask.after_any {
        list.flag(format!("dependency=afterany:{job}"));
    }
    list.maybe("array", ask.array.as_ref());
    list.number("nice", ask.nice);
    if ask.is_held {
        list.flag("hold");
    }
}
