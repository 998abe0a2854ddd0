//! The link of a node is cut while its processes work on: Slurm takes the node for lost and starts the
//! job again elsewhere, where it goes on; the run that was cut off ends by itself.
//!
//! The cluster is one of `slurm/dev/slurm up --netns`, which `make test` and `make test-slurm` bring up
//! besides the usual one.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use schliff_tests::desk::Desk;
use schliff_tests::ranks::{tiny_desk, train};
use schliff_tests::running::{wait_until, wait_within};
use serde_json::Value;

use crate::nodes::{Mend, TAKEN_BACK};
use crate::scene::{Plain, Scene, plain, trained, why};
use crate::site::{Dev, Way, dev, order, slurm};

/// Slurm must notice the loss, and start the job again, before the run that is cut off comes to its end.
const WORK: Duration = Duration::from_secs(60);
/// Steps of the run that tells how fast this machine is.
const TRIAL: usize = 200;
/// The job needs so long at most, beside much else.
const PATIENCE: Duration = Duration::from_secs(1_200);
/// Its checkpoints are not so many that nobody can read what is told of it.
const SELDOM: [&str; 2] = ["--set", "checkpoint.every_steps=100"];
/// Of nodes with networks of their own.
const LAUNCH: &str = "[launch]\ninterface = \"eth0\"\n";

/// The cluster, if its links can be cut.
fn cut() -> Option<Dev> {
    let dev = dev()?;
    if host() == "127.0.0.1" {
        eprintln!("SKIPPED: the nodes of this cluster have no links (slurm/dev/slurm up --netns)");
        return None;
    }
    // What one test cuts may be what another one works on.
    Some(dev.alone())
}

/// The machine's address, as nodes see it.
fn host() -> String {
    std::env::var("SCHLIFF_SLURM_HOST_ADDR").expect("an address")
}

/// A desk whose job takes long enough, and what it comes to; found once.
fn long_desk() -> (Desk, Plain) {
    static FOUND: OnceLock<(usize, Plain)> = OnceLock::new();
    let (steps, plain) = FOUND.get_or_init(|| {
        let trial = tiny_desk(TRIAL);
        train(&trial, "1");
        let seconds = trained(&trial, "out-1").as_secs_f64();
        let steps = (TRIAL as f64 * WORK.as_secs_f64() / seconds) as usize;
        (steps, plain(&tiny_desk(steps)))
    });
    (tiny_desk(*steps), plain.clone())
}

/// A certificate for the machine's address, and the key to it.
fn certify(desk: &Desk) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![host()]).expect("an address");
    let certificate = params.self_signed(&key).expect("a certificate");
    desk.file("key.pem", &key.serialize_pem());
    desk.file("ca.pem", &certificate.pem());
}

/// One field of a running job, in a letter of `squeue -o`.
fn of_job(id: u32, letter: &str) -> String {
    let told = slurm(&["squeue", "-h", "-j", &id.to_string(), "-o", letter]);
    told.stdout.trim().to_owned()
}

/// The lines of `starts` in an attempt's folder.
fn starts(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("starts")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Agents of a start that live, wherever they are: each was told its line.
fn agents(folder: &Path, start: &str) -> usize {
    let folder = folder.display().to_string();
    let all = fs::read_dir("/proc").expect("processes").flatten();
    let told = all.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    let is_of = |told: &Vec<u8>| {
        let told = String::from_utf8_lossy(told);
        let mut words = told.split('\0');
        let is_agent = words.nth(1) == Some("agent");
        is_agent && told.contains(&folder) && words.any(|word| word == start)
    };
    told.filter(is_of).count()
}

/// Cuts a node off the job's, and follows the job to its end and beyond the return of the node, once the
/// coordinator tells of it; gives what the two runs printed.
fn goes_on_without(scene: &Scene, node: &str, is_told: impl Fn(&Value) -> bool) -> String {
    let folder = scene.folder();
    let first = starts(&folder).remove(0);
    let mend = Mend(|| drop(order(&["heal", node])));
    order(&["partition-node", node]);
    scene.site.serving.wait_for(scene.job, is_told);
    scene.is_started(2);
    let left = || agents(&folder, &first);
    wait_until(
        || format!("the end of {} agents that are cut off", left()),
        || left() == 0,
    );
    let log = fs::read_to_string(folder.join("log")).expect("a log");
    let serving = &scene.site.serving;
    // The folder goes with the attempt's end.
    let is_over = || serving.status(scene.job)["phase"] == "done";
    wait_within(PATIENCE, || "the end of the job".to_owned(), is_over);
    let status = scene.ends_right(1);
    drop(mend);
    let state = || slurm(&["sinfo", "-h", "-n", node, "-o", "%T"]).stdout;
    let is_back = || state().lines().any(|state| state.trim() == "idle");
    wait_until(|| format!("the return of {node}: {}", state()), is_back);
    assert!(scene.site.jobs().is_empty(), "something waits or runs");
    assert_eq!(scene.ends_right(1)["attempts"], status["attempts"]);
    log
}

#[test]
fn a_node_that_is_cut_off_ends_by_itself_and_the_job_goes_on_elsewhere() {
    let Some(dev) = cut() else { return };
    let (desk, plain) = long_desk();
    certify(&desk);
    let profile = dev.profile(&desk, Way::Command, &format!("---\n{LAUNCH}"));
    let path = |name: &str| desk.path(name).display().to_string();
    let (ca, key) = (path("ca.pem"), path("key.pem"));
    let listen = format!("{}:0", host());
    let mut args = vec!["--listen", &listen, "--tls-key", &key];
    args.extend(["--tls-cert", &ca, "--tls-ca", &ca]);
    let site = dev.serve_at(desk, &profile, &args, &[]);
    let scene = Scene::begin_at(site, plain, &SELDOM);
    let node = of_job(scene.site.running(), "%N");
    let log = goes_on_without(&scene, &node, |status| why(status).contains(TAKEN_BACK));
    assert!(log.contains("the job was started again elsewhere"), "{log}");
}

#[test]
fn two_nodes_that_reach_nobody_go_on_when_one_of_them_is_cut_off() {
    let Some(dev) = cut() else { return };
    let (desk, plain) = long_desk();
    let more = format!("reports = \"spool\"\n---\n{LAUNCH}");
    let site = dev.serve(desk, Way::Command, &more);
    let args = [&SELDOM[..], &["--set", "resources.nodes=2"]].concat();
    let scene = Scene::begin_at(site, plain, &args);
    let id = scene.site.running();
    let all = slurm(&["scontrol", "show", "hostnames", &of_job(id, "%N")]).stdout;
    let leads = of_job(id, "%B");
    let other = all.lines().find(|node| *node != leads).expect("two nodes");
    // The last news of the first run are so fresh that its return to the queue may be over when it is
    // believed; that it runs elsewhere is told in any case.
    let is_told = |status: &Value| {
        let nodes = status["attempts"][0]["nodes"].as_array();
        nodes.is_some_and(|nodes| !nodes.is_empty() && nodes.iter().all(|node| node != other))
    };
    goes_on_without(&scene, other, is_told);
}
