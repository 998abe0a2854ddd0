//! What `schliff` says of itself: completion scripts, manual pages, pages of errors.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::stage::{Ended, play};

fn text_of(args: &[&str]) -> String {
    let Ended {
        code,
        stdout,
        stderr,
    } = play(args, "");
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{args:?}");
    stdout
}

#[test]
fn completion_scripts_are_scripts() {
    let script = text_of(&["completion", "bash"]);
    let mut bash = Command::new("bash")
        .arg("-n")
        .stdin(Stdio::piped())
        .spawn()
        .expect("bash starts");
    let mut stdin = bash.stdin.take().expect("a pipe");
    stdin.write_all(script.as_bytes()).expect("read");
    drop(stdin);
    assert!(bash.wait().expect("a status").success());
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = text_of(&["completion", shell]);
        assert!(
            script.contains("submit") && script.contains("coordinator"),
            "{shell}"
        );
    }
    assert_eq!(play(&["completion", "tcsh"], "").code, Some(2));
}

#[test]
fn each_verb_has_a_manual_page() {
    let page = text_of(&["man"]);
    assert!(page.contains(".TH SCHLIFF 1"), "{page}");
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().join("man1");
    let listed = text_of(&["man", folder.to_str().expect("UTF-8")]);
    let overview = text_of(&["--help"]);
    let verbs = overview
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1);
    let verbs: Vec<_> = verbs
        .map_while(|line| line.split_whitespace().next())
        .collect();
    assert!(verbs.len() > 20, "{verbs:?}");
    for verb in verbs {
        let page = std::fs::read_to_string(folder.join(format!("schliff-{verb}.1"))).expect(verb);
        assert!(
            page.contains(&format!("schliff\\-{verb}")) || page.contains(verb),
            "{page}"
        );
        assert!(listed.contains(&format!("schliff-{verb}.1\n")), "{listed}");
    }
}

#[test]
fn help_explains_verbs_and_errors() {
    assert_eq!(text_of(&["help"]), text_of(&["--help"]));
    for verb in ["run", "submit", "help"] {
        assert_eq!(text_of(&["help", verb]), text_of(&[verb, "--help"]));
    }
    let page = text_of(&["help", "E-UNREACHABLE"]);
    assert!(
        page.starts_with("# E-UNREACHABLE: no coordinator answers\n"),
        "{page}"
    );
    insta::assert_snapshot!(text_of(&["help", "errors"]));
    let unknown = play(&["help", "E-NOTHING"], "");
    assert_eq!((unknown.code, unknown.stdout.as_str()), (Some(2), ""));
}

#[test]
fn the_live_view_needs_a_terminal() {
    let ended = play(&["top"], "");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    assert!(
        ended.stderr.contains("needs a terminal"),
        "{}",
        ended.stderr
    );
}
