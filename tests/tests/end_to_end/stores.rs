//! Stores that fail under a run: training goes on and says so, no step that was reported safe is
//! lost, and the store is caught up with when it is back.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::process::{Command, Stdio};

use schliff_tests::desk::{Desk, end_of, fixture, json_file, programs};
use schliff_tests::running::{End, Running};
use schliff_tests::weed::Weed;
use serde_json::Value;

/// Some ten seconds of training: longer than a server needs to come back.
const STEPS: usize = 12_000;
/// A twentieth of that is done, as progress tells it.
const UNDER_WAY: &str = "step   600/";
/// Small enough to be filled, large enough for all checkpoints of a run.
const DISK: &str = "size=64m";

/// A tiny job with many checkpoints, all of which stay.
fn desk(uri: &str) -> Desk {
    let desk = Desk::new();
    let job = format!(
        "name = \"tiny\"\n[model]\nbase = {:?}\n[data]\ntrain = {:?}\nformat = \"tokens\"\n\
         max_tokens = 64\n[training]\nsteps = {STEPS}\nbatch_samples = 8\nlr = 1e-4\n\
         [checkpoint]\nuri = {uri:?}\nevery_steps = 100\nkeep = 1000\n",
        fixture("tiny/llama").display().to_string(),
        fixture("curves/data.jsonl").display().to_string(),
    );
    desk.file("job.toml", &job);
    desk
}

/// Steps of a list that are good; fails where one is not.
#[track_caller]
fn good(list: &Value) -> BTreeSet<u64> {
    let lines = list["checkpoints"].as_array().expect("a list");
    let good = lines.iter().map(|line| {
        assert_eq!(line["verdict"], "good", "{line}");
        line["step"].as_u64().expect("a step")
    });
    good.collect()
}

/// The step that a line says is safe; none where no step is yet.
fn safe(line: &str) -> Option<u64> {
    let before = line.split(" is safe").next()?;
    before.rsplit("step ").next()?.parse().ok()
}

/// What a run must have come to, whose store failed and came back.
#[track_caller]
fn assert_caught_up(desk: &Desk, ended: End, reported: &[u64], listed: &Value) {
    let End { code, said } = ended;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(
        said.matches("cannot be written").count(),
        1,
        "told once: {said}"
    );
    let summary = json_file(&desk.path("out/summary.json"));
    assert_eq!(summary["steps"], STEPS);
    assert_eq!(summary["committed_step"], STEPS);
    assert_eq!(listed["resume"], STEPS);
    let (reported, good) = (BTreeSet::from_iter(reported.iter().copied()), good(listed));
    let lost: Vec<_> = reported.difference(&good).collect();
    assert!(lost.is_empty(), "lost {lost:?} of {reported:?}");
}

#[test]
fn an_s3_that_dies_under_a_run_is_caught_up_with() {
    let Some(mut weed) = Weed::start() else {
        return;
    };
    let (uri, settings) = (weed.prefix(), weed.settings());
    let desk = desk(&uri);
    let command = |args: &[&str]| {
        let mut command = desk.command(args);
        command.envs(settings.clone());
        command
    };
    let look = || end_of(command(&["checkpoints", &uri, "--verify", "--json"]));
    let mut run = Running::start(command(&["run", "job.toml", "--out", "out"]));
    run.wait_for(|line| line.contains(UNDER_WAY));
    // The first commits pay for connections, so they may lie behind.
    let some = std::iter::repeat_with(look)
        .take(1_000)
        .find(|list| list.code == Some(0));
    let mut reported: Vec<u64> = good(&some.expect("a list").json()).into_iter().collect();
    weed.kill();
    reported.extend(safe(
        &run.wait_for(|line| line.contains("cannot be written")),
    ));
    run.wait_for(|line| line.starts_with("step "));
    weed.run();
    let again = run.wait_for(|line| line.contains("checkpoints are written again"));
    reported.push(safe(&again).expect("a step"));
    let ended = run.end();
    assert_caught_up(&desk, ended, &reported, &look().json());
}

#[test]
fn a_disk_that_fills_up_under_a_run_is_caught_up_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = folder.path().display().to_string();
    let Some(namespace) = ["-m", "-rm"].into_iter().find(|how| can_mount(how, &disk)) else {
        eprintln!("SKIPPED: mounting a small disk needs root or user namespaces");
        return;
    };
    let desk = desk(&format!("{disk}/checkpoints"));
    // The disk is seen by this shell and what it starts alone, and is gone with them.
    let script = "mount -t tmpfs -o \"$1\" schliff-test \"$2\" && \
        \"$3\" run job.toml --out out; code=$?; \
        \"$3\" checkpoints \"$2/checkpoints\" --verify --json >listed.json; exit $code";
    let schliff = programs().join("schliff").display().to_string();
    let mut command = unshare(
        namespace,
        &["sh", "-c", script, "sh", DISK, &disk, &schliff],
    );
    command.current_dir(desk.path("")).stderr(Stdio::piped());
    let mut run = Running::start(command);
    run.wait_for(|line| line.contains(UNDER_WAY));
    let ballast = format!("/proc/{}/root{disk}/ballast", run.id());
    let full = fs::write(&ballast, vec![0; 65 << 20]).expect_err("a full disk");
    assert_eq!(full.kind(), ErrorKind::StorageFull);
    let told = run.wait_for(|line| line.contains("cannot be written"));
    assert!(told.to_lowercase().contains("no space"), "{told}");
    let mut reported: Vec<u64> = safe(&told).into_iter().collect();
    run.wait_for(|line| line.starts_with("step "));
    fs::remove_file(&ballast).expect("removed");
    let again = run.wait_for(|line| line.contains("checkpoints are written again"));
    reported.push(safe(&again).expect("a step"));
    let ended = run.end();
    assert_caught_up(
        &desk,
        ended,
        &reported,
        &json_file(&desk.path("listed.json")),
    );
}

/// Whether a disk can be mounted in a namespace of its own.
fn can_mount(namespace: &str, place: &str) -> bool {
    let mount = ["mount", "-t", "tmpfs", "-o", DISK, "schliff-test", place];
    let tried = unshare(namespace, &mount).output();
    tried.is_ok_and(|tried| tried.status.success())
}

/// A program that will have a view of the mounts of its own.
fn unshare(namespace: &str, program: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command
        .arg(namespace)
        .args(program)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}
