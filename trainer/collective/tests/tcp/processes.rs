//! Groups of real processes, which are killed and stopped.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::group::Meeting;

const PROGRAM: &str = env!("CARGO_BIN_EXE_schliff-bench-collective");

/// A rank in a process of its own, killed when the test ends.
struct Rank {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Rank {
    fn start(
        meeting: &Meeting,
        (world_size, rank): (usize, usize),
        verb: &str,
        limit_ms: u32,
    ) -> Self {
        let mut child = Command::new(PROGRAM)
            .arg(verb)
            .env("SCHLIFF_BENCH_LIMIT_MS", limit_ms.to_string())
            .env_remove("OMPI_COMM_WORLD_RANK")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let place = serde_json::to_string(&meeting.place(1, world_size, rank)).expect("JSON");
        let mut input = child.stdin.take().expect("piped");
        writeln!(input, "{place}").expect("told");
        let said = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, said }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).expect("readable");
        line.trim_end().to_owned()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("sent");
    }

    /// What it says when its group is broken, and after how many milliseconds.
    fn end(mut self) -> (String, u64) {
        loop {
            let line = self.line();
            if let Some(told) = line.strip_prefix("broken after ") {
                let (waited, error) = told.split_once(" ms: ").expect("both");
                return (error.to_owned(), waited.parse().expect("a number"));
            }
            assert_eq!(line, "sum");
        }
    }
}

impl Drop for Rank {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn working(meeting: &Meeting, world_size: usize, limit_ms: u32) -> Vec<Rank> {
    meeting.server.expect(1, world_size);
    let start = |rank| Rank::start(meeting, (world_size, rank), "work", limit_ms);
    let mut ranks: Vec<_> = (0..world_size).map(start).collect();
    for rank in &mut ranks {
        assert_eq!(rank.line(), "sum");
    }
    ranks
}

#[test]
fn processes_conform() {
    let meeting = Meeting::new();
    meeting.server.expect(1, 4);
    let start = |rank| Rank::start(&meeting, (4, rank), "conformance", 60_000);
    for mut rank in (0..4).map(start).collect::<Vec<_>>() {
        assert_eq!(rank.line(), "conforms");
        assert!(rank.child.wait().expect("ended").success());
    }
}

#[test]
fn a_killed_rank_is_lost_at_once_to_all_others() {
    for (world_size, victim) in [(2, 0), (4, 0), (4, 3)] {
        let meeting = Meeting::new();
        let mut ranks = working(&meeting, world_size, 60_000);
        let killed = ranks.remove(victim);
        killed.signal(Signal::KILL);
        for rank in ranks {
            let (error, waited_ms) = rank.end();
            let wanted = format!("PeerLost {{ rank: {victim},");
            assert!(error.starts_with(&wanted), "{error}");
            assert!(waited_ms < 10_000, "at once, not after {waited_ms} ms");
        }
    }
}

#[test]
fn a_stopped_rank_is_late_after_the_limit() {
    const LIMIT_MS: u32 = 1000;
    for (world_size, victim) in [(2, 1), (4, 1)] {
        let meeting = Meeting::new();
        let mut ranks = working(&meeting, world_size, LIMIT_MS);
        let stopped = ranks.remove(victim);
        stopped.signal(Signal::STOP);
        for rank in ranks {
            let (error, waited_ms) = rank.end();
            let wanted = format!("TimedOut {{ rank: {victim},");
            assert!(error.starts_with(&wanted), "{error}");
            assert!(waited_ms >= u64::from(LIMIT_MS) - 100, "{waited_ms}");
        }
        // When it goes on, it learns that it was given up.
        stopped.signal(Signal::CONT);
        let (error, _) = stopped.end();
        assert!(
            error.contains("Aborted") || error.contains("PeerLost") || error.contains("TimedOut"),
            "{error}"
        );
    }
}
