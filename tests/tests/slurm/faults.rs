//! What happens to jobs on a real Slurm, each with a reason that a user understands.

use schliff_tests::ranks::{adapter, tiny_desk, train};
use serde_json::Value;

use crate::site::{Site, Way, dev, slurm};

/// Enough steps to be disturbed in the middle of them.
const STEPS: usize = 1_500;

/// A coordinator whose job has made a few steps, and the bytes of an undisturbed run.
fn at_work(more: &str) -> Option<(Site, u64, Vec<u8>)> {
    let dev = dev()?;
    let desk = tiny_desk(STEPS);
    let plain = train(&desk, "1");
    let site = dev.serve(desk, Way::Command, more);
    let job = site
        .serving
        .submit(&["job.toml", "--cluster", "dev", "--out", "out"]);
    site.at_step(job, 20);
    Some((site, job, plain))
}

fn why(status: &Value) -> String {
    status["reason"]["text"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn a_job_that_is_cancelled_from_outside_says_so() {
    let Some((site, job, _)) = at_work("") else {
        return;
    };
    let id = site.running();
    slurm(&["scancel", &id.to_string()]);
    let outcome = site.serving.outcome(job);
    let status = site.serving.status(job);
    assert_eq!(outcome, "cancelled", "{status:#}");
    assert!(why(&status).contains("cancel"), "{status:#}");
}

#[test]
fn a_requeued_job_goes_on_in_the_same_attempt_with_the_same_bytes() {
    let Some((site, job, plain)) = at_work("may_start_now = true\n") else {
        return;
    };
    let id = site.running();
    slurm(&["scontrol", "requeue", &id.to_string()]);
    assert_eq!(site.serving.outcome(job), "succeeded");
    let status = site.serving.status(job);
    assert_eq!(
        status["attempts"].as_array().map(Vec::len),
        Some(1),
        "{status:#}"
    );
    assert!(adapter(&site.serving.desk, "out") == plain, "other bytes");
    assert_eq!(
        site.serving.desk.path("out").is_dir(),
        site.shared().is_dir()
    );
}

#[test]
fn a_cancelled_job_leaves_nothing_in_the_queue() {
    let Some((site, job, _)) = at_work("") else {
        return;
    };
    let ended = site.serving.schliff(&["cancel", &job.to_string()]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(site.serving.outcome(job), "cancelled");
    assert!(site.jobs().is_empty(), "something waits or runs");
}

#[test]
fn a_partition_that_is_not_there_is_a_refusal_in_slurms_words() {
    let Some(dev) = dev() else { return };
    let more = "---\n[ask]\naccount = \"dev\"\npartition = \"nowhere\"\n";
    let site = dev.serve(tiny_desk(4), Way::Command, more);
    let job = site
        .serving
        .submit(&["job.toml", "--cluster", "dev", "--out", "out"]);
    assert_eq!(site.serving.outcome(job), "failed");
    let status = site.serving.status(job);
    assert!(why(&status).contains("invalid partition"), "{status:#}");
    assert_eq!(status["exit_code"], 4, "{status:#}");
}
