//! Nodes that reach nobody: their reports and checkpoints come over shared storage, and checkpoints go
//! to them that way, too.

use std::fs;

use schliff_tests::desk::{Desk, Ended, end_of};
use schliff_tests::ranks::adapter;
use schliff_tests::running::{Running, signal, wait_until};
use schliff_tests::weed::Weed;
use serde_json::Value;

use crate::scene::{Scene, why};
use crate::site::{Dev, Way, dev};

/// What the profile says, besides.
const SPOOL: &str = "reports = \"spool\"\n";
/// Enough to be stopped long before the end.
const STEPS: usize = 1_500;

/// Waits until no attempt has a folder any more.
#[track_caller]
fn leaves_no_folder(scene: &Scene) {
    let left = || {
        let entries = fs::read_dir(scene.site.shared()).into_iter().flatten();
        let names = entries.flatten().map(|entry| entry.file_name());
        let names = names.filter_map(|name| name.into_string().ok());
        names
            .filter(|name| name.starts_with("schliff-"))
            .collect::<Vec<_>>()
    };
    wait_until(|| format!("no folder: {:?}", left()), || left().is_empty());
}

/// Steps come while it trains, and at its end all are there.
fn is_told_of_as_if_nodes_reached_it(way: Way) {
    let Some(dev) = dev() else { return };
    let scene = Scene::begin_as(dev, &[], |desk| dev.profile(desk, way, SPOOL));
    let status = scene.site.serving.status(scene.job);
    assert_eq!(status["outcome"], "", "it trains yet: {status:#}");
    scene.ends_right(1);
    scene.is_told_whole();
    leaves_no_folder(&scene);
}

#[test]
fn a_mounted_folder_is_relayed() {
    is_told_of_as_if_nodes_reached_it(Way::Command);
}

#[test]
fn a_folder_behind_ssh_is_relayed() {
    is_told_of_as_if_nodes_reached_it(Way::Ssh);
}

#[test]
fn a_coordinator_that_dies_twice_has_all_of_it_once() {
    let Some(dev) = dev() else { return };
    let profile = |desk: &Desk| dev.profile(desk, Way::Ssh, SPOOL);
    let mut scene = Scene::begin_as(dev, &[], profile);
    for step in [60, 120] {
        scene.site.serving.kill();
        scene.site.serving.start_again();
        scene.site.at_step(scene.job, step);
    }
    scene.ends_right(1);
    scene.is_told_whole();
    leaves_no_folder(&scene);
}

/// `schliff relay`, not yet started.
fn relay(scene: &Scene, args: &[&str]) -> std::process::Command {
    let (url, _) = scene.site.serving.url.split_once("/login").expect("a URL");
    let shared = scene.site.shared();
    let shared = shared.to_str().expect("UTF-8");
    let all = ["relay", "--folder", shared, "--coordinator", url];
    scene.site.serving.command(&[&all, args].concat())
}

#[test]
fn a_relay_on_the_login_node_ships_beside_a_coordinator() {
    let Some(dev) = dev() else { return };
    let mut scene = Scene::begin_as(dev, &[], |desk| dev.profile(desk, Way::Command, SPOOL));
    let beside = Running::start(relay(&scene, &[]));
    scene.site.at_step(scene.job, 60);
    scene.site.serving.kill();
    let nobody = end_of(relay(&scene, &["--once"]));
    assert_eq!(nobody.code, Some(3), "{}", nobody.stderr);
    scene.site.serving.start_again();
    scene.site.at_step(scene.job, 120);
    signal("-KILL", beside.id());
    drop(beside);
    let once = end_of(relay(&scene, &["--once"]));
    assert_eq!(once.code, Some(0), "{}", once.stderr);
    scene.ends_right(1);
    scene.is_told_whole();
}

/// An S3 server that only whoever is told of it can enter, and a prefix on it.
struct Far {
    weed: Weed,
    uri: String,
}

impl Far {
    fn start() -> Option<Self> {
        let weed = Weed::start()?;
        let uri = weed.prefix();
        Some(Self { weed, uri })
    }

    /// Begins a job whose checkpoints are to go there. Its nodes have no account, and find nobody.
    fn begin(&self, dev: Dev, way: Way) -> Scene {
        let settings = self.weed.settings();
        let env: Vec<_> = settings.iter().map(|(name, it)| (*name, &**it)).collect();
        let uri = format!("checkpoint.uri={}", self.uri);
        Scene::begin_with(dev, &["--set", &uri], (STEPS, &env), |desk| {
            let noted = desk.path("environment-of-nodes").display().to_string();
            let launch = format!(
                "{SPOOL}---\n[launch]\ninterface = \"lo\"\nsetup = [\"env >>{noted}\"]\n\
                 environment = {{ AWS_ENDPOINT_URL = \"http://127.0.0.1:9\" }}\n"
            );
            dev.profile(desk, way, &launch)
        })
    }

