//! A job through the coordinator, from its submission to its end.

use schliff_tests::ranks::{adapter, tiny_desk, train};
use schliff_tests::serving::Serving;

#[test]
fn a_submitted_job_gives_the_bytes_of_a_plain_run() {
    let desk = tiny_desk(20);
    let plain = train(&desk, "1");
    let serving = Serving::start(desk);
    let ended = serving.schliff(&["submit", "job.toml", "--out", "out", "--wait", "-f"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(adapter(&serving.desk, "out"), plain);
    let job = serving.status(1);
    assert_eq!(job["outcome"], "succeeded");
    assert_eq!(job["attempts"].as_array().map(Vec::len), Some(1), "{job:#}");
    assert_eq!(job["progress"]["step"], 20, "{job:#}");
    let log = serving.schliff(&["logs", "1"]);
    assert_eq!(log.code, Some(0), "{}", log.stderr);
    assert!(!log.stdout.is_empty(), "{}", log.stderr);
}

#[test]
fn a_failed_job_says_why_and_gives_its_exit_code() {
    let serving = Serving::start(tiny_desk(20));
    let ended = serving.schliff(&[
        "submit",
        "job.toml",
        "--set",
        "training.lr=1e30",
        "--set",
        "training.clip_norm=0",
        "--out",
        "out",
        "--wait",
    ]);
    let job = serving.status(1);
    assert_eq!(
        ended.code.map(i64::from),
        job["exit_code"].as_i64(),
        "{job:#}\n{}",
        ended.stderr
    );
    assert_ne!(ended.code, Some(0), "{job:#}");
    assert_eq!(job["outcome"], "failed", "{job:#}");
    let why = job["reason"]["text"].as_str().unwrap_or_default();
    assert!(why.contains("NaN"), "{job:#}");
}

#[test]
fn a_sweep_becomes_a_job_a_trial_and_ends_with_them() {
    let desk = tiny_desk(4);
    let text = std::fs::read_to_string(desk.path("job.toml")).expect("the job");
    let sweep = "[sweep]\nmethod = \"grid\"\n[sweep.parameters]\n\"training.lr\" = [1e-3, 1e-4]\n";
    desk.file("sweep.toml", &format!("{text}{sweep}"));
    let serving = Serving::start(desk);
    let job = serving.submit(&["sweep.toml", "--out", "out"]);
    assert_eq!(serving.outcome(job), "succeeded");
    let status = serving.status(job);
    assert_eq!(
        status["children"].as_array().map(Vec::len),
        Some(2),
        "{status:#}"
    );
}
