//! The help texts, word for word.

use crate::stage::play;

fn help_of(args: &[&str]) -> String {
    let ended = play(args, "");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    ended.stdout
}

#[test]
fn the_overview() {
    insta::assert_snapshot!(help_of(&["--help"]));
}

#[test]
fn every_verb() {
    for verb in [
        "run",
        "agent",
        "check",
        "data",
        "eval",
        "generate",
        "merge",
        "config",
        "checkpoints",
        "doctor",
        "submit",
        "list",
        "status",
        "logs",
        "cancel",
        "explain",
        "wait",
        "relay",
        "retry",
        "export",
        "adopt",
        "clusters",
        "nodes",
        "top",
        "completion",
        "man",
        "help",
    ] {
        insta::assert_snapshot!(verb, help_of(&[verb, "--help"]));
    }
}

#[test]
fn the_version() {
    assert_eq!(
        help_of(&["--version"]),
        format!("schliff {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn an_unknown_verb_is_a_usage_error() {
    let ended = play(&["rum", "job.toml"], "");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    assert!(ended.stderr.contains("'run'"), "{}", ended.stderr);
}
