//! The coordinator dies at every write of its journal, once before it and once after it.

use std::process::Stdio;

use schliff_tests::ranks::{adapter, tiny_desk, train};
use schliff_tests::running::{Running, wait_until};
use schliff_tests::serving::Serving;

/// More writes than a job of a few steps has.
const MOST_WRITES: u32 = 100;
const FAULT: &str = "SCHLIFF_FAULT_JOURNAL";

/// The one that died is followed by one that does not.
fn start_whole(serving: &mut Serving) {
    serving.set_env(&[]);
    serving.ended();
    serving.start_again();
}

/// Submits a job to a coordinator that dies at one write, and starts that again. Whether it died.
fn dies_at(fault: &str, bytes: &mut Vec<u8>) -> bool {
    let desk = tiny_desk(6);
    if bytes.is_empty() {
        *bytes = train(&desk, "1");
    }
    let mut serving = Serving::start_with(desk, &[(FAULT, fault)]);
    let mut died = serving.url.is_empty();
    if died {
        start_whole(&mut serving);
    }
    let mut submit = serving.command(&["submit", "job.toml", "--out", "out", "--wait", "--json"]);
    submit.stdout(Stdio::null());
    let mut client = Running::start(submit);
    let what = || "the end of the job".into();
    wait_until(what, || {
        if !died && serving.is_over() {
            died = true;
            start_whole(&mut serving);
        }
        client.is_over()
    });
    let end = client.end();
    assert_eq!(end.code, Some(0), "{fault}: {}", end.said);
    assert_eq!(adapter(&serving.desk, "out"), *bytes, "{fault}");
    let jobs = serving.schliff(&["list", "--json"]).json();
    assert_eq!(
        jobs["jobs"].as_array().map(Vec::len),
        Some(1),
        "{fault}: submitted once"
    );
    let job = serving.status(1);
    let attempts = job["attempts"].as_array().map(Vec::len);
    assert_eq!(attempts, Some(1), "{fault}: started once: {job:#}");
    died
}

#[track_caller]
fn walk(when: &str) {
    let mut bytes = Vec::new();
    let first_without =
        (1..MOST_WRITES).find(|write| !dies_at(&format!("{when}:{write}"), &mut bytes));
    let writes = first_without.expect("so many writes cannot be") - 1;
    assert!(writes > 5, "only {writes} writes: the search itself works");
}

#[test]
fn before_every_write() {
    walk("before");
}

#[test]
fn after_every_write() {
    walk("after");
}
