//! What Schliff writes, read by PEFT and transformers themselves.
//!
//! Needs the Python environment of `reference/setup_env.sh`; `make parity` makes it. Where it is not
//! there, there is nothing to compare with, and the fixtures of the trainer must do.

use std::path::PathBuf;
use std::process::Command;

use schliff_tests::desk::{Desk, end_of, fixture};
use schliff_tests::repository_root;
use serde_json::Value;

/// How far a mean loss may lie from the reference.
const NLL_TOLERANCE: f64 = 1e-4;
const SEQUENCE: &str = "[46,14,99,7,23,81,60,27,16,44,62,122,109]";

/// The interpreter: what `make parity` names, else that in the cache, if any.
fn python() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("SCHLIFF_REFERENCE_PYTHON") {
        return Some(named.into());
    }
    let folder = |name: &str| {
        std::env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    let cache = folder("SCHLIFF_CACHE")
        .or_else(|| folder("XDG_CACHE_HOME").map(|cache| cache.join("schliff")))
        .or_else(|| folder("HOME").map(|home| home.join(".cache/schliff")))?;
    Some(cache.join("reference-env/bin/python")).filter(|python| python.is_file())
}

/// Mean loss of [`SEQUENCE`] as PEFT and transformers see it.
fn theirs(python: &PathBuf, args: &[&str]) -> f64 {
    let mut command = Command::new(python);
    command
        .arg(repository_root().join("reference/check_adapter.py"))
        .args(args);
    command.args(["--tokens", SEQUENCE.trim_matches(['[', ']'])]);
    let ended = end_of(command);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let answer: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    answer["cases"][0]["mean_nll"].as_f64().expect("a mean")
}

/// Mean loss of [`SEQUENCE`] as Schliff sees it.
fn ours(desk: &Desk, args: &[&str]) -> f64 {
    desk.file(
        "case.jsonl",
        &format!(r#"{{"input_ids":{SEQUENCE},"labels":{SEQUENCE}}}"#),
    );
    let input = [
        "eval",
        "--data",
        "case.jsonl",
        "--format",
        "tokens",
        "--json",
    ];
    desk.schliff(&[&input, args].concat()).json()["nll"]
        .as_f64()
        .expect("a loss")
}

#[test]
fn peft_and_transformers_read_what_we_write() {
    let Some(python) = python() else { return };
    let desk = Desk::new();
    let base = fixture("tiny/llama").display().to_string();
    let untrained = ours(&desk, &["--base", &base]);
    for method in ["lora", "rslora", "dora"] {
        desk.file(
            "job.toml",
            &format!(
                "name = {method:?}\n[model]\nbase = {base:?}\n[adapter]\nmethod = {method:?}\n\
                 rank = 4\nalpha = 8\n[adapter.rank_pattern]\nq_proj = 2\n\
                 [data]\ntrain = {:?}\nformat = \"tokens\"\nmax_tokens = 64\n\
                 [training]\nsteps = 6\nlr = 5e-3\nbatch_samples = 8\n",
                fixture("curves/data.jsonl").display().to_string()
            ),
        );
        desk.schliff(&["run", "job.toml", "--out", method, "--json"])
            .json();
        let adapter = desk.path(method).join("adapter").display().to_string();
        let ours = ours(&desk, &["--base", &base, "--adapter", &adapter]);
        let peft = theirs(&python, &[&adapter, "--base", &base]);
        assert!(
            (ours - peft).abs() <= NLL_TOLERANCE,
            "{method}: {ours}, PEFT {peft}"
        );
        assert!(
            (ours - untrained).abs() > 100.0 * NLL_TOLERANCE,
            "{method} changes nothing"
        );

        let merged = desk.path(&format!("{method}-merged")).display().to_string();
        let into = ["--out", &merged, "--dtype", "f32", "--json"];
        let merge = [
            &["merge", "--base", &base, "--adapter", &adapter],
            &into[..],
        ]
        .concat();
        desk.schliff(&merge).json();
        let transformers = theirs(&python, &["none", "--no-adapter", "--base", &merged]);
        assert!(
            (ours - transformers).abs() <= NLL_TOLERANCE,
            "{method} merged: {transformers}"
        );
    }
}
