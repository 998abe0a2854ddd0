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
fn an_orphaned_trainer_is_gone_even_if_it_is_stopped() {
    let folder = tempfile::tempdir().expect("a folder");
    let (pipe, life) = (folder.path().join("pid"), folder.path().join("life"));
    for path in [&pipe, &life] {
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.expect("mkfifo runs").success());
    }
    // The last holder of the second pipe is the trainer: its end is the end of the pipe.
    let scene = r#"say '{"event":"stage","name":"at work"}'; exec 3>"$LIFE"; echo begun >&3
        echo $$ >"$PID"; kill -STOP $$"#;
    let mut command = schliff(&EVAL, scene);
    command.env("PID", &pipe).env("LIFE", &life);
    let mut running = Running::start(command);
    running.wait_for("at work");
    let life = std::thread::spawn(move || {
        let mut text = String::new();
        let mut pipe = std::fs::File::open(life).expect("the named pipe opens");
        std::io::Read::read_to_string(&mut pipe, &mut text).expect("UTF-8");
        text
    });
    line_from_pipe(&pipe);
    running.signal(Signal::KILL);
    assert_eq!(running.end().code, None);
    assert_eq!(life.join().expect("no panic"), "begun\n");
}
