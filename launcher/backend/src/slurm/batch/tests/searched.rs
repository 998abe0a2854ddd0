//! The array of a search that bash really runs, a task at a time.

use super::played::{Played, Stage};
use super::*;

/// A search of three trials; the values of the second are hard to quote.
fn search(chain: Chain) -> Stage {
    let sets = [
        vec!["training.lr=1e-4".to_owned()],
        vec![
            "data.train=\"it's $HOME\"".to_owned(),
            "adapter.rank=8".to_owned(),
        ],
        vec!["training.lr=1e-3".to_owned()],
    ];
    let (site, launch) = (Slurm { chain, ..site() }, launch());
    let job = ByHand {
        name: "desk",
        job_toml: "name = \"desk\"\n",
        out: "runs/it's",
        shape: launch.shape,
        min_nodes: None,
        time_limit_ms: launch.time_limit_ms,
        work_ms: None,
        wish: &launch.wish,
        trials: Some(Trials {
            sets: &sets,
            max_parallel: Some(2),
        }),
    };
    let folder = tempfile::tempdir().expect("a folder");
    Stage::of(folder, &by_hand(&site, &job).expect("a script"))
}

/// A task of array 40; the last has the array's own number.
fn play(stage: &Stage, task: &str, variables: &[(&str, &str)]) -> Played {
    let number = if task == "3" { "40" } else { "41" };
    let mut all = vec![
        ("SLURM_JOB_ID", number),
        ("SLURM_ARRAY_JOB_ID", "40"),
        ("SLURM_ARRAY_TASK_ID", task),
    ];
    all.extend(variables);
    stage.play(&all)
}

#[test]
fn each_task_runs_its_trial_in_a_folder_of_its_own() {
    let stage = search(Chain::Requeue);
    let script = stage.read("batch.sh").expect("a script");
    assert!(script.contains("\n#SBATCH --array=1-3%2\n"), "{script}");
    for task in ["1", "2"] {
        let played = play(&stage, task, &[("PLAY", "0")]);
        assert_eq!(played.code, 0, "{}", played.words);
        let file = |name: &str| stage.read(&format!("runs/it's/trial-{task}/{name}"));
        assert_eq!(file("done").as_deref(), Some("0"));
        assert_eq!(file("job.toml").as_deref(), Some("name = \"desk\""));
        assert_eq!(file("starts").expect("a line").lines().count(), 1);
    }
    let args = stage.read("args").expect("the agent ran");
    assert!(
        args.contains("\n--set=data.train=\"it's $HOME\"\n--set=adapter.rank=8\n"),
        "{args}"
    );
    assert_eq!(
        stage.read("runs/it's/trial-2/trial").as_deref(),
        Some("data.train=\"it's $HOME\"\nadapter.rank=8")
    );
    assert_eq!(stage.read("runs/it's/trial-3/starts"), None);
    let beyond = play(&stage, "4", &[("PLAY", "0")]);
    assert_eq!(beyond.code, 2, "{}", beyond.words);
    assert!(
        beyond.words.contains("there is no trial 4"),
        "{}",
        beyond.words
    );
}

#[test]
fn a_task_puts_itself_back_and_never_the_whole_array() {
    let stage = search(Chain::Requeue);
    let played = play(&stage, "3", &[("PLAY", "USR1")]);
    assert_eq!(played.code, 75, "{}", played.words);
    assert_eq!(stage.read("scontrol").as_deref(), Some("requeue 40_3"));
    let again = play(&stage, "3", &[("PLAY", "0"), ("SLURM_RESTART_COUNT", "1")]);
    assert_eq!(again.code, 0, "{}", again.words);
}

#[test]
fn a_trial_of_another_submission_is_left_alone_while_that_is_alive() {
    for (state, runs) in [
        ("PENDING", false),
        (
            "slurm_load_jobs error: Unable to contact slurm controller",
            false,
        ),
        ("slurm_load_jobs error: Invalid job id specified", true),
        ("", true),
    ] {
        let stage = search(Chain::None);
        let folder = stage.path("runs/it's/trial-1");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("claim"), "30_1\n").expect("written");
        let played = play(&stage, "1", &[("PLAY", "0"), ("STATE", state)]);
        assert_eq!(played.code, 0, "{}", played.words);
        assert_eq!(
            folder.join("done").exists(),
            runs,
            "{state}: {}",
            played.words
        );
        let claim = std::fs::read_to_string(folder.join("claim")).expect("a word");
        assert_eq!(claim == "40_1\n", runs, "{state}: {claim}");
    }
}
