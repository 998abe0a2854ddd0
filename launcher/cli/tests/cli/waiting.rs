//! `schliff wait`, and `schliff submit` that waits.

use rustix::process::Signal;
use schliff_wire::v1::{JobView, Phase, Progress};

use crate::fake::Fake;
use crate::stage::{JobFolder, Running};

fn follow(fake: &Fake, folder: &JobFolder, more: &[&str]) -> Running {
    let mut command = fake.command(&[&["submit", "job.toml"], more].concat());
    command.current_dir(folder.path(""));
    Running::start(command)
}

fn step(fake: &Fake, step: u64) {
    fake.change(|scene| {
        let job: &mut JobView = scene.jobs.get_mut(&1).expect("a job");
        job.phase = Phase::Running.into();
        job.progress = Some(Progress {
            step,
            steps: 3,
            loss: Some(4.0 - step as f64),
            eval_loss: Some(0.5),
            baseline_loss: Some(3.4),
            ..Progress::default()
        });
    });
}

#[test]
fn wait_ends_as_the_first_job_that_did_not_succeed() {
    let fake = Fake::start();
    fake.change(|scene| {
        for _ in 0..3 {
            scene.add("desk", Phase::Running);
        }
        scene.end(1, "succeeded", 0);
        scene.end(3, "failed", 1);
    });
    let waiting = fake.begin(&["wait", "1", "2", "3"]);
    fake.change(|scene| scene.end(2, "failed", 76));
    let ended = waiting.end();
    assert_eq!(ended.code, Some(76), "{}", ended.stderr);
    assert_eq!(
        ended.stdout,
        "job 1 desk: it succeeded\njob 2 desk: it failed\njob 3 desk: it failed\n"
    );
    let as_json = fake.play(&["wait", "1", "--json"]);
    assert_eq!((as_json.code, as_json.stdout.lines().count()), (Some(0), 1));
}

#[test]
fn wait_gives_up_and_says_how_it_stands() {
    let fake = Fake::start();
    fake.change(|scene| scene.add("desk", Phase::Running));
    let ended = fake.play(&["wait", "1", "--timeout", "1s"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(5), ""));
    insta::assert_snapshot!(ended.stderr, @r"
    error: gave up waiting after 1.0s
    caused by: job 1 desk: running: so it is
    ");
}

#[test]
fn a_job_is_followed_to_its_end_through_a_crash_of_the_coordinator() {
    let (mut fake, folder) = (Fake::start(), JobFolder::with(""));
    let mut following = follow(&fake, &folder, &["--wait", "-f"]);
    following.wait_for("job 1 desk: queued: so it is");
    fake.change(|scene| scene.say(0, "loading\u{1b}[2J"));
    following.wait_for("14:05:10 rank 0  loading\u{fffd}[2J");
    step(&fake, 1);
    following.wait_for("step 1/3  loss 3.0000");
    fake.crash();
    following.wait_for("the coordinator does not answer");
    fake.change(|scene| scene.say(1, "while it was away"));
    fake.serve();
    following.wait_for("rank 1  while it was away");
    step(&fake, 3);
    following.wait_for("step 3/3  loss 1.0000");
    fake.change(|scene| {
        scene.end(1, "succeeded", 0);
        let job = scene.jobs.get_mut(&1).expect("a job");
        job.out = "/data/runs/desk".into();
        (job.started_ms, job.ended_ms) = (1_000, 246_000);
    });
    let ended = following.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(
        ended.stderr.matches("loading").count(),
        1,
        "{}",
        ended.stderr
    );
    insta::assert_snapshot!(ended.stdout);
}

#[test]
fn a_log_that_breaks_off_alone_is_followed_on_and_to_its_last_line() {
    let (fake, folder) = (Fake::start(), JobFolder::with(""));
    fake.change(|scene| scene.logs_to_break = 2);
    let mut following = follow(&fake, &folder, &["--wait", "-f"]);
    following.wait_for("job 1 desk: queued: so it is");
    fake.change(|scene| scene.say(0, "one"));
    following.wait_for("rank 0  one");
    fake.change(|scene| scene.say(0, "two"));
    following.wait_for("rank 0  two");
    fake.change(|scene| {
        scene.say(0, "three");
        scene.end(1, "succeeded", 0);
    });
    let ended = following.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for words in ["rank 0  one", "rank 0  two", "rank 0  three"] {
        assert_eq!(ended.stderr.matches(words).count(), 1, "{}", ended.stderr);
    }
    assert!(
        !ended.stderr.contains("does not answer"),
        "{}",
        ended.stderr
    );
}

#[test]
fn the_result_in_the_folder_is_shown_as_run_shows_it() {
    let (fake, folder) = (Fake::start(), JobFolder::with(""));
    let result = r#"{"steps": 3, "tokens": 192, "final": {"loss": 0.5}, "adapter": "out/adapter"}"#;
    std::fs::write(folder.path("summary.json"), result).expect("written");
    let mut following = follow(&fake, &folder, &["--wait"]);
    following.wait_for("job 1 desk: queued");
    fake.change(|scene| {
        scene.end(1, "succeeded", 0);
        let job = scene.jobs.get_mut(&1).expect("a job");
        job.out = folder.path("").display().to_string();
    });
    let ended = following.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for line in ["tokens   192", "adapter  out/adapter"] {
        assert!(
            ended.stdout.lines().any(|own| own == line),
            "{}",
            ended.stdout
        );
    }
}

#[test]
fn a_job_that_fails_fails_who_waits_for_it() {
    let (fake, folder) = (Fake::start(), JobFolder::with(""));
    let mut following = follow(&fake, &folder, &["--wait", "--json"]);
    following.wait_for("job 1 desk: queued");
    fake.change(|scene| scene.end(1, "failed", 1));
    let ended = following.end();
    assert_eq!(ended.code, Some(1));
    assert!(
        ended
            .stderr
            .ends_with("error: job 1 desk: it failed\nhint: wait a little"),
        "{}",
        ended.stderr
    );
    let view: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(view["outcome"], "failed");
}

#[test]
fn ctrl_c_leaves_the_job_running() {
    let (fake, folder) = (Fake::start(), JobFolder::with(""));
    let mut following = follow(&fake, &folder, &["--wait", "-f"]);
    // The log is asked for after the signal is waited for.
    fake.change(|scene| scene.say(0, "loading"));
    following.wait_for("loading");
    following.signal_group(Signal::INT);
    let ended = following.end();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(130), ""));
    let told = "error: interrupted while waiting; job 1 goes on\n\
        hint: 'schliff wait 1' waits again, 'schliff cancel 1' ends it";
    assert!(ended.stderr.ends_with(told), "{}", ended.stderr);
    let scene = fake.scene();
    assert!(scene.cancelled.is_empty());
    assert_eq!(scene.jobs[&1].phase(), Phase::Queued);
}
