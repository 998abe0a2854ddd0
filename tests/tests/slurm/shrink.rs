//! A node dies where the site lets jobs live on: a job that can do with fewer goes on with those that are
//! left, and any other starts again as a whole.

use crate::scene::{Scene, why};
use crate::site::{dev, order, slurm, state_of};

/// Such a site.
const LIVES_ON: &str = "no_kill = true\nmay_start_now = true\n";

/// A job that runs on two nodes, and what was taken from it.
struct Pair {
    scene: Scene,
    id: u32,
    nodes: Vec<String>,
}

impl Pair {
    fn begin(min_nodes: &str) -> Option<Self> {
        let least = format!("resources.min_nodes={min_nodes}");
        let more = ["--set", "resources.nodes=2", "--set", &least];
        let scene = Scene::begin(dev()?.alone(), LIVES_ON, &more);
        let id = scene.site.running();
        let nodes = slurm(&["squeue", "-h", "-j", &id.to_string(), "-o", "%N"]).stdout;
        let nodes = slurm(&["scontrol", "show", "hostnames", nodes.trim()]).stdout;
        let nodes: Vec<_> = nodes.lines().map(str::to_owned).collect();
        assert_eq!(nodes.len(), 2, "{nodes:?}");
        Some(Self { scene, id, nodes })
    }

    /// A node of it is dead for as long as what this gives lives.
    fn kill(&self, at: usize) -> Dead {
        let node = self.nodes[at].clone();
        order(&["node-kill", &node]);
        Dead(node)
    }

    /// What the coordinator tells of the job by these words.
    fn told(&self, verb: &str) -> String {
        let job = self.scene.job.to_string();
        self.scene.site.serving.schliff(&[verb, &job]).stdout
    }

    /// How often Slurm has put its job back.
    fn is_restarted(&self, times: u32) -> bool {
        let told = slurm(&["scontrol", "-o", "show", "job", &self.id.to_string()]).stdout;
        told.contains(&format!(" Restarts={times} "))
    }
}

/// Others find the node alive.
struct Dead(String);

impl Drop for Dead {
    fn drop(&mut self) {
        drop(order(&["node-start", &self.0]));
    }
}

#[test]
fn a_job_that_can_do_with_fewer_nodes_goes_on_without_the_one_that_dies() {
    let Some(pair) = Pair::begin("1") else { return };
    let dead = pair.kill(1);
    let words = format!("goes on with 1 of 2 nodes; {} is gone", pair.nodes[1]);
    pair.scene.says(&words);
    assert!(
        pair.told("explain").contains(&words),
        "{}",
        pair.told("explain")
    );
    assert_eq!(state_of(pair.id), "RUNNING");
    let status = pair.scene.ends_right(1);
    let attempt = &status["attempts"][0];
    assert_eq!(attempt["allocation"], pair.id.to_string(), "{status:#}");
    assert!(pair.is_restarted(0), "it was put back");
    let logs = pair.told("logs");
    let told = "node 1 is gone; going on with 1 of 2 nodes";
    assert!(logs.contains(told), "{logs}");
    let nodes = pair.scene.site.serving.schliff(&["nodes", "--json"]).json();
    let is_dead = |node: &&serde_json::Value| node["name"] == dead.0.as_str();
    let struck = nodes["nodes"]
        .as_array()
        .and_then(|nodes| nodes.iter().find(is_dead));
    assert_eq!(
        struck.map(|node| &node["strikes"]),
        Some(&1.into()),
        "{nodes:#}"
    );
}

#[test]
fn a_job_that_needs_all_its_nodes_starts_again_as_a_whole() {
    let Some(pair) = Pair::begin("2") else { return };
    let _dead = pair.kill(1);
    pair.scene.ends_right(1);
    assert!(
        pair.is_restarted(1),
        "it was not put back, or again and again"
    );
    let logs = pair.told("logs");
    assert!(!logs.contains("going on with"), "{logs}");
}

#[test]
fn without_the_node_that_leads_the_next_attempt_goes_on() {
    let Some(pair) = Pair::begin("1") else { return };
    let _dead = pair.kill(0);
    let ended = |status: &serde_json::Value| !status["attempts"][0]["ending"].is_null();
    let status = pair.scene.site.serving.wait_for(pair.scene.job, ended);
    let ending = &status["attempts"][0]["ending"];
    assert_eq!(ending["code"], "nodes-lost", "{status:#}");
    let words = format!("failed: {}", pair.nodes[0]);
    assert_eq!(ending["text"], words.as_str(), "{}", why(&status));
    assert_eq!(state_of(pair.id), "", "it waits for nothing");
    pair.scene.ends_right(2);
}
