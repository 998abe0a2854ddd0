//! Asks `schliff-trainer` one thing and waits for its answer.
//!
//! The trainer is a child process: one request line on its standard input, events on its standard
//! output, words for people on its standard error (see [`schliff_spec::request`] and
//! [`schliff_spec::event`]). Rules: exactly one report, however the child ends; its input stays
//! open as long as `schliff` lives, so that an orphan notices; one stop request is forwarded, the
//! second signal kills. Absent on purpose: time-outs, for a slow machine is no error.

mod conversation;
mod locate;
mod process;
mod verdict;

use schliff_spec::exit::ExitCode;
use schliff_spec::request::Request;
use serde_json::Value;

use crate::outcome::CliError;
use crate::progress::Progress;
use conversation::Conversation;
use process::{Message, Process};
use verdict::Stop;

/// The trainer's result. Its form depends on the verb; it is read leniently.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The result as it was sent.
    pub(crate) result: Value,
    /// [`ExitCode::Ok`], or [`ExitCode::Interrupted`] where the user stopped it.
    pub(crate) exit: ExitCode,
}

/// Lets the trainer do `request`, showing what it reports on `progress`.
pub(crate) fn ask(request: &Request, progress: &mut Progress) -> Result<Answer, CliError> {
    let program = locate::trainer()?;
    let mut process = Process::start(&program, request)?;
    let mut conversation = Conversation::default();
    let mut stop = Stop::None;
    let mut breach = None;
    let mut open_pipes = 2;
    while open_pipes > 0 {
        match process.next() {
            Message::Line(line) if breach.is_none() => match conversation.hear(&line) {
                Ok(Some(event)) => progress.event(&event),
                Ok(None) => {}
                Err(error) => {
                    process.kill();
                    breach = Some(error);
                }
            },
            Message::Line(_) => {}
            Message::Words(line) => progress.say(&line),
            Message::PipeClosed => open_pipes -= 1,
            Message::Signal => {
                stop = stop.next();
                match stop {
                    Stop::None | Stop::Asked => {
                        progress.say("stopping after this step; press again to abort");
                        process.ask_to_stop();
                    }
                    Stop::Killed => process.kill(),
                }
            }
        }
    }
    progress.clear();
    let (status, last_lines) = process.wait()?;
    match breach {
        Some(error) => Err(error),
        None => verdict::verdict(conversation.end(), status, stop, last_lines),
    }
}
