//! Profiles held against a real Slurm.

use std::fs;
use std::path::{Path, PathBuf};

use schliff_backend::slurm::Reach;
use schliff_backend::slurm::check::{Finding, Verdict, compare, look};
use schliff_spec::cluster::{Backend, load, load_text};

use crate::world::cluster;

/// A profile that `slurm/dev` wrote of its own cluster, where there is one.
fn own(name: &str) -> Option<PathBuf> {
    cluster()?;
    let state = std::env::var_os("SCHLIFF_SLURM_STATE")?;
    Some(Path::new(&state).join("user").join(name))
}

async fn checked(text: &str) -> Vec<Finding> {
    let profile = load_text(text, "dev.toml").unwrap_or_else(|problems| panic!("{problems}"));
    let Backend::Slurm(slurm) = &profile.backend else {
        panic!("a Slurm site");
    };
    let reach = Reach::of(slurm).unwrap_or_else(|error| panic!("{error}"));
    let facts = look(slurm, profile.limits, &reach).await;
    let facts = facts.unwrap_or_else(|error| panic!("{error}"));
    compare(&profile, slurm, &facts)
}

fn differing(findings: &[Finding]) -> Vec<&'static str> {
    let differs = findings.iter().filter(|it| it.verdict == Verdict::Differs);
    differs.map(|it| it.key).collect()
}

#[tokio::test]
async fn the_cluster_s_own_profiles_fit_but_for_a_program_that_is_not_built() {
    for name in ["dev.toml", "dev-ssh.toml", "dev-rest.toml"] {
        let Some(path) = own(name) else { return };
        load(&path).unwrap_or_else(|problems| panic!("{problems}"));
        let text = fs::read_to_string(&path).expect("a profile");
        let findings = checked(&text).await;
        let others = differing(&findings);
        let others: Vec<_> = others
            .iter()
            .filter(|key| **key != "slurm.program")
            .collect();
        assert!(others.is_empty(), "{name}: {findings:#?}");
        let fits = |key| {
            findings
                .iter()
                .any(|it| it.key == key && it.verdict == Verdict::Fits)
        };
        for key in ["ask", "ask.account", "ask.partition", "slurm.folder"] {
            assert!(fits(key), "{name}: {key} of {findings:#?}");
        }
    }
}

#[tokio::test]
async fn what_is_wrong_is_found_on_the_site() {
    let Some(path) = own("dev.toml") else { return };
    let text = fs::read_to_string(&path).expect("a profile");
    let wrong = text
        .replace(
            "account = \"dev\"",
            "account = \"nobody\"\nqos = \"capped\"\ngpu_type = \"h100\"",
        )
        .replace("partition = \"batch\"", "partition = \"short\"")
        .replace("[launch]\n", "[launch]\nmpi = \"openmpi\"\n")
        .replace("[limits]\n", "[limits]\nmax_time = \"1h\"\n");
    let findings = checked(&wrong).await;
    let keys = differing(&findings);
    for key in [
        "ask.account",
        "ask.gpu_type",
        "launch.mpi",
        "limits.max_time",
        "ask",
    ] {
        assert!(keys.contains(&key), "{key} of {findings:#?}");
    }
}
