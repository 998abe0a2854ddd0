//! v0.0.40 to v0.0.42, of 23.11 to 24.11: numbers with marks, lists in place of words.

use serde_json::{Value, json};

use super::fields::{self, Fields, number};
use crate::batch::Batch;
use crate::time::UnixSeconds;

/// The body of `POST job/submit`, or what it cannot say.
pub(super) fn submit(batch: &Batch, script: &str) -> Result<Value, String> {
    Ok(json!({ "script": script, "job": job(batch)?.into_value() }))
}

/// The fields of a job.
pub(super) fn job(batch: &Batch) -> Result<Fields, String> {
    let ask = &batch.ask;
    let mut job = fields::common(batch)?;
    let environment = fields::environment(batch).into_iter();
    let environment = environment.map(|(name, value)| format!("{name}={value}"));
    job.add("environment", environment.collect::<Vec<_>>());
    job.add("open_mode", vec!["APPEND"]);
    job.add("minimum_nodes", ask.nodes);
    job.add("maximum_nodes", ask.nodes);
    let gpus = ask.gpus.as_ref();
    job.maybe(
        "tres_per_node",
        gpus.map(|gpus| format!("gres/{}", fields::gpus(gpus))),
    );
    job.maybe("memory_per_node", ask.memory_mib.map(number));
    if ask.is_exclusive {
        // Shared with nobody.
        job.add("shared", vec!["none"]);
    }
    job.maybe("time_limit", ask.time_min.map(number));
    if let Some((name, before_s)) = &ask.signal {
        job.add("kill_warning_signal", name.as_str());
        job.add("kill_warning_delay", number(*before_s));
        job.add("kill_warning_flags", vec!["BATCH_JOB"]);
    }
    if ask.no_kill {
        job.add("kill_on_node_fail", false);
    }
    if !ask.exclude.is_empty() {
        job.add("excluded_nodes", ask.exclude.clone());
    }
    Ok(job)
}

/// The field `begin_time`.
pub(super) fn begin(at: UnixSeconds) -> Value {
    number(at.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::rest::fields::tests::full;

    #[test]
    fn a_job_that_asks_for_everything() {
        let mut batch = full();
        batch.ask.exclude = vec!["n1".to_owned(), "n2".to_owned()];
        let body = submit(&batch, "#!/bin/bash\ntrue\n").expect("a way");
        insta::assert_snapshot!(serde_json::to_string_pretty(&body).expect("JSON"));
    }
}
