//! Asks `schliff-trainer` one thing and waits for its answer.
//!
//! The trainer is a child process: one request line on its standard input, events on its standard
//! output, words for people on its standard error (see [`schliff_spec::request`] and
//! [`schliff_spec::event`]). `schliff-agent` starts and watches it. Rules: exactly one report,
//! however it ends. Absent on purpose: time-outs where nothing is trained, for a slow machine is no
//! error.

mod display;
mod locate;
mod verdict;

use schliff_agent::Trainer;
use schliff_agent::shell::{self, Run};
use schliff_spec::exit::ExitCode;
use schliff_spec::request::Request;
use serde_json::Value;

use crate::outcome::CliError;
use crate::progress::Progress;
use display::Display;

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
    let mut display = Display::new(progress, 1);
    let outcome = shell::ask(request, plain()?, &mut display);
    progress.clear();
    verdict::of_verb(outcome?)
}

/// Lets as many trainers as the run wants do it together.
pub(crate) fn run(run: &Run, progress: &mut Progress) -> Result<Answer, CliError> {
    let resources = run.job.resources.as_ref();
    let trainer = Trainer {
        logs: Some(run.out.join("logs")),
        gpus: resources.is_some_and(|resources| resources.gpus_per_node > Some(0)),
        ..plain()?
    };
    let mut display = Display::new(progress, run.ranks);
    let outcome = shell::run(run, trainer, &mut display);
    progress.clear();
    verdict::of_run(outcome?, run)
}

/// The trainer with nothing around it.
fn plain() -> Result<Trainer, CliError> {
    Ok(Trainer {
        program: locate::trainer()?,
        logs: None,
        gpus: false,
    })
}
