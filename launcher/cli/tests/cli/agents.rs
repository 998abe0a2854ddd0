//! Agents of several nodes as real processes, each with a loopback address of its own.

use std::net::{Ipv4Addr, TcpListener};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::group::RANK;
use crate::stage::{Ended, JobFolder, Running, schliff};

/// A job on two nodes with two ranks each.
struct Site {
    job: JobFolder,
    leader: String,
    scene: String,
    more: &'static [&'static str],
}

impl Site {
    fn new(scene: &str) -> Self {
        // A port that is free now; nobody else on this address asks for it.
        let host = Ipv4Addr::new(127, 0, 9, 1);
        let free = TcpListener::bind((host, 0)).and_then(|listener| listener.local_addr());
        Self {
            job: JobFolder::with(""),
            leader: free.expect("a free port").to_string(),
            scene: scene.to_owned(),
            more: &[],
        }
    }

    /// Starts a node's agent.
    fn node(&self, node: usize) -> Running {
        let (number, listen) = (node.to_string(), format!("127.0.9.{}", node + 1));
        let mut args = vec!["agent", "job.toml", "--node", &number, "--nodes", "2"];
        args.extend(["--ranks-per-node", "2", "--leader", &self.leader]);
        args.extend(["--listen", &listen, "--secret-file", "secret", "--json"]);
        args.extend(["--hang-timeout", "3"]);
        args.extend(self.more);
        let mut command = schliff(&args, &self.scene);
        command.current_dir(self.job.path("")).env("BEFORE", RANK);
        Running::start(command)
    }

    fn both(&self) -> (Running, Running) {
        (self.node(0), self.node(1))
    }
}

fn place(ended: &Ended) -> Value {
    let result: Value = serde_json::from_str(&ended.stdout).expect("one JSON value");
    result["request"]["place"].clone()
}

/// Rank 0 waits for the others' marks, so that no one is done before all are there.
const MEET: &str = r#"
    : >"mark.$generation.$rank"
    meet() {
        for other in 0 1 2 3; do
            until [ -e "mark.$generation.$other" ]; do beat 1 joining; sleep 0.05; done
        done
    }
"#;

fn scene(more: &str) -> String {
    MEET.to_owned() + more
}

#[test]
fn four_ranks_on_two_nodes_end_with_one_result() {
    let site = Site::new(&scene(
        r#"echo "listens $(field listen), local $(field local_rank)" >&2; meet; result"#,
    ));
    let (leader, follower) = site.both();
    let (leader, follower) = (leader.end(), follower.end());
    assert_eq!(
        leader.code,
        Some(0),
        "{}\n{}",
        leader.stderr,
        follower.stderr
    );
    assert_eq!(follower.code, Some(0), "{}", follower.stderr);
    assert_eq!(place(&leader)["world_size"], 4);
    assert_eq!(follower.stdout, "");
    for told in [
        "[1:3] listens 127.0.9.2, local 1",
        "[0:0] listens 127.0.9.1, local 0",
    ] {
        assert!(leader.stderr.contains(told), "{told} in {}", leader.stderr);
    }
    assert!(!site.job.path("secret").exists(), "the secret is gone");
}

#[test]
fn a_killed_rank_of_one_node_restarts_the_group_on_both() {
    let site = Site::new(&scene(
        r#"meet
        if [ "$generation" = 0 ]; then
            commit 4; beat 5 computing
            [ "$rank" = 3 ] && kill -KILL $$
            work 5 reducing
        fi
        result"#,
    ));
    let (leader, follower) = site.both();
    let (leader, follower) = (leader.end(), follower.end());
    assert_eq!(
        leader.code,
        Some(0),
        "{}\n{}",
        leader.stderr,
        follower.stderr
    );
    let told = "rank 3 was killed by SIGKILL at step 5; restarting from step 4 (1 of 3)";
    assert!(leader.stderr.contains(told), "{}", leader.stderr);
    assert_eq!(place(&leader)["generation"], 1);
    assert_eq!(follower.code, Some(0), "{}", follower.stderr);
}

