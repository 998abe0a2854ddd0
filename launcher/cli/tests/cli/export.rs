//! `schliff export`, and that what it writes runs.

use std::process::Command;

use schliff_wire::v1::Phase;

use crate::fake::Fake;
use crate::stage::{JobFolder, end_of, schliff};

#[test]
fn a_script_runs_the_job_by_schliff_alone() {
    let folder = JobFolder::with("");
    let script = folder.play(
        &[
            "export",
            "job.toml",
            "--set",
            "training.lr=1e-3",
            "--out",
            "its result",
        ],
        "",
    );
    assert_eq!(script.code, Some(0), "{}", script.stderr);
    let here = folder.path("").display().to_string();
    insta::assert_snapshot!(script.stdout.replace(here.trim_end_matches('/'), "/HERE"));
    std::fs::write(folder.path("job.sh"), &script.stdout).expect("written");
    // The environment in which `schliff` finds its stand-in for the trainer.
    let scene = r#"say "{\"event\":\"done\",\"result\":{\"request\":$request}}""#;
    let mut command = Command::new("sh");
    command
        .args(["job.sh", "--json"])
        .env("SCHLIFF", env!("CARGO_BIN_EXE_schliff"));
    for (name, value) in schliff(&[], scene).get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command.env_remove("OUT").current_dir(folder.path(""));
    let ended = end_of(command);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let result: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let request = &result["request"];
    assert_eq!(
        (&request["verb"], &request["out"]),
        (&"run".into(), &"its result".into())
    );
    assert_eq!(request["job"]["training"]["lr"], 1e-3);
}

#[test]
fn a_submitted_job_is_exported_by_its_number() {
    let (fake, folder) = (Fake::start(), JobFolder::with(""));
    let toml = folder.play(&["submit", "job.toml", "--dry-run"], "").stdout;
    fake.change(|scene| {
        scene.add("desk", Phase::Running);
        scene.jobs.get_mut(&1).expect("a job").job_toml = toml.clone();
        scene.add("search", Phase::Running);
        scene.jobs.get_mut(&2).expect("a job").sweep = true;
    });
    let script = fake.play(&["export", "1"]);
    assert_eq!(script.code, Some(0), "{}", script.stderr);
    assert!(
        script
            .stdout
            .contains(&format!("<<'_END_OF_JOB'\n{toml}_END_OF_JOB\n")),
        "{}",
        script.stdout
    );
    let search = fake.play(&["export", "2"]);
    assert_eq!((search.code, search.stdout.as_str()), (Some(2), ""));
    assert!(
        search.stderr.contains("hint: 'schliff list --sweep 2'"),
        "{}",
        search.stderr
    );
    assert_eq!(
        fake.play(&["export", "1", "--set", "training.lr=1"]).code,
        Some(2)
    );
}

#[test]
fn a_script_for_a_cluster_is_for_sbatch() {
    let folder = JobFolder::with("[resources]\nnodes = 2\ngpus_per_node = 4\ntime = \"3d\"\n");
    let profiles = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/clusters");
    let profile = |name: &str| format!("{profiles}/{name}.toml");
    let blank = folder.play(&["export", "job.toml", "--cluster", &profile("horeka")], "");
    assert_eq!((blank.code, &*blank.stdout), (Some(2), ""));
    assert!(blank.stderr.contains("slurm.program"), "{}", blank.stderr);
    let text = std::fs::read_to_string(profile("juwels-booster")).expect("a profile");
    std::fs::write(folder.path("mine.toml"), text.replace("<PROJECT>", "nlp")).expect("written");
    let unpaid = folder.play(&["export", "job.toml", "--cluster", "mine.toml"], "");
    assert_eq!(unpaid.code, Some(2));
    assert!(
        unpaid.stderr.contains("--set scheduling.account=NAME"),
        "{}",
        unpaid.stderr
    );
    let account = "scheduling.account=nlp";
    let args = [
        "export",
        "job.toml",
        "--cluster",
        "mine.toml",
        "--set",
        account,
    ];
    let script = folder.play(&args, "");
    assert_eq!(script.code, Some(0), "{}", script.stderr);
    let here = folder.path("").display().to_string();
    insta::assert_snapshot!(script.stdout.replace(here.trim_end_matches('/'), "/HERE"));
}

#[test]
fn a_cluster_that_is_this_machine_or_nowhere_has_no_script_for_sbatch() {
    let folder = JobFolder::with("");
    let profiles = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/clusters");
    for (cluster, words) in [
        (format!("{profiles}/local.toml"), "is this machine"),
        ("nowhere".to_owned(), "configs/clusters/nowhere.toml"),
    ] {
        let refused = folder.play(&["export", "job.toml", "--cluster", &cluster], "");
        assert_eq!((refused.code, &*refused.stdout), (Some(2), ""), "{cluster}");
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
}

/// A search of two trainings, and a profile of a cluster.
fn search(sweep: &str) -> JobFolder {
    let folder = JobFolder::with(&format!(
        "eval = \"train.jsonl\"\n[sweep]\nmax_parallel = 1\n{sweep}"
    ));
    let profiles = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/clusters");
    let text = std::fs::read_to_string(format!("{profiles}/alex.toml")).expect("a profile");
    let text = text.replace(['<', '>'], "");
    std::fs::write(folder.path("mine.toml"), text).expect("written");
    folder
}

#[test]
fn a_search_for_a_cluster_is_an_array() {
    let folder = search("method = \"grid\"\nparameters = { \"training.lr\" = [1e-4, 1e-3] }\n");
    let script = folder.play(&["export", "job.toml", "--cluster", "mine.toml"], "");
    assert_eq!(script.code, Some(0), "{}", script.stderr);
    let text = &script.stdout;
    assert!(text.contains("\n#SBATCH --array=1-2%1\n"), "{text}");
    assert!(
        text.contains("\n    2) own=(--set=training.lr=1e-3) ;;\n"),
        "{text}"
    );
    assert!(
        text.contains("[training]\n") && !text.contains("[sweep]"),
        "{text}"
    );
}

#[test]
fn a_search_that_cannot_be_an_array_is_refused() {
    for (sweep, words) in [
        (
            "method = \"halving\"\ntrials = 4\neta = 2\nrungs = [2]\nparameters = { \"training.lr\" = { min = 1e-4, max = 1e-3, scale = \"log\" } }\n",
            "halving cannot be an array",
        ),
        (
            "method = \"grid\"\nparameters = { \"resources.nodes\" = [1, 2] }\n",
            "asks for other resources",
        ),
    ] {
        let folder = search(sweep);
        let refused = folder.play(&["export", "job.toml", "--cluster", "mine.toml"], "");
        assert_eq!(
            (refused.code, &*refused.stdout),
            (Some(2), ""),
            "{}",
            refused.stderr
        );
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
        assert!(
            refused.stderr.contains("see: schliff help E-SWEEP"),
            "{}",
            refused.stderr
        );
    }
}
