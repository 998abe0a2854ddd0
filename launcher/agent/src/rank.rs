//! One rank as a child process: pipes, signals, and its end.
//!
//! Rules: it has a process group of its own, so that the terminal's Ctrl-C does not reach it and all
//! that it starts can be ended with it; its input stays open as long as this process lives, and it
//! is killed when this process dies, so that not even a stopped one is left behind; it is reaped by
//! its owner alone, after its end was told, so that no signal ever meets another process under its
//! number.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdin, Command, Stdio};
use std::sync::mpsc::SyncSender;
use std::thread::{self, JoinHandle};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getppid, kill_process, kill_process_group,
    set_parent_process_death_signal, waitid,
};
use rustix::thread::{CpuSet, sched_setaffinity};
use schliff_spec::request::Request;

use crate::binding::Binding;
use crate::cause::Ending;
use crate::generation::News;
use crate::lines::{Line, lines};
use crate::log::Log;
use crate::supervisor::Input;

/// Where a rank's news go.
#[derive(Clone)]
pub(crate) struct Post {
    pub(crate) outbox: SyncSender<Input>,
    pub(crate) generation: u64,
    pub(crate) rank: usize,
}

impl Post {
    /// Hands in one piece of news; false where nobody listens any more.
    pub(crate) fn send(&self, news: News) -> bool {
        let Self {
            generation, rank, ..
        } = *self;
        let input = Input::Rank {
            generation,
            rank,
            news,
        };
        self.outbox.send(input).is_ok()
    }
}

/// A child process that dies with this one.
pub(crate) struct Launched {
    child: Child,
    reaped: bool,
}

impl Launched {
    /// Starts `command` on these cores, or on all where there are none. To be called from a thread
    /// that lives as long as the process shall.
    pub(crate) fn start(mut command: Command, cores: &[usize]) -> io::Result<Self> {
        command.stderr(Stdio::piped()).process_group(0);
        bind(&mut command, cores);
        Ok(Self {
            child: command.spawn()?,
            reaped: false,
        })
    }

    /// Its standard error.
    pub(crate) fn words(&mut self) -> io::Result<ChildStderr> {
        self.child.stderr.take().ok_or_else(missing_pipe)
    }

    /// Calls `then` once it has ended, leaving it for its owner to reap.
    pub(crate) fn at_end(&self, then: impl FnOnce(Ending) + Send + 'static) {
        let pid = Pid::from_child(&self.child);
        thread::spawn(move || {
            let ended = loop {
                match waitid(
                    WaitId::Pid(pid),
                    WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
                ) {
                    Err(rustix::io::Errno::INTR) => {}
                    ended => break ended,
                }
            };
            // What it started could hold its pipes open. The dead process still holds its number.
            let _ = kill_process_group(pid, Signal::KILL);
            let ending = ended.ok().flatten().map(|status| Ending {
                code: status.exit_status(),
                signal: status.terminating_signal(),
            });
            then(ending.unwrap_or_default());
        });
    }

    /// Sends it a signal; SIGKILL ends all that it started, too.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.reaped {
            return;
        }
        let pid = Pid::from_child(&self.child);
        // Either fails where the process has just ended, which is told elsewhere.
        let _ = match signal {
            Signal::KILL => kill_process_group(pid, signal),
            _ => kill_process(pid, signal),
        };
    }

    /// Takes its exit status from the system, once its end was told.
    pub(crate) fn reap(&mut self) {
        self.reaped = true;
        let _ = self.child.wait();
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        if !self.reaped {
            self.signal(Signal::KILL);
            self.reap();
        }
    }
}

fn missing_pipe() -> io::Error {
    io::Error::other("it was started without its pipes")
}

/// A running rank.
pub(crate) struct Rank {
    process: Launched,
    /// Kept open: its end of file tells an orphan to stop.
    _input: ChildStdin,
}

impl Rank {
    /// Starts `command` bound as told and hands it the request, as [`Launched::start`] does.
    pub(crate) fn start(
        mut command: Command,
        binding: &Binding,
        request: &Request,
        (post, log): (Post, Option<Log>),
    ) -> io::Result<Self> {
        let environment = binding.environment.iter();
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .envs(environment.map(|(name, value)| (name, value)));
        let mut process = Launched::start(command, &binding.cores)?;
        let words = process.words()?;
        let pipes = (process.child.stdin.take(), process.child.stdout.take());
        let (Some(mut input), Some(output)) = pipes else {
            return Err(missing_pipe());
        };
        let readers = [
            forward(output, post.clone(), None, News::Line),
            forward(words, post.clone(), log, News::Words),
        ];
        process.at_end(move |ending| {
            for reader in readers {
                let _ = reader.join();
            }
            post.send(News::Ended(ending));
        });
        let mut line = serde_json::to_string(request)?;
        line.push('\n');
        // A rank that is already dead says so by its exit status, not by this pipe.
        let _ = input.write_all(line.as_bytes());
        Ok(Self {
            process,
            _input: input,
        })
    }

    /// Sends it a signal; SIGKILL ends all that it started, too.
    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Takes its exit status from the system, once its end was told.
    pub(crate) fn reap(&mut self) {
        self.process.reap();
    }
}

/// Runs in the child before the program: cores, and death with the parent.
fn bind(command: &mut Command, cores: &[usize]) {
    let mut set = CpuSet::new();
    let cores = cores.iter().filter(|&&core| core < CpuSet::MAX_CPU);
    let bound = cores.map(|&core| set.set(core)).count() > 0;
    let parent = rustix::process::getpid();
    let set_up = move || {
        // The number of cores may have changed since they were counted: rather unbound than dead.
        if bound {
            let _ = sched_setaffinity(None, &set);
        }
        set_parent_process_death_signal(Some(Signal::KILL))?;
        match getppid() == Some(parent) {
            true => Ok(()),
            false => Err(io::Error::other("the parent has died")),
        }
    };
    // SAFETY: the closure makes system calls only: it takes no lock and no memory, which another
    // thread of the parent might have held or been changing at the fork.
    unsafe { command.pre_exec(set_up) };
}

/// Forwards the lines of a pipe. Words for people count even where the last line was cut off.
fn forward(
    pipe: impl Read + Send + 'static,
    post: Post,
    mut log: Option<Log>,
    news: fn(String) -> News,
) -> JoinHandle<()> {
    thread::spawn(move || {
        for Line { text, is_whole } in lines(pipe) {
            if let Some(log) = &mut log {
                log.line(&text);
            }
            let news = news(text);
            let is_torn = !is_whole && matches!(news, News::Line(_));
            if is_torn || !post.send(news) {
                return;
            }
        }
    })
}