#[test]
fn a_stopped_rank_of_another_node_is_found() {
    let site = Site::new(&scene(
        r#"meet
        if [ "$generation" = 0 ]; then
            beat 5 computing
            [ "$rank" = 2 ] && kill -STOP $$
            work 5 reducing
        fi
        result"#,
    ));
    let (leader, follower) = site.both();
    let (leader, follower) = (leader.end(), follower.end());
    assert_eq!(
        leader.code,
        Some(0),
        "{}\n{}",
        leader.stderr,
        follower.stderr
    );
    assert!(
        leader.stderr.contains("rank 2 gave no sign of life"),
        "{}",
        leader.stderr
    );
}

#[test]
fn a_node_whose_agent_is_killed_may_return() {
    let site = Site::new(&scene(
        r#"meet
        [ "$generation" = 0 ] && { echo "all are there" >&2; work 7 computing; }
        result"#,
    ));
    let (mut leader, follower) = site.both();
    leader.wait_for("all are there");
    follower.signal(Signal::KILL);
    assert_eq!(follower.end().code, None);
    leader.wait_for("node 1 was lost");
    let follower = site.node(1).end();
    let leader = leader.end();
    assert_eq!(
        leader.code,
        Some(0),
        "{}\n{}",
        leader.stderr,
        follower.stderr
    );
    assert_eq!(follower.code, Some(0), "{}", follower.stderr);
}

#[test]
fn a_node_whose_agent_is_killed_is_done_without_where_that_is_allowed() {
    let mut site = Site::new(
        r#"echo "rank $rank is there" >&2
        [ "$generation" = 0 ] && { commit 4; work 7 computing; }
        result"#,
    );
    site.more = &["--min-nodes", "1"];
    let (mut leader, follower) = site.both();
    leader.wait_for("rank 3 is there");
    follower.signal(Signal::KILL);
    assert_eq!(follower.end().code, None);
    let leader = leader.end();
    assert_eq!(leader.code, Some(0), "{}", leader.stderr);
    for told in [
        "node 1 was lost at step 7; restarting from step 4 (1 of 3)",
        "node 1 is gone; going on with 1 of 2 nodes",
    ] {
        assert!(leader.stderr.contains(told), "{told} in {}", leader.stderr);
    }
    let place = place(&leader);
    assert_eq!(
        (&place["world_size"], &place["local_world_size"]),
        (&2.into(), &2.into())
    );
    assert_eq!(place["generation"], 1);
}

#[test]
fn more_nodes_than_there_are_cannot_be_needed() {
    let mut site = Site::new("result");
    site.more = &["--min-nodes", "3"];
    let ended = site.node(0).end();
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    let told = "--min-nodes 3 cannot be: there are 2 nodes";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
}

#[test]
fn a_signal_to_one_agent_reaches_the_ranks_of_all() {
    let site = Site::new(&scene(
        r#"stop() {
            echo "USR1 reached rank $rank" >&2
            say '{"event":"failed","error":"stopped after step 9","causes":[],"hint":null,"exit":75,"saved":null}'
            exit 75
        }
        trap stop USR1; meet
        [ "$rank" = 0 ] && echo "all are there" >&2
        work 9 computing"#,
    ));
    let (mut leader, follower) = site.both();
    leader.wait_for("all are there");
    follower.signal(Signal::USR1);
    let (leader, follower) = (leader.end(), follower.end());
    assert_eq!(
        leader.code,
        Some(75),
        "{}\n{}",
        leader.stderr,
        follower.stderr
    );
    assert_eq!(follower.code, Some(75), "{}", follower.stderr);
    for rank in 0..4 {
        let told = format!("USR1 reached rank {rank}");
        assert_eq!(leader.stderr.matches(&told).count(), 1, "{}", leader.stderr);
    }
}

#[test]
fn without_its_leader_a_node_ends_with_its_ranks() {
    let site = Site::new(&scene(
        r#"meet; [ "$rank" = 3 ] && echo "pid $$" >&2; work 1 computing"#,
    ));
    let (mut leader, follower) = site.both();
    let line = leader.wait_for("pid ");
    let pid = line.rsplit(' ').next().and_then(|pid| pid.parse().ok());
    let pid = pid.and_then(Pid::from_raw).expect("a process number");
    leader.signal(Signal::KILL);
    assert_eq!(leader.end().code, None);
    let follower = follower.end();
    assert_eq!(follower.code, Some(76), "{}", follower.stderr);
    assert!(kill_process(pid, Signal::CONT).is_err(), "a rank lives on");
}
