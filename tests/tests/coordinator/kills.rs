//! kill -9 of everybody, at any moment: the job ends right, once, with the same bytes.

use schliff_tests::ranks::{adapter, tiny_desk, train};
use schliff_tests::running::signal;
use schliff_tests::serving::Serving;
use serde_json::Value;

const STEPS: usize = 400;

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
    let desk = tiny_desk(STEPS);
    let plain = train(&desk, "1");
    let mut serving = Serving::start(desk);
    let job = serving.submit(&["job.toml", "--out", "out"]);
    for at in [1, 100, 200] {
        serving.wait_for(job, |status| step(status) >= at);
        serving.kill();
        serving.start_again();
    }
    assert_eq!(serving.outcome(job), "succeeded");
    assert_eq!(adapter(&serving.desk, "out"), plain);
    let status = serving.status(job);
    assert_eq!(
        status["attempts"].as_array().map(Vec::len),
        Some(1),
        "{status:#}"
    );
    assert_eq!(
        step(&status),
        STEPS as u64,
        "what was told meanwhile arrived"
    );
}

#[test]
fn a_job_that_ends_while_nobody_coordinates_is_found_ended() {
    let desk = tiny_desk(40);
    let plain = train(&desk, "1");
    let mut serving = Serving::start(desk);
    let job = serving.submit(&["job.toml", "--out", "out"]);
    serving.wait_for(job, |status| step(status) >= 1);
    serving.kill();
    let agents = serving.agents();
    assert_eq!(agents.len(), 1);
    let gone = || !std::path::Path::new(&format!("/proc/{}", agents[0])).exists();
    schliff_tests::running::wait_until("the agent's end", gone);
    serving.start_again();
    assert_eq!(serving.outcome(job), "succeeded");
    assert_eq!(adapter(&serving.desk, "out"), plain);
}

#[test]
fn a_killed_agent_is_followed_by_the_next_attempt() {
    let desk = tiny_desk(STEPS);
    let plain = train(&desk, "1");
    let serving = Serving::start(desk);
    let job = serving.submit(&["job.toml", "--out", "out"]);
    serving.wait_for(job, |status| committed(status) >= 5);
    for agent in serving.agents() {
        assert!(signal("-KILL", agent));
    }
    assert_eq!(serving.outcome(job), "succeeded");
    assert_eq!(adapter(&serving.desk, "out"), plain);
    let status = serving.status(job);
    assert_eq!(
        status["attempts"].as_array().map(Vec::len),
        Some(2),
        "{status:#}"
    );
    assert!(
        status["attempts"][1]["resumed_from"].as_u64() >= Some(5),
        "{status:#}"
    );
}

#[test]
fn a_killed_rank_is_started_again_within_the_attempt() {
    let desk = tiny_desk(STEPS);
    let plain = train(&desk, "2");
    let serving = Serving::start(desk);
    let ranks = [
        "--set",
        "resources.nodes=1",
        "--set",
        "resources.gpus_per_node=0",
    ];
    let mut args = vec!["job.toml", "--out", "out"];
    args.extend(ranks);
    let job = serving.submit(&args);
    serving.wait_for(job, |status| committed(status) >= 5);
    let trainers = serving.trainers();
    assert!(!trainers.is_empty());
    assert!(signal("-KILL", trainers[0]));
    assert_eq!(serving.outcome(job), "succeeded");
    assert_eq!(adapter(&serving.desk, "out"), plain);
    let status = serving.status(job);
    assert_eq!(
        status["attempts"].as_array().map(Vec::len),
        Some(1),
        "{status:#}"
    );
}

#[test]
fn a_cancelled_job_keeps_a_checkpoint_and_a_retry_goes_on_from_it() {
    let desk = tiny_desk(STEPS);
    let plain = train(&desk, "1");
    let serving = Serving::start(desk);
    let job = serving.submit(&["job.toml", "--out", "out"]);
    serving.wait_for(job, |status| committed(status) >= 5);
    let ended = serving.schliff(&["cancel", &job.to_string(), "--why", "a look"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(serving.outcome(job), "cancelled");
    let retried = serving
        .schliff(&["retry", "--json", &job.to_string()])
        .json();
    let next = retried["id"].as_u64().expect("a job");
    assert_eq!(retried["retry_of"], job);
    assert_eq!(serving.outcome(next), "succeeded");
    assert_eq!(adapter(&serving.desk, "out"), plain);
    assert!(serving.agents().is_empty(), "nothing is left");
}
