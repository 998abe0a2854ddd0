//! Ctrl-C, `kill`, and the death of `schliff` itself.

use rustix::process::Signal;

use crate::stage::{EVAL, Running, line_from_pipe, schliff};

/// Works until it is told to stop, then delivers.
const OBEDIENT: &str = r#"
    stop() {
        echo 'TERM reached the trainer' >&2
        say '{"event":"done","result":{"interrupted":true,"nll":1}}'
        exit 0
    }
    trap stop TERM
    trap 'echo "INT reached the trainer" >&2' INT
    say '{"event":"stage","name":"at work"}'
    while :; do sleep 0.1; done
"#;
/// Works and does not listen.
const STUBBORN: &str = r#"
    trap '' TERM INT
    say '{"event":"stage","name":"at work"}'
    sleep 600
"#;

fn at_work(scene: &str) -> Running {
    let mut running = Running::start(schliff(&[&EVAL[..], &["--json"]].concat(), scene));
    running.wait_for("at work");
    running
}

#[test]
fn ctrl_c_becomes_one_stop_request_and_the_result_still_comes() {
    let mut running = at_work(OBEDIENT);
    running.signal_group(Signal::INT);
    running.wait_for("stopping after this step; press again to abort");
    let ended = running.end();
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert!(
        ended.stdout.contains(r#""interrupted": true"#),
        "{}",
        ended.stdout
    );
    assert_eq!(
        ended.stderr.matches("TERM reached").count(),
        1,
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("INT reached"), "{}", ended.stderr);
}

#[test]
fn a_termination_signal_is_forwarded_alike() {
    let running = at_work(OBEDIENT);
    running.signal(Signal::TERM);
    let ended = running.end();
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert!(
        ended.stdout.contains(r#""interrupted": true"#),
        "{}",
        ended.stdout
    );
    assert_eq!(
        ended.stderr.matches("TERM reached").count(),
        1,
        "{}",
        ended.stderr
    );
}

#[test]
fn a_second_ctrl_c_aborts_a_trainer_that_does_not_listen() {
    let mut running = at_work(STUBBORN);
    running.signal_group(Signal::INT);
    running.wait_for("press again to abort");
    running.signal_group(Signal::INT);
    let ended = running.end();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(130), ""));
    assert!(ended.stderr.contains("error: aborted"), "{}", ended.stderr);
}

#[test]
fn an_orphaned_trainer_notices_by_the_end_of_its_input() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("last-words");
    let made = std::process::Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .expect("mkfifo runs");
    assert!(made.success());
    let scene =
        r#"say '{"event":"stage","name":"at work"}'; cat >/dev/null; echo orphaned >"$LAST_WORDS""#;
    let mut command = schliff(&EVAL, scene);
    command.env("LAST_WORDS", &pipe);
    let mut running = Running::start(command);
    running.wait_for("at work");
    running.signal(Signal::KILL);
    assert_eq!(line_from_pipe(&pipe), "orphaned");
    assert_eq!(running.end().code, None);
}
