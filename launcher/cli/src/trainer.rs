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

use std::path::PathBuf;

use schliff_agent::Trainer;
use schliff_agent::follower::{self, Follower};
use schliff_agent::report::{Reporter, Reporting};
use schliff_agent::shell::{self, Lead, Run};
use schliff_agent::succession::{Succeeded, Succession};
use schliff_spec::exit::ExitCode;
use schliff_spec::place::CollectiveKind;
use schliff_spec::request::Request;
use serde_json::Value;

use crate::outcome::{CliError, Outcome};
use crate::progress::Progress;
use crate::terminal;
use display::Display;
use locate::{MPI_TRAINER, TRAINER};
pub(crate) use verdict::superseded;

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
    ask_of(CollectiveKind::Tcp, request, progress)
}

/// The same, of the trainer that runs with this kind of collective take.
pub(crate) fn ask_of(
    kind: CollectiveKind,
    request: &Request,
    progress: &mut Progress,
) -> Result<Answer, CliError> {
    let trainer = Trainer {
        program: program(kind)?,
        logs: None,
        gpus: false,
    };
    let mut display = Display::alone(progress);
    let outcome = shell::ask(request, trainer, &mut display);
    progress.clear();
    verdict::of_verb(outcome?)
}

/// Lets as many trainers as the run wants do it together on this machine.
pub(crate) fn run(run: &Run, progress: &mut Progress) -> Result<Answer, CliError> {
    let trainer = of_run(run)?;
    let mut display = Display::new(progress, run);
    let outcome = shell::run(run, trainer, &mut display);
    progress.clear();
    verdict::of_run(outcome?, run)
}

/// Leads the agents of other nodes, and reports to the coordinator where there is one.
pub(crate) fn lead(
    run: &Run,
    lead: &Lead,
    reporter: Option<&mut Reporter>,
    succession: Option<&Succession>,
    progress: &mut Progress,
) -> Result<Answer, CliError> {
    let trainer = of_run(run)?;
    let mut display = Display::new(progress, run);
    let mut display = Succeeded::new(succession, &mut display);
    let mut listener = Reporting::new(reporter, &mut display);
    let outcome = shell::lead(run, lead, trainer, &mut listener);
    progress.clear();
    verdict::of_run(outcome?, run)
}

/// Follows the agent of node 0 to the end.
pub(crate) fn follow(
    run: &Run,
    follower: &Follower,
    reporter: Option<&mut Reporter>,
    succession: Option<&Succession>,
    progress: &mut Progress,
) -> Outcome {
    let trainer = of_run(run)?;
    let mut display = Display::new(progress, run);
    let mut display = Succeeded::new(succession, &mut display);
    let mut listener = Reporting::new(reporter, &mut display);
    let exit = follower::follow(follower, trainer, &mut listener)?;
    if exit == ExitCode::GroupLost {
        terminal::say(&format!("node {}: the group is lost", follower.node));
    }
    Ok(exit)
}

/// How ranks of a run are started.
fn of_run(run: &Run) -> Result<Trainer, CliError> {
    let program = program(run.collective)?;
    let resources = run.job.resources.as_ref();
    Ok(Trainer {
        program,
        logs: Some(run.out.join("logs")),
        gpus: resources.is_some_and(|resources| resources.gpus_per_node > Some(0)),
    })
}

/// The program that has this kind of collective, if its build has.
pub(crate) fn program(kind: CollectiveKind) -> Result<PathBuf, CliError> {
    locate::find(match kind {
        CollectiveKind::Mpi => &MPI_TRAINER,
        CollectiveKind::Tcp | CollectiveKind::Nccl => &TRAINER,
    })
}