    /// A verb of somebody who has an account.
    fn schliff(&self, scene: &Scene, args: &[&str]) -> Ended {
        let mut command = scene.site.serving.command(args);
        command.envs(self.weed.settings());
        end_of(command)
    }

    /// Waits until the store has a checkpoint of at least this step; gives the newest one's.
    #[track_caller]
    fn holds(&self, scene: &Scene, step: u64) -> u64 {
        let list = || self.schliff(scene, &["checkpoints", &self.uri, "--verify", "--json"]);
        let newest = || {
            let listed: Value = serde_json::from_str(&list().stdout).unwrap_or_default();
            listed["resume"].as_u64().unwrap_or(0)
        };
        wait_until(
            || format!("step {step} in the store: {:?}", list()),
            || newest() >= step,
        );
        newest()
    }
}

/// Nodes knew of no account.
#[track_caller]
fn nodes_had_no_account(scene: &Scene) {
    let noted = scene.site.serving.desk.path("environment-of-nodes");
    let noted = fs::read_to_string(noted).expect("what nodes saw");
    assert!(noted.contains("AWS_ENDPOINT_URL=http://127.0.0.1:9"));
    assert!(!noted.contains("AWS_SECRET_ACCESS_KEY"), "{noted}");
}

/// Cancels the job in the middle; gives the step that it has committed last.
#[track_caller]
fn cancelled(scene: &Scene) -> u64 {
    let serving = &scene.site.serving;
    let ended = serving.schliff(&["cancel", &scene.job.to_string()]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(serving.outcome(scene.job), "cancelled");
    let status = serving.status(scene.job);
    let committed = status["attempts"][0]["committed"].as_u64();
    committed.unwrap_or_else(|| panic!("{status:#}"))
}

/// Checkpoints reach the store, and a run on this machine goes on from them.
fn checkpoints_reach_their_store(way: Way) {
    let Some(dev) = dev() else { return };
    let Some(far) = Far::start() else { return };
    let mut scene = far.begin(dev, way);
    let committed = cancelled(&scene);
    nodes_had_no_account(&scene);
    // Also what was committed last, while nobody was there to ship it.
    scene.site.serving.kill();
    scene.site.serving.start_again();
    assert_eq!(far.holds(&scene, committed), committed);
    let args = ["run", "job.toml", "--resume", &far.uri, "--out", "here"];
    let ended = far.schliff(&scene, &args);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let desk = &scene.site.serving.desk;
    assert!(
        adapter(desk, "here") == scene.plain_adapter(),
        "other bytes"
    );
}

#[test]
fn checkpoints_of_a_mounted_folder_reach_their_store() {
    checkpoints_reach_their_store(Way::Command);
}

#[test]
fn checkpoints_behind_ssh_reach_their_store() {
    checkpoints_reach_their_store(Way::Ssh);
}

/// A cluster that has never seen a job's checkpoints gets them before it gets the job.
fn checkpoints_are_brought_to_a_cluster(way: Way) {
    let Some(dev) = dev() else { return };
    let Some(mut far) = Far::start() else { return };
    let scene = far.begin(dev, way);
    let serving = &scene.site.serving;
    let committed = cancelled(&scene);
    far.holds(&scene, committed);
    // As on a cluster where it has never been.
    leaves_no_folder(&scene);
    fs::remove_dir_all(scene.site.shared().join("checkpoints")).expect("a disk");
    fs::remove_dir_all(serving.desk.path("out")).expect("a disk");
    far.weed.kill();
    let retried = serving.schliff(&["retry", &scene.job.to_string(), "--json"]);
    let again = retried.json()["id"].as_u64().expect("a number");
    let says = |status: &Value| why(status).contains(&far.uri);
    serving.wait_for(again, says);
    assert!(scene.site.jobs().is_empty(), "it was not submitted");
    far.weed.run();
    assert_eq!(serving.outcome(again), "succeeded");
    let status = serving.status(again);
    let resumed = &status["attempts"][0]["resumed_from"];
    assert_eq!(resumed.as_u64(), Some(committed), "{status:#}");
    let bytes = adapter(&serving.desk, "out");
    assert!(bytes == scene.plain_adapter(), "other bytes");
}

#[test]
fn checkpoints_are_brought_to_a_mounted_folder() {
    checkpoints_are_brought_to_a_cluster(Way::Command);
}

#[test]
fn checkpoints_are_brought_over_ssh() {
    checkpoints_are_brought_to_a_cluster(Way::Ssh);
}
