//! A program that runs while a test watches and disturbs it.
//!
//! Rules: what it says is heard in order; every wait has a bound; it and all that it started are
//! ended with this value.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// No state that a test waits for takes so long, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);
/// The name of a process that trains, as the system cuts it.
const TRAINER: &str = "schliff-trainer";

/// A running program.
pub struct Running {
    process: Child,
    words: Receiver<String>,
    said: Vec<String>,
}

/// How it ended.
#[derive(Debug)]
pub struct End {
    /// Exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// All that it wrote for people.
    pub said: String,
}

impl Running {
    /// Starts `command`, whose standard error is a pipe.
    pub fn start(mut command: Command) -> Self {
        let spawned = command.spawn();
        let mut process = spawned.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let pipe = process.stderr.take().unwrap_or_else(|| panic!("no pipe"));
        let (outbox, words) = channel();
        thread::spawn(move || {
            let lines = BufReader::new(pipe).lines().map_while(Result::ok);
            lines
                .take_while(|line| outbox.send(line.clone()).is_ok())
                .count()
        });
        Self {
            process,
            words,
            said: Vec::new(),
        }
    }

    /// Its process number.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits for a line; gives it.
    #[track_caller]
    pub fn wait_for(&mut self, is_wanted: impl FnMut(&str) -> bool) -> String {
        let Some(line) = self.hear(is_wanted) else {
            panic!("it ended before: {:#?}", self.said);
        };
        line
    }

    /// Waits for a line; `None` where it ends before.
    #[track_caller]
    pub fn hear(&mut self, mut is_wanted: impl FnMut(&str) -> bool) -> Option<String> {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.words.recv_timeout(left) {
                Ok(line) => {
                    self.said.push(line.clone());
                    if is_wanted(&line) {
                        return Some(line);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => panic!("it says nothing: {:#?}", self.said),
            }
        }
    }

    /// Listens for so long, or until it ends.
    pub fn listen(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while let Ok(line) = self
            .words
            .recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            self.said.push(line);
        }
    }

    /// Numbers of the processes that train for it, the oldest first.
    pub fn trainers(&self) -> Vec<u32> {
        trainers_below(&[self.process.id()])
    }

    /// Whether it has ended.
    pub fn is_over(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }

    /// It and all that it started, parents first.
    fn tree(&self) -> Vec<u32> {
        let mut tree = vec![self.process.id()];
        tree.extend(below(&[self.process.id()]));
        tree
    }

    /// Kills it and all that it started at once, as a lost machine does.
    pub fn kill_tree(mut self) -> String {
        for pid in self.tree() {
            signal("-KILL", pid);
        }
        let code = self.process.wait().map(|status| status.code());
        assert!(matches!(code, Ok(None)), "it ended by itself: {code:?}");
        self.hear_the_rest();
        self.said.join("\n")
    }

    /// Waits for its end.
    #[track_caller]
    pub fn end(mut self) -> End {
        self.hear_the_rest();
        let status = self.process.wait();
        End {
            code: status.ok().and_then(|status| status.code()),
            said: self.said.join("\n"),
        }
    }

    #[track_caller]
    fn hear_the_rest(&mut self) {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.words.recv_timeout(left) {
                Ok(line) => self.said.push(line),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end: {:#?}", self.said),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            for pid in self.tree() {
                signal("-KILL", pid);
            }
            let _ = self.process.wait();
        }
    }
}

/// Waits until something is so that nobody tells of; `what` says what for, and how it was at last.
#[track_caller]
pub fn wait_until(what: impl Fn() -> String, is_so: impl FnMut() -> bool) {
    wait_within(PATIENCE, what, is_so);
}

/// The same, for what takes longer than anything usual.
#[track_caller]
pub fn wait_within(patience: Duration, what: impl Fn() -> String, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + patience;
    while !is_so() {
        assert!(Instant::now() < until, "waited in vain for {}", what());
        pause(Duration::from_millis(50));
    }
}

/// Processes that train below any of these, the oldest first.
pub fn trainers_below(roots: &[u32]) -> Vec<u32> {
    let mut trainers: Vec<u32> = below(roots).into_iter().filter(trains).collect();
    trainers.sort_unstable();
    trainers
}

fn trains(pid: &u32) -> bool {
    let name = fs::read_to_string(format!("/proc/{pid}/comm"));
    name.is_ok_and(|name| name.trim_end() == TRAINER)
}

/// All that these have started.
fn below(roots: &[u32]) -> Vec<u32> {
    let parents = parents();
    let mut found = roots.to_vec();
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        let children = parents.iter().filter(|(_, its)| **its == parent);
        found.extend(children.map(|(pid, _)| *pid));
        next += 1;
    }
    found.split_off(roots.len())
}

/// Between two looks at something that nobody tells of.
fn pause(time: Duration) {
    let (_outbox, inbox) = channel::<()>();
    let _ = inbox.recv_timeout(time);
}

/// Sends a signal such as `-KILL`; whether somebody got it.
pub fn signal(name: &str, pid: u32) -> bool {
    let sent = Command::new("kill").args([name, &pid.to_string()]).output();
    sent.is_ok_and(|sent| sent.status.success())
}

/// The parent of every process.
fn parents() -> BTreeMap<u32, u32> {
    let folders = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = folders.filter_map(|folder| folder.file_name().to_str()?.parse::<u32>().ok());
    numbers
        .filter_map(|pid| Some((pid, parent(pid)?)))
        .collect()
}

/// The fourth field of `/proc/PID/stat`; the second, a name in brackets, may hold anything.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}
