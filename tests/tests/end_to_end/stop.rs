//! Ctrl-C in the middle of training.

use std::io::{BufRead, BufReader, Read};
use std::process::Command;

use schliff_tests::desk::{Desk, fixture, json_file};

/// More steps than a test would wait for.
const STEPS: usize = 1_000_000;

#[test]
fn ctrl_c_keeps_the_adapter_of_the_last_step_and_exits_with_130() {
    let desk = Desk::new();
    let job = format!(
        "name = \"long\"\n[model]\nbase = {:?}\n[data]\ntrain = {:?}\nformat = \"tokens\"\n\
         max_tokens = 64\n[training]\nsteps = {STEPS}\nbatch_samples = 2\nlr = 1e-5\n",
        fixture("tiny/llama").display().to_string(),
        fixture("curves/data.jsonl").display().to_string()
    );
    desk.file("job.toml", &job);
    let mut child = desk
        .command(&["run", "job.toml", "--out", "out"])
        .spawn()
        .expect("starts");
    let mut words = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut said = String::new();
    while !said.contains("step ") {
        assert!(
            words.read_line(&mut said).expect("UTF-8") > 0,
            "ended early: {said}"
        );
    }
    let interrupt = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupt.expect("kill runs").success());
    words.read_to_string(&mut said).expect("UTF-8");
    assert_eq!(
        child.wait().expect("an exit status").code(),
        Some(130),
        "{said}"
    );
    assert!(said.contains("stopping after this step"), "{said}");
    assert!(said.contains("saved: out/adapter"), "{said}");
    assert_eq!(
        json_file(&desk.path("out/summary.json"))["interrupted"],
        true
    );
    let adapter = desk.path("out/adapter").display().to_string();
    let base = fixture("tiny/llama").display().to_string();
    let data = fixture("curves/data.jsonl").display().to_string();
    let args = [
        "eval",
        "--base",
        &base,
        "--adapter",
        &adapter,
        "--data",
        &data,
        "--format",
        "tokens",
    ];
    let usable = desk.schliff(&args);
    assert_eq!(usable.code, Some(0), "{}", usable.stderr);
}
