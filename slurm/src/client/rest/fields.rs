//! The fields of a request, and what all of slurmrestd's interfaces have in common.

use serde_json::{Map, Value, json};

use crate::batch::{Batch, Gpus};

/// Fields; those that are not asked for are left out.
#[derive(Default)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    pub(super) fn add(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    pub(super) fn maybe(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    pub(super) fn into_value(self) -> Value {
        Value::Object(self.0)
    }
}

/// Fields that have the same name and form in all interfaces, or what none of them can say.
pub(super) fn common(batch: &Batch) -> Result<Fields, String> {
    let ask = &batch.ask;
    if !ask.more.is_empty() {
        return Err(format!("the options {}", ask.more.join(" ")));
    }
    if let Some(cluster) = &ask.cluster {
        return Err(format!("--clusters={cluster}"));
    }
    let mut fields = Fields::default();
    fields.add("name", batch.name.as_str());
    fields.add("comment", batch.comment.as_str());
    fields.add("current_working_directory", batch.folder.as_str());
    fields.add("standard_output", batch.output.as_str());
    for (name, value) in [
        ("account", &ask.account),
        ("partition", &ask.partition),
        ("qos", &ask.qos),
        ("reservation", &ask.reservation),
        ("constraints", &ask.constraint),
        ("licenses", &ask.licenses),
        ("array", &ask.array),
    ] {
        fields.maybe(name, value.as_deref());
    }
    fields.add("tasks_per_node", ask.tasks_per_node);
    fields.add(
        "tasks",
        u64::from(ask.nodes) * u64::from(ask.tasks_per_node),
    );
    fields.maybe("cpus_per_task", ask.cpus_per_task);
    fields.add("requeue", ask.may_requeue);
    let after = ask.after_any.map(|job| format!("afterany:{job}"));
    fields.maybe("dependency", after);
    fields.maybe("nice", ask.nice);
    if ask.is_held {
        fields.add("hold", true);
    }
    Ok(fields)
}

/// The environment that `sbatch --export=NONE` gives: the node makes the user's own one, and `srun`
/// in the script learns what was asked for.
pub(super) fn environment(batch: &Batch) -> Vec<(&'static str, String)> {
    let ask = &batch.ask;
    let mut variables = vec![
        ("PATH", SYSTEM_PATH.to_owned()),
        ("SLURM_GET_USER_ENV", "1".to_owned()),
        ("SLURM_NTASKS_PER_NODE", ask.tasks_per_node.to_string()),
    ];
    if let Some(cpus) = ask.cpus_per_task {
        variables.push(("SLURM_CPUS_PER_TASK", cpus.to_string()));
    }
    variables
}

/// Until the node has made the user's environment.
const SYSTEM_PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";

/// `gpu:2` or `gpu:h100:2`.
pub(super) fn gpus(gpus: &Gpus) -> String {
    match &gpus.kind {
        Some(kind) => format!("gpu:{kind}:{}", gpus.count),
        None => format!("gpu:{}", gpus.count),
    }
}

/// A number of the newer interfaces.
pub(super) fn number(value: impl Into<Value>) -> Value {
    let value: Value = value.into();
    json!({ "set": true, "infinite": false, "number": value })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::batch::{Ask, GpuForm};

    /// A job that asks for everything that every interface can say.
    pub(in super::super) fn full() -> Batch {
        let some = |text: &str| Some(text.to_owned());
        Batch {
            name: "schliff-42-3".to_owned(),
            comment: "schliff it's \"x\"".to_owned(),
            ask: Ask {
                account: some("dev"),
                partition: some("batch,urgent"),
                qos: some("high"),
                reservation: some("days"),
                constraint: some("ib&nvme"),
                licenses: some("matlab:1"),
                cluster: None,
                nodes: 4,
                tasks_per_node: 2,
                cpus_per_task: Some(3),
                gpus: Some(Gpus {
                    count: 4,
                    kind: some("h100"),
                    form: GpuForm::Gres,
                }),
                memory_mib: Some(0),
                is_exclusive: true,
                time_min: Some(90),
                signal: Some(("USR1".to_owned(), 120)),
                may_requeue: true,
                no_kill: true,
                after_any: Some(7),
                array: some("0-7%2"),
                exclude: Vec::new(),
                nice: Some(5),
                is_held: true,
                more: Vec::new(),
            },
            output: "/w/log-%j".to_owned(),
            folder: "/w".to_owned(),
            body: "true\n".to_owned(),
        }
    }

    #[test]
    fn what_nobody_can_say_is_named() {
        let mut batch = full();
        batch.ask.more = vec!["--hint=nomultithread".to_owned()];
        let why = common(&batch).err().expect("no way");
        assert!(why.contains("--hint=nomultithread"), "{why}");
        batch.ask.more.clear();
        batch.ask.cluster = Some("juwels".to_owned());
        let why = common(&batch).err().expect("no way");
        assert!(why.contains("juwels"), "{why}");
    }
}
