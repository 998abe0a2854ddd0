//! How supervision ended.

use schliff_spec::event::Failure;
use schliff_spec::exit::ExitCode;
use serde_json::Value;

use crate::cause::Cause;
use crate::conversation::Breach;

/// The end of a job, or of its supervision.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Rank 0 gave a result.
    Done {
        /// The result as it was sent.
        result: Value,
        /// Ok, or that it was cut short.
        exit: ExitCode,
    },
    /// A rank said why it failed, or that it stopped as asked.
    Failed {
        /// The rank.
        rank: usize,
        /// Its words.
        failure: Failure,
        /// The exit code.
        exit: ExitCode,
    },
    /// A rank broke the protocol.
    Breach(Breach),
    /// The group was lost and the budget for restarts is spent.
    Lost {
        /// The first cause of the last loss.
        cause: Cause,
        /// The last lines that the culprit wrote for people.
        last_lines: Vec<String>,
        /// Restarts without progress that were allowed.
        budget: u32,
        /// Newest step that training can go on from.
        committed: Option<usize>,
    },
    /// It was stopped as asked, and no rank could say what was saved.
    Stopped(Stopped),
    /// Nodes did not come, or did not come back.
    Absent {
        /// The nodes.
        nodes: Vec<usize>,
    },
    /// A later start of the same attempt has taken over; how this one ends means nothing.
    Superseded,
}

impl Outcome {
    /// The exit code that says it.
    pub fn exit(&self) -> ExitCode {
        match self {
            Self::Done { exit, .. } | Self::Failed { exit, .. } => *exit,
            Self::Breach(_) => ExitCode::Bug,
            Self::Lost { .. } | Self::Absent { .. } => ExitCode::GroupLost,
            Self::Stopped(stopped) => stopped.exit,
            Self::Superseded => ExitCode::Superseded,
        }
    }
}

/// An end that the user asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// The exit code.
    pub exit: ExitCode,
    /// Ranks were killed.
    pub aborted: bool,
    /// What else happened.
    pub cause: Option<Cause>,
    /// Newest step that training can go on from.
    pub committed: Option<usize>,
}

/// The exit code of a result: what the trainer said, else whether it was cut short.
pub(crate) fn done(result: &Value, code: Option<i32>, stop: bool) -> ExitCode {
    let interrupted = result.get("interrupted").and_then(Value::as_bool);
    match code {
        Some(code) if code == ExitCode::MoreToDo.code() => ExitCode::MoreToDo,
        Some(code) if code == ExitCode::Interrupted.code() => ExitCode::Interrupted,
        _ if interrupted.unwrap_or(stop) => ExitCode::Interrupted,
        _ => ExitCode::Ok,
    }
}

/// The exit code of a failure; one that follows a request to stop is an interruption.
pub(crate) fn failed(code: i32, stop: bool) -> ExitCode {
    match ExitCode::of(code).unwrap_or(ExitCode::Bug) {
        ExitCode::MoreToDo => ExitCode::MoreToDo,
        _ if stop => ExitCode::Interrupted,
        exit => exit,
    }
}
