//! Nodes are taken away, die, or are kept for others: the job goes on, and says meanwhile why not.

use schliff_tests::running::wait_until;

use crate::scene::{Scene, why};
use crate::site::{dev, order, slurm, state_of};

/// Those who put a job back into the queue need not wait for two minutes here.
const AT_ONCE: &str = "may_start_now = true\n";

/// What a job says of itself whose nodes were taken away.
pub(crate) const TAKEN_BACK: &str = "was taken back into the queue of dev and waits to run again";

/// What is run when it is dropped, so that others find the cluster as it was.
pub(crate) struct Mend<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for Mend<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// The node of a job with one.
fn node_of(id: u32) -> String {
    let told = slurm(&["squeue", "-h", "-j", &id.to_string(), "-o", "%N"]);
    told.stdout.trim().to_owned()
}

#[test]
fn a_preempted_job_waits_for_its_nodes_and_goes_on() {
    let Some(dev) = dev() else { return };
    let scene = Scene::begin(dev.alone(), AT_ONCE, &[]);
    let id = scene.site.running();
    let urgent = [
        "sbatch",
        "--parsable",
        "-p",
        "urgent",
        "-A",
        "dev",
        "-N4",
        "--exclusive",
        "-t2",
        "-o",
        "/dev/null",
        "--wrap",
        "exec sleep 100",
    ];
    let urgent = slurm(&urgent);
    assert_eq!(urgent.code, Some(0), "{}", urgent.stderr);
    let urgent = urgent.stdout.trim().to_owned();
    let _mend = Mend(|| drop(slurm(&["scancel", &urgent])));
    let begun = || state_of(urgent.parse().unwrap_or(0)) == "RUNNING";
    wait_until(
        || format!("nodes that are taken from {}", state_of(id)),
        begun,
    );
    scene.says(TAKEN_BACK);
    scene.says("waits for nodes to become free");
    let told = scene
        .site
        .serving
        .schliff(&["explain", &scene.job.to_string()]);
    assert!(told.stdout.contains(TAKEN_BACK), "{}", told.stdout);
    slurm(&["scancel", &urgent]);
    scene.ends_right(1);
}

#[test]
fn a_job_whose_node_dies_goes_on_elsewhere() {
    let Some(dev) = dev() else { return };
    let scene = Scene::begin(dev.alone(), AT_ONCE, &[]);
    let node = node_of(scene.site.running());
    let _mend = Mend(|| drop(order(&["node-start", &node])));
    order(&["node-kill", &node]);
    scene.says(TAKEN_BACK);
    scene.ends_right(1);
}

#[test]
fn a_drained_cluster_lets_the_running_job_end_and_tells_the_next_one_why_it_waits() {
    let Some(dev) = dev() else { return };
    let scene = Scene::begin(dev.alone(), AT_ONCE, &[]);
    let set = |state: &str| {
        let told = slurm(&[
            "scontrol",
            "update",
            "NodeName=n[1-4]",
            state,
            "Reason=repair",
        ]);
        assert_eq!(told.code, Some(0), "{}", told.stderr);
    };
    let _mend = Mend(|| {
        drop(slurm(&[
            "scontrol",
            "update",
            "NodeName=n[1-4]",
            "State=RESUME",
        ]))
    });
    set("State=DRAIN");
    let serving = &scene.site.serving;
    let next = [
        "job.toml",
        "--cluster",
        "dev",
        "--out",
        "next",
        "--set",
        "training.steps=4",
    ];
    let next = serving.submit(&next);
    serving.wait_for(next, |status| why(status).contains("drained"));
    scene.ends_right(1);
    set("State=RESUME");
    assert_eq!(serving.outcome(next), "succeeded");
}

#[test]
fn a_full_queue_is_told_as_whose_limit_it_is() {
    let Some(dev) = dev() else { return };
    let more = "---\n[ask]\naccount = \"dev\"\npartition = \"batch\"\nqos = \"capped\"\n";
    let scene = Scene::begin(dev.alone(), more, &["--set", "resources.time=5min"]);
    let serving = &scene.site.serving;
    let next = [
        "job.toml",
        "--cluster",
        "dev",
        "--out",
        "next",
        "--set",
        "training.steps=4",
        "--set",
        "resources.time=5min",
    ];
    let next = serving.submit(&next);
    serving.wait_for(next, |status| {
        why(status).contains("its QOS has as much in use as it may")
    });
    scene.ends_right(1);
    assert_eq!(serving.outcome(next), "succeeded");
}
