//! A kind of collective that cannot be had is told before anything is read, by the real programs.

use schliff_tests::desk::{Desk, Ended, end_of};

/// The base is read after the collective is looked at: where it were read, it would be refused.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.file("model.gguf", "GGUF, but nothing else of one");
    desk.file("train.jsonl", "{\"text\": \"Licht an\"}\n");
    desk.file(
        "job.toml",
        "name = \"intents\"\n[model]\nbase = \"model.gguf\"\n\
         [data]\ntrain = \"train.jsonl\"\nformat = \"text\"\n",
    );
    desk
}

/// Without a library, whatever this build has and this machine has.
fn with_nccl(desk: &Desk, args: &[&str]) -> Ended {
    let mut command = desk.command(&[args, &["--collective", "nccl"]].concat());
    command.env("SCHLIFF_NCCL_LIBRARY", "/nowhere/libnccl.so.2");
    end_of(command)
}

#[test]
fn nccl_that_is_not_there_is_a_usage_error_with_a_way_out() {
    let desk = desk();
    for args in [
        ["check", "job.toml", "--ranks", "2"],
        ["run", "job.toml", "--ranks", "1"],
        ["run", "job.toml", "--ranks", "2"],
    ] {
        let ended = with_nccl(&desk, &args);
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(2), ""),
            "{ended:?}"
        );
        for words in ["error: NCCL: ", "--collective tcp"] {
            assert!(ended.stderr.contains(words), "{ended:?}");
        }
        let is_read = ended.stderr.contains("model.gguf") || ended.stderr.contains("base model");
        assert!(!is_read && !ended.stderr.contains("panicked"), "{ended:?}");
        assert!(!desk.path("runs/intents/adapter").exists());
    }
    // The desk itself would have been noticed.
    let read = desk.schliff(&["check", "job.toml"]);
    assert!(read.stderr.contains("model.gguf"), "{read:?}");
}
