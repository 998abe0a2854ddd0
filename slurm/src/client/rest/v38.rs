//! v0.0.38, of 22.05 and 23.02: plain numbers, an environment that is an object.
//!
//! Some fields differ from their own documentation: `exclusive` and `no_kill` are the words of
//! `sbatch`'s options, `exclude_nodes` is not documented and `excluded_nodes` refused, `begin_time` is
//! a word, and `signal` takes no `B:`. Field names that are not known are errors here.

use serde_json::{Map, Value, json};

use super::fields;
use crate::batch::Batch;
use crate::time::UnixSeconds;

/// How often the alarm looks whether its script is still there.
const LOOK_EVERY_S: u32 = 5;
/// The wall time is the partition's or the QOS's, which Slurm alone knows; there may be none.
const ASKED: &str = r#"end=$(SLURM_TIME_FORMAT=standard squeue -h -j "$SLURM_JOB_ID" -o %e) || end=
alarm=''
if [[ -n $end ]] && end=$(date -d "$end" +%s 2>/dev/null); then
    alarm=$((SECONDS + end - {before_s} - $(date +%s)))
fi
"#;

/// The job as it can be asked for here: the warning before the end of its wall time would reach every
/// process of every step, so the script sends it to itself.
pub(super) fn adapted(batch: &Batch) -> Batch {
    let mut adapted = batch.clone();
    let Some((name, before_s)) = adapted.ask.signal.take() else {
        return adapted;
    };
    let alarm = match batch.ask.time_min {
        Some(limit_min) => {
            let after_s = (u64::from(limit_min) * 60).saturating_sub(u64::from(before_s));
            format!("alarm={after_s}\n")
        }
        None => ASKED.replace("{before_s}", &before_s.to_string()),
    };
    adapted.body = format!(
        "# slurmrestd v0.0.38 cannot ask for --signal=B:{name}@{before_s}: the script wakes itself.\n\
         {alarm}\
         [[ -z $alarm ]] ||\n\
         ( ( while sleep {LOOK_EVERY_S} && kill -0 \"$$\" && [ \"$SECONDS\" -lt \"$alarm\" ]; do :; done\n\
         \x20   kill -s {name} \"$$\" ) </dev/null >/dev/null 2>&1 & )\n\
         \n{}",
        batch.body
    );
    adapted
}

/// The body of `POST job/submit`, or what it cannot say.
pub(super) fn submit(batch: &Batch, script: &str) -> Result<Value, String> {
    let ask = &batch.ask;
    let mut job = fields::common(batch)?;
    let environment = fields::environment(batch).into_iter();
    let environment = environment.map(|(name, value)| (name.to_owned(), value.into()));
    job.add("environment", Map::from_iter(environment));
    job.add("open_mode", "append");
    // At least, and at most.
    job.add("nodes", vec![ask.nodes, ask.nodes]);
    job.maybe("gres", ask.gpus.as_ref().map(fields::gpus));
    job.maybe("memory_per_node", ask.memory_mib);
    if ask.is_exclusive {
        job.add("exclusive", "exclusive");
    }
    job.maybe("time_limit", ask.time_min);
    if ask.no_kill {
        job.add("no_kill", "set");
    }
    if !ask.exclude.is_empty() {
        job.add("exclude_nodes", ask.exclude.join(","));
    }
    Ok(json!({ "script": script, "job": job.into_value() }))
}

/// The field `begin_time`.
pub(super) fn begin(at: UnixSeconds) -> Value {
    format!("uts{}", at.0).into()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::client::rest::fields::tests::full;

    #[test]
    fn a_job_that_asks_for_everything() {
        let batch = adapted(&full());
        let body = submit(&batch, &batch.body).expect("a way");
        insta::assert_snapshot!(serde_json::to_string_pretty(&body).expect("JSON"));
    }

    #[test]
    fn the_script_wakes_itself() {
        let mut batch = full();
        batch.body = "trap 'echo told; exit 3' USR1\nwhile :; do sleep 0.01; done\n".to_owned();
        // At once: the limit is shorter than the warning.
        batch.ask.time_min = Some(1);
        let script = adapted(&batch).body;
        let script = script.replace("sleep 5", "sleep 0.1");
        let output = Command::new("bash").args(["-c", &script]).output();
        let output = output.expect("bash runs");
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        assert_eq!(output.stdout, b"told\n");
    }

    #[test]
    fn the_script_asks_for_an_end_that_only_slurm_knows() {
        let mut batch = full();
        batch.ask.time_min = None;
        let adapted = adapted(&batch).body;
        let head = adapted.strip_suffix(&batch.body).expect("it comes first");
        let (alarm, _) = head.split_once("[[ -z $alarm ]]").expect("an alarm");
        let (_, before_s) = batch.ask.signal.expect("a signal");
        let far = i64::from(before_s) + 3_600;
        for (told, wanted) in [
            (format!("date -d '{far} seconds' +%FT%T"), 3_590..=3_601),
            ("echo NONE".to_owned(), 0..=0),
            ("true".to_owned(), 0..=0),
            ("false".to_owned(), 0..=0),
        ] {
            let script = format!(
                "set -euo pipefail; SLURM_JOB_ID=1; squeue() {{ {told}; }}\n{alarm}echo \"${{alarm:-0}}\""
            );
            let output = Command::new("bash")
                .args(["-c", &script])
                .output()
                .expect("bash runs");
            let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            let after_s: i64 = text.parse().unwrap_or_else(|_| panic!("{output:?}"));
            assert!(wanted.contains(&after_s), "{told}: {after_s}");
        }
    }

    #[test]
    fn a_job_without_a_warning_is_left_as_it_is() {
        let mut batch = full();
        batch.ask.signal = None;
        assert_eq!(adapted(&batch), batch);
    }
}
