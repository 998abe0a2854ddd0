//! kill -9 of the coordinator between sbatch's acceptance and its answer: the job is adopted.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use schliff_tests::ranks::{adapter, tiny_desk, train};
use schliff_tests::running::wait_until;

use crate::site::{Way, dev, slurm};

/// Names how often the coordinator is killed so.
const TRIES: &str = "SCHLIFF_TEST_TRIES";
/// As often where nobody says.
const FEW_TRIES: usize = 5;

/// A stand-in for `sbatch`: the real one takes the job, then the coordinator is killed, once for every
/// file `trap` that there is. `%s` is a folder, then the real `sbatch`.
const SBATCH: &str = r#"#!/bin/bash
folder=%s
answer=$(%s "$@") || exit
echo "$answer" >>"$folder/taken"
if mv "$folder/trap" "$folder/sprung" 2>/dev/null; then
    kill -9 "$(<"$folder/coordinator")"
    # Whoever is killed takes his shell with him, later or now.
    exit 1
fi
echo "$answer"
"#;

#[test]
fn a_coordinator_that_is_killed_before_it_hears_of_its_job_adopts_it() {
    let Some(dev) = dev() else { return };
    let desk = tiny_desk(4);
    let plain = train(&desk, "1");
    let bin = desk.path("bin");
    fs::create_dir(&bin).expect("a folder");
    let real = which("sbatch");
    let folder = desk.path("").display().to_string();
    let script = SBATCH.replacen("%s", &folder, 1).replacen("%s", &real, 1);
    let stand_in = desk.file("bin/sbatch", &script);
    fs::set_permissions(&stand_in, fs::Permissions::from_mode(0o755)).expect("a program");
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", bin.display());
    let mut site = dev.serve_with(desk, Way::Command, "", &[("PATH", &path)]);
    let tries = std::env::var(TRIES).ok().and_then(|text| text.parse().ok());
    let tries = tries.unwrap_or(FEW_TRIES);
    for nth in 1..=tries {
        let desk = &site.serving.desk;
        desk.file("coordinator", &format!("{}\n", site.serving.pid()));
        desk.file("trap", "");
        let out = format!("out-{nth}");
        let job = site
            .serving
            .submit(&["job.toml", "--cluster", "dev", "--out", &out]);
        let sprung = desk.path("sprung");
        wait_until(|| "a killed coordinator".to_owned(), || sprung.exists());
        site.serving.ended();
        fs::remove_file(&sprung).expect("it was there");
        site.serving.start_again();
        assert_eq!(site.serving.outcome(job), "succeeded");
        let status = site.serving.status(job);
        assert_eq!(
            status["attempts"].as_array().map(Vec::len),
            Some(1),
            "{status:#}"
        );
        assert!(adapter(&site.serving.desk, &out) == plain, "other bytes");
    }
    let taken = fs::read_to_string(site.serving.desk.path("taken")).expect("submits");
    assert_eq!(
        taken.lines().count(),
        tries,
        "nothing is submitted twice: {taken}"
    );
}

fn which(program: &str) -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut candidates = path.split(':').map(|folder| format!("{folder}/{program}"));
    let found = candidates.find(|path| fs::metadata(path).is_ok());
    assert!(!slurm(&["sinfo", "-h"]).stdout.is_empty(), "Slurm answers");
    found.unwrap_or_else(|| panic!("no {program} in {path}"))
}
