//! What `schliff` makes of everything a trainer can do.

use crate::stage::{EVAL, end_of, play, schliff};

const DONE: &str = r#"say '{"event":"done","result":{"tokens":20,"nll":2.0366}}'"#;

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).expect("one JSON value on standard output")
}

#[test]
fn a_result_is_printed_on_standard_output_and_nothing_else() {
    let scene = format!(
        r#"say '{{"event":"stage","name":"loading the base model"}}'
           echo "words of the trainer" >&2
           say '{{"event":"warning","text":"2 samples are cut"}}'
           {DONE}"#
    );
    let ended = play(&EVAL, &scene);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    insta::assert_snapshot!(ended.stdout, @r"
    tokens      20
    nll         2.0366 a predicted token
    perplexity  7.6645
    ");
    // The two pipes race, so the lines are looked for one by one.
    for line in [
        "loading the base model ...",
        "words of the trainer",
        "warning: 2 samples are cut",
    ] {
        assert!(
            ended.stderr.lines().any(|said| said == line),
            "{line} in {}",
            ended.stderr
        );
    }
}

#[test]
fn json_is_the_result_as_the_trainer_sent_it() {
    let ended = play(&[&EVAL[..], &["--json"]].concat(), DONE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(
        json(&ended.stdout),
        serde_json::json!({"tokens": 20, "nll": 2.0366})
    );
}

#[test]
fn the_request_holds_what_the_flags_say() {
    let scene = r#"say "{\"event\":\"done\",\"result\":{\"text\":\"ok\",\"request\":$request}}""#;
    let args = [
        "generate",
        "--base",
        "gguf:m",
        "--adapter",
        "a",
        "--raw",
        "--json",
        "Licht an",
    ];
    let ended = play(&args, scene);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    insta::assert_snapshot!(ended.stdout);
}

#[test]
fn a_failure_keeps_its_causes_hint_and_exit_code() {
    let scene = r#"say '{"event":"failed","error":"cannot read tensor blk.0.attn_q.weight of m.gguf","causes":["the file ends early"],"hint":"fetch it again","exit":1,"saved":null}'; exit 1"#;
    let ended = play(&EVAL, scene);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    insta::assert_snapshot!(ended.stderr, @r"
    error: cannot read tensor blk.0.attn_q.weight of m.gguf
    caused by: the file ends early
    hint: fetch it again
    ");
}

#[test]
fn another_version_is_refused() {
    let mut command = schliff(&EVAL, DONE);
    command.env(
        "HELLO",
        r#"{"event":"hello","protocol":7,"version":"9.9.9","backend":"b"}"#,
    );
    let ended = end_of(command);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(70), ""));
    assert!(
        ended
            .stderr
            .contains("schliff-trainer is 9.9.9 (protocol 7)"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("hint: build both"),
        "{}",
        ended.stderr
    );
}

#[test]
fn an_unknown_event_ends_the_trainer_even_if_it_would_go_on() {
    let ended = play(
        &EVAL,
        r#"say '{"event":"teleport"}'; sleep 600; echo survived >&2"#,
    );
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(70), ""));
    assert!(
        ended.stderr.contains("event `teleport`"),
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("survived"), "{}", ended.stderr);
}

#[test]
fn a_line_that_is_no_event_is_quoted() {
    let ended = play(&EVAL, "say 'loss went down, hooray'");
    assert_eq!(ended.code, Some(70));
    assert!(
        ended.stderr.contains("caused by: `loss went down, hooray`"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_crash_is_reported_once_with_signal_and_last_lines() {
    let ended = play(&EVAL, "echo 'thread main panicked' >&2; kill -SEGV $$");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(70), ""));
    insta::assert_snapshot!(ended.stderr, @r"
    thread main panicked
    error: schliff-trainer ended without a result
    caused by: it was killed by SIGSEGV
    last lines of the trainer:
      thread main panicked
    ");
}

#[test]
fn an_exit_without_a_result_is_a_defect() {
    let ended = play(&EVAL, "exit 3");
    assert_eq!(ended.code, Some(70));
    assert!(
        ended.stderr.contains("it exited with 3"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_missing_trainer_is_named() {
    let mut command = schliff(&EVAL, DONE);
    command.env("SCHLIFF_TRAINER", "/nowhere/schliff-trainer");
    let ended = end_of(command);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended
            .stderr
            .contains("/nowhere/schliff-trainer, which is no file"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let mut child = schliff(&[&EVAL[..], &["--json"]].concat(), DONE)
        .spawn()
        .expect("starts");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("an exit status").code(), Some(0));
}

#[test]
fn eval_wants_a_text_or_a_file_with_its_format() {
    let code = |args: &[&str]| play(args, DONE).code;
    assert_eq!(code(&["eval", "--base", "m.gguf"]), Some(2));
    assert_eq!(
        code(&["eval", "--base", "m.gguf", "--data", "d.jsonl"]),
        Some(2)
    );
    assert_eq!(
        code(&[
            "eval", "--base", "m.gguf", "--text", "t", "--format", "text"
        ]),
        Some(2)
    );
    assert_eq!(
        code(&[
            "eval", "--base", "m.gguf", "--data", "d.jsonl", "--format", "text"
        ]),
        Some(0)
    );
}
