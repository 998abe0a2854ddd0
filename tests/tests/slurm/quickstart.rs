//! The quickstart itself on two nodes: part of `make test-slurm-long`.
//!
//! Its model and data are what `make quickstart-inputs` leaves in the folder `quickstart`.

use schliff_tests::desk::{Desk, json_file};
use schliff_tests::ranks::adapter;
use schliff_tests::repository_root;
use serde_json::Value;

use crate::long::long;
use crate::site::Way;

/// Names the ways to go, with commas: `command`, `ssh`, `rest`, `pmix`.
const WAYS: &str = "SCHLIFF_TEST_WAYS";

fn ways() -> Vec<(Way, &'static str)> {
    let pmix = "---\n[launch]\ninterface = \"lo\"\nmpi = \"pmix\"\n";
    let named = std::env::var(WAYS).unwrap_or_else(|_| "command".to_owned());
    let ways = named.split(',').map(|word| match word.trim() {
        "command" => (Way::Command, ""),
        "ssh" => (Way::Ssh, ""),
        "rest" => (Way::Rest, ""),
        "pmix" => (Way::Command, pmix),
        other => panic!("{WAYS}: command, ssh, rest or pmix, not {other}"),
    });
    ways.collect()
}

/// Weights, and what was measured on held-out data before and after.
fn came(desk: &Desk, out: &str) -> (Vec<u8>, [Value; 2]) {
    let summary = json_file(&desk.path(out).join("summary.json"));
    let measures = ["baseline", "final"].map(|name| summary[name].clone());
    assert!(measures[1]["loss"].is_number(), "{summary:#}");
    (adapter(desk, out), measures)
}

#[test]
fn the_quickstart_on_two_nodes_comes_to_what_it_comes_to_here() {
    let Some(dev) = long() else { return };
    let job = repository_root().join("configs/jobs/quickstart.toml");
    let job = job.display().to_string();
    let desk = Desk::new();
    let plain = desk.schliff(&["run", &job, "--ranks", "2", "--out", "out"]);
    assert_eq!(plain.code, Some(0), "{}", plain.stderr);
    let plain = came(&desk, "out");
    eprintln!("here: {}", plain.1[1]);
    for (way, more) in ways() {
        let site = dev.serve(Desk::new(), way, more);
        let mut args = vec!["submit", &job, "--cluster", "dev", "--out", "out"];
        args.extend(["--set", "resources.nodes=2", "--wait"]);
        let ended = site.serving.schliff(&args);
        assert_eq!(ended.code, Some(0), "{way:?} {more}: {}", ended.stderr);
        let own = came(&site.serving.desk, "out");
        let status = site.serving.status(1);
        assert_eq!(status["attempts"].as_array().map(Vec::len), Some(1));
        eprintln!("{way:?} {more}: {}", own.1[1]);
        assert!(own.0 == plain.0, "{way:?} {more}: other bytes");
        assert_eq!(own.1, plain.1, "{way:?} {more}");
    }
}
