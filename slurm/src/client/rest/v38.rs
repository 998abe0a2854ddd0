//! v0.0.38, of 22.05 and 23.02: plain numbers, an environment that is an object.

use serde_json::{Map, Value, json};

use super::fields::{self, ENVIRONMENT};
use crate::batch::Batch;
use crate::time::UnixSeconds;

/// The body of `POST job/submit`, or what it cannot say.
pub(super) fn submit(batch: &Batch, script: &str) -> Result<Value, String> {
    let ask = &batch.ask;
    if !ask.exclude.is_empty() {
        return Err(format!("--exclude={}", ask.exclude.join(",")));
    }
    let mut job = fields::common(batch)?;
    let environment = ENVIRONMENT.map(|(name, value)| (name.to_owned(), value.into()));
    job.add("environment", Map::from_iter(environment));
    job.add("open_mode", "append");
    // At least, and at most.
    job.add("nodes", vec![ask.nodes, ask.nodes]);
    job.maybe("gres", ask.gpus.as_ref().map(fields::gpus));
    job.maybe("memory_per_node", ask.memory_mib);
    if ask.is_exclusive {
        job.add("exclusive", "true");
    }
    job.maybe("time_limit", ask.time_min);
    let signal = ask.signal.as_ref();
    job.maybe(
        "signal",
        signal.map(|(name, before_s)| format!("B:{name}@{before_s}")),
    );
    if ask.no_kill {
        job.add("no_kill", true);
    }
    Ok(json!({ "script": script, "job": job.into_value() }))
}

/// The body of `POST job/ID` that moves its begin.
pub(super) fn start(at: UnixSeconds) -> Value {
    // An environment is obligatory, and means nothing here.
    json!({ "begin_time": at.0, "environment": {} })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::rest::fields::tests::full;

    #[test]
    fn a_job_that_asks_for_everything() {
        let body = submit(&full(), "#!/bin/bash\ntrue\n").expect("a way");
        insta::assert_snapshot!(serde_json::to_string_pretty(&body).expect("JSON"));
    }

    #[test]
    fn nodes_cannot_be_avoided() {
        let mut batch = full();
        batch.ask.exclude = vec!["n1".to_owned()];
        let why = submit(&batch, "").expect_err("no way");
        assert!(why.contains("--exclude=n1"), "{why}");
    }
}
