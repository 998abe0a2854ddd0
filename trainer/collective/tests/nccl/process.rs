//! Ranks in processes of their own.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use schliff_spec::place::CollectiveKind;

use crate::group::Meeting;

const PROGRAM: &str = env!("CARGO_BIN_EXE_schliff-bench-collective");

/// How a rank ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A rank, killed when the test ends.
pub(crate) struct Rank {
    child: Child,
    said: BufReader<ChildStdout>,
    /// Kept until the ranks have met.
    _meeting: std::rc::Rc<Meeting>,
}

/// Runs a script as all ranks of a group, to the end.
pub(crate) fn run(ranks: usize, script: &str, set: impl FnMut(&mut Command)) -> Vec<Ended> {
    let started = Rank::start_all(ranks, script, set);
    started.into_iter().map(Rank::end).collect()
}

impl Rank {
    /// Starts all ranks of a group; `set` changes how each is started, by rank.
    pub(crate) fn start_all(
        ranks: usize,
        script: &str,
        mut set: impl FnMut(&mut Command),
    ) -> Vec<Self> {
        let meeting = std::rc::Rc::new(Meeting::new());
        meeting.server.expect(1, ranks);
        let start = |rank| {
            let mut place = meeting.place(1, ranks, rank);
            place.collective = CollectiveKind::Nccl;
            let mut command = Command::new(PROGRAM);
            command
                .arg(script)
                .env("NCCL_SOCKET_IFNAME", "lo")
                .env_remove("OMPI_COMM_WORLD_RANK")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            set(&mut command);
            let mut child = command.spawn().expect("started");
            let place = serde_json::to_string(&place).expect("JSON");
            let mut input = child.stdin.take().expect("piped");
            writeln!(input, "{place}").expect("told");
            let said = BufReader::new(child.stdout.take().expect("piped"));
            let _meeting = meeting.clone();
            Self {
                child,
                said,
                _meeting,
            }
        };
        (0..ranks).map(start).collect()
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).expect("readable");
        line.trim_end().to_owned()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("sent");
    }

    fn end(mut self) -> Ended {
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.said.read_to_string(&mut stdout).expect("UTF-8");
        let mut errors = self.child.stderr.take().expect("piped");
        errors.read_to_string(&mut stderr).expect("UTF-8");
        let success = self.child.wait().expect("ended").success();
        Ended {
            success,
            stdout,
            stderr,
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
