//! A job on two nodes of a real Slurm, from its submission to its end: the bytes of a plain run.

use schliff_tests::ranks::{adapter, tiny_desk, train};

use crate::site::{Site, Way, dev};

/// Submits the desk's job on two nodes and waits; the weights are those of a plain run of two ranks.
fn gives_the_bytes_of_a_plain_run(way: Way, more: &str) -> Option<Site> {
    let dev = dev()?;
    let desk = tiny_desk(20);
    let plain = train(&desk, "2");
    let site = dev.serve(desk, way, more);
    let ended = site.serving.schliff(&[
        "submit",
        "job.toml",
        "--cluster",
        "dev",
        "--set",
        "resources.nodes=2",
        "--out",
        "out",
        "--wait",
        "-f",
    ]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(adapter(&site.serving.desk, "out") == plain, "other bytes");
    let job = site.serving.status(1);
    assert_eq!(job["outcome"], "succeeded");
    assert_eq!(job["attempts"].as_array().map(Vec::len), Some(1), "{job:#}");
    assert_eq!(job["progress"]["step"], 20, "{job:#}");
    Some(site)
}

#[test]
fn by_commands() {
    let Some(site) = gives_the_bytes_of_a_plain_run(Way::Command, "") else {
        return;
    };
    let clusters = site.serving.schliff(&["clusters", "--json"]).json();
    let cluster = &clusters["clusters"][0];
    assert_eq!(cluster["name"], "dev", "{clusters:#}");
    assert_eq!(cluster["backend"], "slurm", "{clusters:#}");
    let nodes = site.serving.schliff(&["nodes", "--json"]).json();
    assert_eq!(
        nodes["nodes"].as_array().map(Vec::len),
        Some(4),
        "{nodes:#}"
    );
}

#[test]
fn over_ssh() {
    gives_the_bytes_of_a_plain_run(Way::Ssh, "");
}

#[test]
fn by_slurmrestd() {
    gives_the_bytes_of_a_plain_run(Way::Rest, "");
}

#[test]
fn under_pmix() {
    let more = "---\n[launch]\ninterface = \"lo\"\nmpi = \"pmix\"\n";
    gives_the_bytes_of_a_plain_run(Way::Command, more);
}
