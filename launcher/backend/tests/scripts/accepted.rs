//! Whether a real Slurm takes the scripts.

use std::io::Write;
use std::process::{Command, Stdio};

use schliff_slurm::batch::render;

use crate::sites::sites;

/// What the cluster of `make slurm-up` does not have; the rest of each script is taken as it is.
const INSTEAD: &[&str] = &[
    "--partition=batch",
    "--account=dev",
    "--qos=normal",
    "--cpus-per-task=8",
    "--mem=200",
    "--gres=gpu:4",
    "--chdir=/",
    "--test-only",
];

#[test]
fn sbatch_accepts_the_script_of_every_site() {
    if std::env::var_os("SCHLIFF_SLURM_STATE").is_none() {
        eprintln!("SKIPPED sbatch: SCHLIFF_SLURM_STATE is not set; see make slurm-up");
        return;
    }
    for site in sites() {
        let name = &site.profile.name;
        let alone = render(&site.batch()).expect("a script");
        for script in [alone, site.search()] {
            let words = asked(&script).unwrap_or_else(|words| panic!("{name}: {words}"));
            assert!(words.contains("to start at"), "{name}: {words}");
        }
    }
}

/// What `sbatch` says of a script, whether it takes it or not.
fn asked(script: &str) -> Result<String, String> {
    let mut sbatch = Command::new("sbatch")
        .args(INSTEAD)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("sbatch");
    let mut stdin = sbatch.stdin.take().expect("a pipe");
    stdin.write_all(script.as_bytes()).expect("taken");
    drop(stdin);
    let ended = sbatch.wait_with_output().expect("an end");
    let words = String::from_utf8_lossy(&ended.stderr).into_owned();
    match ended.status.success() {
        true => Ok(words),
        false => Err(words),
    }
}
