//! kill -9 of everybody, at any moment: the job ends right, once, with the same bytes.

use std::path::Path;

use schliff_tests::ranks::{adapter, tiny_desk, train};
use schliff_tests::running::{signal, wait_until};
use schliff_tests::serving::Serving;
use serde_json::Value;

const STEPS: usize = 400;
/// Enough to be still at work when it hears that it is cancelled.
const MANY_STEPS: usize = 2_000;

/// A job under a coordinator, and the bytes that an undisturbed run gives.
struct Scene {
    serving: Serving,
    job: u64,
    plain: Vec<u8>,
}

impl Scene {
    fn begin(steps: usize) -> Self {
        let desk = tiny_desk(steps);
        let plain = train(&desk, "1");
        let serving = Serving::start(desk);
        let job = serving.submit(&["job.toml", "--out", "out"]);
        Self {
            serving,
            job,
            plain,
        }
    }

    /// Waits until a checkpoint is safe.
    fn wait_for_checkpoint(&self) {
        let is_safe = |status: &Value| committed(status) >= 5;
        self.serving.wait_for(self.job, is_safe);
    }

    /// The job came to its end in so many attempts; gives it.
    #[track_caller]
    fn ends_right(&self, attempts: usize) -> Value {
        assert_eq!(self.serving.outcome(self.job), "succeeded");
        assert_eq!(adapter(&self.serving.desk, "out"), self.plain);
        let status = self.serving.status(self.job);
        let had = status["attempts"].as_array().map(Vec::len);
        assert_eq!(had, Some(attempts), "{status:#}");
        status
    }
}

fn step(status: &Value) -> u64 {
    status["progress"]["step"].as_u64().unwrap_or(0)
}

fn committed(status: &Value) -> u64 {
    let of = |attempt: &Value| attempt["committed"].as_u64();
    let attempts = status["attempts"].as_array();
    attempts
        .and_then(|all| all.iter().rev().find_map(of))
        .unwrap_or(0)
}

#[test]
fn a_killed_coordinator_goes_on_with_the_running_job() {
    let mut scene = Scene::begin(STEPS);
    for at in [1, 100, 200] {
        scene
            .serving
            .wait_for(scene.job, |status| step(status) >= at);
        scene.serving.kill();
        scene.serving.start_again();
    }
    let status = scene.ends_right(1);
    assert_eq!(
        step(&status),
        STEPS as u64,
        "what was told meanwhile arrived"
    );
}

#[test]
fn a_job_that_ends_while_nobody_coordinates_is_found_ended() {
    let mut scene = Scene::begin(40);
    scene
        .serving
        .wait_for(scene.job, |status| step(status) >= 1);
    scene.serving.kill();
    let agents = scene.serving.agents();
    assert_eq!(agents.len(), 1);
    let gone = || !Path::new(&format!("/proc/{}", agents[0])).exists();
    wait_until(|| "the agent's end".into(), gone);
    scene.serving.start_again();
    scene.ends_right(1);
}

#[test]
fn a_killed_agent_is_followed_by_the_next_attempt() {
    let scene = Scene::begin(STEPS);
    scene.wait_for_checkpoint();
    for agent in scene.serving.agents() {
        assert!(signal("-KILL", agent));
    }
    let status = scene.ends_right(2);
    let resumed = status["attempts"][1]["resumed_from"].as_u64();
    assert!(resumed >= Some(5), "{status:#}");
}

#[test]
fn a_killed_rank_is_started_again_within_the_attempt() {
    let scene = Scene::begin(STEPS);
    scene.wait_for_checkpoint();
    let trainers = scene.serving.trainers();
    assert_eq!(trainers.len(), 1);
    assert!(signal("-KILL", trainers[0]));
    scene.ends_right(1);
}

#[test]
fn a_cancelled_job_keeps_a_checkpoint_and_a_retry_goes_on_from_it() {
    let mut scene = Scene::begin(MANY_STEPS);
    scene.wait_for_checkpoint();
    let job = scene.job.to_string();
    let ended = scene.serving.schliff(&["cancel", &job, "--why", "a look"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(scene.serving.outcome(scene.job), "cancelled");
    let retried = scene.serving.schliff(&["retry", "--json", &job]).json();
    assert_eq!(retried["retry_of"], scene.job);
    scene.job = retried["id"].as_u64().expect("a job");
    scene.ends_right(1);
    assert!(scene.serving.agents().is_empty(), "nothing is left");
}
