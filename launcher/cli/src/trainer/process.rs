//! The trainer as a child process: pipes, signals, and its end.
//!
//! The child gets a process group of its own, so the terminal's Ctrl-C reaches `schliff` alone and
//! the trainer sees exactly the one SIGTERM that is forwarded.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use schliff_spec::exit::ExitCode;
use schliff_spec::request::Request;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::outcome::CliError;

/// Lines of the trainer's standard error that a crash report repeats.
const LAST_LINES: usize = 20;
/// Messages in flight; a full channel makes the trainer wait, which is harmless.
const IN_FLIGHT: usize = 256;

/// What happens around the child.
#[derive(Debug)]
pub(crate) enum Message {
    /// A line on its standard output.
    Line(String),
    /// A line on its standard error.
    Words(String),
    /// Its standard output or its standard error ended.
    PipeClosed,
    /// The user asked to stop.
    Signal,
}

/// The running trainer.
pub(crate) struct Process {
    child: Child,
    /// Kept open: its end of file tells an orphaned trainer to stop.
    _input: ChildStdin,
    inbox: Receiver<Message>,
    last_lines: VecDeque<String>,
}

impl Process {
    /// Starts the trainer and hands it the request.
    pub(crate) fn start(program: &Path, request: &Request) -> Result<Self, CliError> {
        let (outbox, inbox) = sync_channel(IN_FLIGHT);
        // Before the child exists, so that no signal falls between the two.
        forward_signals(outbox.clone())?;
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| {
                CliError::new(
                    ExitCode::Usage,
                    format!("cannot start {}", program.display()),
                )
                .caused_by(error)
                .hint("make build")
            })?;
        let (Some(mut input), Some(output), Some(words)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(CliError::bug("the trainer was started without its pipes"));
        };
        forward_lines(output, outbox.clone(), Message::Line);
        forward_lines(words, outbox, Message::Words);
        let mut line = serde_json::to_string(request)
            .map_err(|error| CliError::bug("cannot write the request").caused_by(error))?;
        line.push('\n');
        // A trainer that is already dead says so by its exit status, not by this pipe.
        let _ = input.write_all(line.as_bytes());
        Ok(Self {
            child,
            _input: input,
            inbox,
            last_lines: VecDeque::new(),
        })
    }

    /// Waits for the next message.
    pub(crate) fn next(&mut self) -> Message {
        let message = self.inbox.recv().unwrap_or(Message::PipeClosed);
        if let Message::Words(line) = &message {
            if self.last_lines.len() == LAST_LINES {
                self.last_lines.pop_front();
            }
            self.last_lines.push_back(line.clone());
        }
        message
    }

    /// Asks the trainer to stop at the end of its step.
    pub(crate) fn ask_to_stop(&self) {
        // It fails where the child has just ended, which the closed pipes will tell.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
    }

    /// Ends the trainer and all that it started, at once.
    pub(crate) fn kill(&self) {
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
    }

    /// The exit status and the last lines of standard error, once both pipes are closed.
    pub(crate) fn wait(mut self) -> Result<(ExitStatus, Vec<String>), CliError> {
        let status = self.child.wait().map_err(|error| {
            CliError::bug("cannot learn how schliff-trainer ended").caused_by(error)
        })?;
        Ok((status, self.last_lines.into()))
    }
}

fn forward_signals(outbox: SyncSender<Message>) -> Result<(), CliError> {
    let mut signals = Signals::new([SIGINT, SIGTERM])
        .map_err(|error| CliError::bug("cannot listen for signals").caused_by(error))?;
    thread::spawn(move || {
        for _ in signals.forever() {
            if outbox.send(Message::Signal).is_err() {
                return;
            }
        }
    });
    Ok(())
}

fn forward_lines(
    pipe: impl Read + Send + 'static,
    outbox: SyncSender<Message>,
    message: fn(String) -> Message,
) {
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe
            .read_until(b'\n', &mut line)
            .is_ok_and(|bytes| bytes > 0)
        {
            let text = String::from_utf8_lossy(&line)
                .trim_end_matches(['\r', '\n'])
                .to_owned();
            if outbox.send(message(text)).is_err() {
                return;
            }
            line.clear();
        }
        let _ = outbox.send(Message::PipeClosed);
    });
}
