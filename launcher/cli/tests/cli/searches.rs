//! A job file with a `[sweep]`, and one with a wall time, where one training runs at once.

use serde_json::json;

use crate::stage::JobFolder;

const SWEEP: &str = "[sweep]\nmethod = \"grid\"\nparameters = { \"training.lr\" = [1e-4, 1e-3] }\n";
const DONE: &str = "say '{\"event\":\"done\",\"result\":{\"steps\":7}}'";

#[test]
fn run_refuses_a_search() {
    let ended =
        JobFolder::with(SWEEP).play(&["run", "job.toml"], "echo 'the trainer was asked' >&2");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    insta::assert_snapshot!(ended.stderr, @r"
    error: job.toml has a [sweep]: it is a search of 2 trainings, not one
    hint: 'schliff submit job.toml' lets a coordinator run them
    see: schliff help E-SWEEP
    ");
    let exported = JobFolder::with(SWEEP).play(&["export", "job.toml"], "");
    assert_eq!((exported.code, exported.stdout.as_str()), (Some(2), ""));
}

#[test]
fn check_says_that_its_plan_is_of_one() {
    let ended = JobFolder::with(SWEEP).play(&["check", "job.toml"], DONE);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "steps  7\n"));
    assert!(
        ended.stderr.contains("a search of 2 trainings"),
        "{}",
        ended.stderr
    );
}

#[test]
fn only_run_says_that_a_wall_time_has_no_effect() {
    let folder = JobFolder::with("[resources]\ntime = \"2h\"\n");
    let ran = folder.play(&["run", "job.toml"], DONE);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let warning = "warning: job.toml:10:1: resources.time: no effect where the job runs on this machine at once\n";
    assert!(ran.stderr.contains(warning), "{}", ran.stderr);
    for verb in [
        &["check", "job.toml"][..],
        &["submit", "job.toml", "--dry-run"],
    ] {
        let ended = folder.play(
            verb,
            &format!("say '{}'", json!({"event": "done", "result": {}})),
        );
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(!ended.stderr.contains("resources.time"), "{}", ended.stderr);
    }
}
