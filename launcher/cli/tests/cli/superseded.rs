//! `schliff agent` after which the job was started again elsewhere: it ends, and leaves no word.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use schliff_wire::v1::news::Body;

use crate::group::RANK;
use crate::reporting::Site;
use crate::stage::{Ended, Running, schliff};

const OWN: &str = "7 0 1700000000";
const LATER: &str = "7 1 1700000060";

/// The agent of a job with a coordinator, a file of starts and an exit file.
fn agent(site: &Site, place: &[&str], scene: &str) -> Command {
    fs::write(site.job.path("starts"), format!("{OWN}\n")).expect("a disk");
    let agent = ["agent", "job.toml", "--json"];
    let report = ["--coordinator", &site.url, "--token-file", "token"];
    let key = ["--job", "42", "--generation", "3", "--exit-file", "exit"];
    let starts = ["--starts", "starts", "--start", OWN];
    let all = [&agent[..], place, &report, &key, &starts].concat();
    let mut command = schliff(&all, scene);
    command.current_dir(site.job.path("")).env("BEFORE", RANK);
    command
}

fn start_elsewhere(site: &Site) {
    fs::write(site.job.path("starts"), format!("{OWN}\n{LATER}\n")).expect("a disk");
}

/// It says why it ended, and tells neither the coordinator nor the folder how.
#[track_caller]
fn assert_superseded(site: &Site, ended: &Ended) {
    assert_eq!(ended.code, Some(79), "{}", ended.stderr);
    let told = "the job was started again elsewhere";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    assert!(!site.job.path("exit").exists(), "it left an exit code");
    let bodies = &site.far.lock().bodies;
    let is_end = |body: &Body| matches!(body, Body::Ended(_));
    assert!(!bodies.iter().any(is_end), "it told of its end: {bodies:?}");
}

#[test]
fn ranks_at_work_end_at_once() {
    let site = Site::new();
    let one = ["--nodes", "1", "--ranks-per-node", "2"];
    let scene = r#"trap '' TERM; echo "pid $$" >&2; work 9 computing"#;
    let mut running = Running::start(agent(&site, &one, scene));
    let pids = [(); 2].map(|()| {
        let line = running.wait_for("pid ");
        let pid = line.rsplit(' ').next().and_then(|pid| pid.parse().ok());
        pid.and_then(Pid::from_raw).expect("a process number")
    });
    start_elsewhere(&site);
    assert_superseded(&site, &running.end());
    for pid in pids {
        assert!(kill_process(pid, Signal::CONT).is_err(), "a rank lives on");
    }
}

#[test]
fn a_lost_group_is_not_started_again() {
    let site = Site::new();
    let one = ["--nodes", "1", "--ranks-per-node", "1"];
    let scene = format!(
        r#": >"began.$generation"; beat 1 computing
        printf '{OWN}\n{LATER}\n' >starts; kill -KILL $$"#
    );
    let ended = Running::start(agent(&site, &one, &scene)).end();
    assert_superseded(&site, &ended);
    assert!(site.job.path("began.0").exists(), "{}", ended.stderr);
    assert!(!site.job.path("began.1").exists(), "{}", ended.stderr);
}

#[test]
fn a_result_is_not_told_either() {
    let site = Site::new();
    let one = ["--nodes", "1", "--ranks-per-node", "1"];
    let scene = format!(r"beat 1 computing; printf '{OWN}\n{LATER}\n' >starts; result");
    let ended = Running::start(agent(&site, &one, &scene)).end();
    assert_superseded(&site, &ended);
}

#[test]
fn both_nodes_end() {
    let site = Site::new();
    let host = Ipv4Addr::new(127, 0, 9, 1);
    let free = TcpListener::bind((host, 0)).and_then(|listener| listener.local_addr());
    let leader = free.expect("a free port").to_string();
    let mut agents = ["0", "1"].map(|node| {
        let mut place = vec!["--node", node, "--nodes", "2", "--ranks-per-node", "1"];
        place.extend(["--leader", &leader, "--secret-file", "secret"]);
        let scene = r#"echo "rank $rank is there" >&2; work 9 computing"#;
        Running::start(agent(&site, &place, scene))
    });
    // Whichever is first.
    agents[0].wait_for("is there");
    agents[0].wait_for("is there");
    start_elsewhere(&site);
    let [first, second] = agents.map(Running::end);
    assert_superseded(&site, &first);
    assert_eq!(second.code, Some(79), "{}", second.stderr);
}

#[test]
fn storage_that_is_cut_off_is_no_reason_to_end() {
    let site = Site::new();
    let one = ["--nodes", "1", "--ranks-per-node", "1"];
    let scene = "beat 1 computing; rm starts; result";
    let ended = Running::start(agent(&site, &one, scene)).end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let left = fs::read_to_string(site.job.path("exit"));
    assert_eq!(left.expect("an exit code"), "0\n");
}
