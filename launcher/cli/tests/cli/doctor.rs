//! `schliff doctor` with a stand-in for the trainer.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use schliff_spec::request::PROTOCOL;
use serde_json::{Value, json};

use crate::stage::{Ended, end_of, schliff};

/// A folder with a program that answers to `doctor`.
struct Stage {
    folder: tempfile::TempDir,
    trainer: PathBuf,
}

impl Stage {
    fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let trainer = folder.path().join("trainer");
        std::fs::write(&trainer, format!("#!/bin/sh\n{script}\n")).expect("written");
        let runnable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&trainer, runnable).expect("made runnable");
        Self { folder, trainer }
    }

    fn doctor(&self, more: &[&str]) -> Ended {
        let mut command = schliff(&[&["doctor"], more].concat(), "");
        command
            .current_dir(self.folder.path())
            .env("SCHLIFF_TRAINER", &self.trainer)
            .env("SCHLIFF_TRAINER_MPI", self.folder.path().join("no-mpi"))
            .env("PATH", "/nowhere");
        for variable in ["SLURM_JOB_ID", "KUBERNETES_SERVICE_HOST"] {
            command.env_remove(variable);
        }
        end_of(command)
    }
}

/// What a trainer with one finding says.
fn answer(version: &str) -> String {
    let examination = json!({
        "protocol": PROTOCOL, "version": version, "backend": "flex (avx512, 2 threads)",
        "backends": ["flex"], "collectives": ["tcp"],
        "findings": [{"area": "collectives", "name": "tcp", "status": "ok", "told": "tried"}]
    });
    format!("[ \"$1\" = doctor ] && echo '{examination}'")
}

fn parsed(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).expect("one JSON value on standard output")
}

fn finding<'a>(report: &'a Value, name: &str) -> &'a Value {
    let findings = report["findings"].as_array().expect("a list");
    let found = findings.iter().find(|finding| finding["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {report}"))
}

#[test]
fn what_the_trainer_finds_and_what_schliff_finds_are_one_report() {
    let stage = Stage::new(&answer(env!("CARGO_PKG_VERSION")));
    let ended = stage.doctor(&["--json", "--store", "store"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let report = parsed(&ended);
    assert_eq!(report["can_train"], true);
    assert_eq!(report["backends"], json!(["flex"]));
    assert_eq!(report["collectives"], json!(["tcp"]));
    let trainer = finding(&report, "schliff-trainer");
    assert_eq!(trainer["facts"]["collectives"], json!(["tcp"]));
    for (name, status) in [
        ("tcp", "ok"),
        ("mpi", "absent"),
        ("mpirun", "absent"),
        ("schliff-trainer-mpi", "absent"),
        ("batch system", "absent"),
        ("folder of runs", "ok"),
        ("store", "ok"),
    ] {
        assert_eq!(finding(&report, name)["status"], status, "{name}");
    }
    let left = std::fs::read_dir(stage.folder.path().join("store")).expect("the store");
    assert_eq!(left.count(), 0, "the probe removes its object");
    assert!(!stage.folder.path().join("runs").exists());

    let ended = stage.doctor(&[]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let last = "\nthis machine can train with flex, and ranks can sum by tcp\n";
    assert!(ended.stdout.ends_with(last), "{}", ended.stdout);
}

#[test]
fn a_trainer_that_cannot_be_asked_is_a_finding_and_exit_1() {
    for (script, status, told) in [
        ("kill -SEGV $$", "broken", "signal: 11"),
        ("echo hello", "broken", "cannot be understood"),
        (answer("9.9.9").as_str(), "broken", "9.9.9"),
    ] {
        let ended = Stage::new(script).doctor(&["--json"]);
        assert_eq!(ended.code, Some(1), "{}", ended.stdout);
        let report = parsed(&ended);
        let trainer = finding(&report, "schliff-trainer");
        assert_eq!(trainer["status"], status);
        assert!(
            trainer["told"].as_str().expect("words").contains(told),
            "{trainer}"
        );
        assert!(trainer["hint"].is_string(), "{trainer}");
    }
    let stage = Stage::new("");
    std::fs::remove_file(&stage.trainer).expect("removed");
    let ended = stage.doctor(&[]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""));
    assert!(
        ended
            .stdout
            .ends_with("\nthis machine cannot train as it is\n")
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_exit_1() {
    let stage = Stage::new(&answer(env!("CARGO_PKG_VERSION")));
    let ended = stage.doctor(&["--out", "/proc/runs", "--json"]);
    assert_eq!(ended.code, Some(1));
    assert_eq!(
        finding(&parsed(&ended), "folder of runs")["status"],
        "broken"
    );
}
