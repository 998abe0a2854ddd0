//! A job that is longer than the wall-time cap: link after link, with and without its coordinator.
//!
//! What Slurm sends before the wall time is over is sent by the test itself: its grain is a minute.

use schliff_tests::running::wait_until;

use crate::scene::Scene;
use crate::site::{dev, slurm, state_of};

/// More links than are needed.
const WORK: [&str; 2] = ["--set", "resources.time=10min"];

/// What Slurm does some time before a job's wall time is over.
#[track_caller]
fn end_link(id: u32) {
    let told = slurm(&["scancel", "--batch", "--signal=USR1", &id.to_string()]);
    assert_eq!(told.code, Some(0), "{}", told.stderr);
}

#[test]
fn a_job_goes_on_in_its_place_past_the_cap_even_while_nobody_coordinates() {
    let Some(dev) = dev() else { return };
    let more = "may_start_now = true\nsignal_before = \"30s\"\n---\n[limits]\nmax_time = \"2min\"\n";
    let mut scene = Scene::begin(dev, more, &WORK);
    let id = scene.site.running();
    end_link(id);
    scene.goes_on_after_start(2);
    scene.site.serving.kill();
    end_link(id);
    let waits = || state_of(id) == "PENDING";
    wait_until(|| format!("a job that waits: {}", state_of(id)), waits);
    // Nobody else is there to spare it the two minutes.
    slurm(&["scontrol", "update", &format!("JobId={id}"), "StartTime=now+2"]);
    scene.is_started(3);
    scene.site.serving.start_again();
    scene.ends_right(1);
}

#[test]
fn a_job_goes_on_in_the_jobs_that_wait_for_it_even_while_nobody_coordinates() {
    let Some(dev) = dev() else { return };
    let more = "chain = \"successors\"\nsignal_before = \"30s\"\n---\n[limits]\nmax_time = \"2min\"\n";
    let mut scene = Scene::begin(dev, more, &WORK);
    let queued = || scene.site.jobs().len();
    wait_until(|| format!("the whole chain: {}", queued()), || queued() == 6);
    let first = scene.site.running();
    end_link(first);
    scene.goes_on_after_start(2);
    let second = scene.site.running();
    assert_ne!(first, second);
    scene.site.serving.kill();
    end_link(second);
    scene.is_started(3);
    scene.site.serving.start_again();
    scene.ends_right(1);
    let left = || scene.site.jobs();
    wait_until(|| format!("an empty queue: {:?}", left()), || left().is_empty());
}
