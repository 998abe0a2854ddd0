//! How attempts and jobs end, and what is to follow from an attempt's end. Pure.
//!
//! Rules: the job's own fault is never tried again; what the cluster did is, within the budget of
//! retries; an end that was asked for costs nothing.

use std::fmt;

use schliff_spec::exit::ExitCode;
use schliff_spec::id::{JobId, NodeName};
use serde::{Deserialize, Serialize};

use crate::allocation::AllocationEnd;

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ending", rename_all = "kebab-case")]
pub enum Ending {
    /// Trained to the end.
    Finished,
    /// All is committed and more is to do: the wall time was over, or it was asked to stop.
    MoreToDo,
    /// The job's data, model or numbers stopped it.
    JobFailed,
    /// The job file or a flag is wrong.
    Misused,
    /// A defect in Schliff.
    Defect,
    /// Ranks kept dying or hanging.
    GroupLost,
    /// Nodes failed.
    NodesLost {
        /// Which; empty where that is not known.
        nodes: Vec<NodeName>,
    },
    /// Somebody more urgent took its nodes.
    Preempted,
    /// The wall time was over before all was committed.
    TimedOut,
    /// It took more memory than it may.
    OutOfMemory,
    /// It was killed, and nobody said why.
    Killed {
        /// The signal, where one is known.
        signal: Option<i32>,
    },
    /// Somebody cancelled the allocation, not through Schliff.
    CancelledOutside,
    /// The batch system will not take it as it is.
    Refused {
        /// Why.
        why: String,
    },
    /// The batch system took it and could not start it.
    NeverStarted {
        /// Why.
        why: String,
    },
    /// The batch system knows nothing of it any more, and no agent was heard.
    Vanished,
    /// Its agents were not heard for too long.
    Silent,
    /// Its agents did not all come in time.
    Incomplete {
        /// Agents that came.
        joined: u32,
        /// Agents that were to come.
        expected: u32,
    },
    /// It was withdrawn before it was submitted.
    Withdrawn,
    /// An exit code that is none of Schliff's.
    Foreign {
        /// The code.
        code: i32,
    },
}

/// What an attempt's end asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// The job succeeded.
    Success,
    /// The job goes on at once; that is no failure as long as steps were gained.
    GoOn,
    /// The job failed for good.
    Failure,
    /// It is tried again; this counts against its retries.
    Retry,
    /// The user ended it.
    Cancelled,
}

impl Ending {
    /// The ending that a batch system's word stands for.
    pub fn of_allocation(end: &AllocationEnd) -> Self {
        match end {
            AllocationEnd::Exited { code } => Self::of_exit(*code),
            AllocationEnd::Killed { signal } => Self::Killed { signal: *signal },
            AllocationEnd::TimedOut => Self::TimedOut,
            AllocationEnd::Preempted => Self::Preempted,
            AllocationEnd::NodesLost { nodes } => Self::NodesLost {
                nodes: nodes.clone(),
            },
            AllocationEnd::Cancelled => Self::CancelledOutside,
            AllocationEnd::OutOfMemory => Self::OutOfMemory,
            AllocationEnd::NeverStarted { why } => Self::NeverStarted { why: why.clone() },
        }
    }

    /// The ending that an agent's exit code stands for.
    pub fn of_exit(code: i32) -> Self {
        match ExitCode::of(code) {
            Some(ExitCode::Ok) => Self::Finished,
            Some(ExitCode::JobFailed) => Self::JobFailed,
            Some(ExitCode::Usage) => Self::Misused,
            Some(ExitCode::Bug) => Self::Defect,
            Some(ExitCode::MoreToDo) => Self::MoreToDo,
            Some(ExitCode::GroupLost) => Self::GroupLost,
            Some(ExitCode::Interrupted) => Self::CancelledOutside,
            _ => Self::Foreign { code },
        }
    }

    /// What is to follow.
    pub fn consequence(&self) -> Consequence {
        match self {
            Self::Finished => Consequence::Success,
            Self::MoreToDo | Self::Preempted | Self::Withdrawn => Consequence::GoOn,
            Self::JobFailed | Self::Misused | Self::Defect | Self::Refused { .. } => {
                Consequence::Failure
            }
            Self::CancelledOutside => Consequence::Cancelled,
            Self::GroupLost
            | Self::NodesLost { .. }
            | Self::TimedOut
            | Self::OutOfMemory
            | Self::Killed { .. }
            | Self::NeverStarted { .. }
            | Self::Vanished
            | Self::Silent
            | Self::Incomplete { .. }
            | Self::Foreign { .. } => Consequence::Retry,
        }
    }

    /// The exit code of a job that ends by this.
    pub fn exit(&self) -> ExitCode {
        match self {
            Self::Finished => ExitCode::Ok,
            Self::Misused => ExitCode::Usage,
            Self::Defect => ExitCode::Bug,
            Self::Refused { .. } | Self::NeverStarted { .. } => ExitCode::Refused,
            Self::MoreToDo => ExitCode::MoreToDo,
            Self::CancelledOutside => ExitCode::Interrupted,
            Self::JobFailed => ExitCode::JobFailed,
            _ => ExitCode::GroupLost,
        }
    }

    /// Its code, as `docs/reasons.md` lists it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::MoreToDo => "more-to-do",
            Self::JobFailed => "job-failed",
            Self::Misused => "misused",
            Self::Defect => "defect",
            Self::GroupLost => "group-lost",
            Self::NodesLost { .. } => "nodes-lost",
            Self::Preempted => "preempted",
            Self::TimedOut => "timed-out",
            Self::OutOfMemory => "out-of-memory",
            Self::Killed { .. } => "killed",
            Self::CancelledOutside => "cancelled-outside",
            Self::Refused { .. } => "refused",
            Self::NeverStarted { .. } => "never-started",
            Self::Vanished => "vanished",
            Self::Silent => "silent",
            Self::Incomplete { .. } => "incomplete",
            Self::Withdrawn => "withdrawn",
            Self::Foreign { .. } => "foreign-exit",
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finished => write!(formatter, "trained to the end"),
            Self::MoreToDo => write!(formatter, "stopped at a step, all committed, more to do"),
            Self::JobFailed => write!(formatter, "the job's data, model or numbers stopped it"),
            Self::Misused => write!(formatter, "the job file or a flag is wrong"),
            Self::Defect => write!(formatter, "a defect in Schliff"),
            Self::GroupLost => write!(formatter, "ranks kept dying or hanging"),
            Self::NodesLost { nodes } if nodes.is_empty() => write!(formatter, "nodes failed"),
            Self::NodesLost { nodes } => {
                let names: Vec<_> = nodes.iter().map(NodeName::as_str).collect();
                write!(formatter, "failed: {}", names.join(", "))
            }
            Self::Preempted => write!(formatter, "somebody more urgent took its nodes"),
            Self::TimedOut => write!(formatter, "the wall time was over"),
            Self::OutOfMemory => write!(formatter, "took more memory than it may"),
            Self::Killed {
                signal: Some(signal),
            } => write!(formatter, "killed by signal {signal}"),
            Self::Killed { signal: None } => write!(formatter, "killed"),
            Self::CancelledOutside => write!(formatter, "cancelled in the batch system"),
            Self::Refused { why } => write!(formatter, "refused: {why}"),
            Self::NeverStarted { why } => write!(formatter, "could not be started: {why}"),
            Self::Vanished => write!(formatter, "the batch system knows nothing of it any more"),
            Self::Silent => write!(formatter, "its agents were not heard for too long"),
            Self::Incomplete { joined, expected } => {
                write!(formatter, "{joined} of {expected} agents came in time")
            }
            Self::Withdrawn => write!(formatter, "withdrawn before it was submitted"),
            Self::Foreign { code } => write!(formatter, "ended with the exit code {code}"),
        }
    }
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// Its result is there.
    Succeeded,
    /// It failed for good.
    Failed {
        /// By how its last attempt ended.
        ending: Ending,
        /// In the agent's words, where it had any.
        error: String,
    },
    /// It was cancelled.
    Cancelled {
        /// By whom.
        by: String,
        /// Why; may be empty.
        why: String,
    },
    /// A trial that was not among the best of its rung.
    Pruned {
        /// Its place among them, from 1.
        place: u32,
        /// Trials that were compared.
        of: u32,
    },
    /// A job that it waits for did not succeed.
    AfterFailed {
        /// That job.
        job: JobId,
    },
    /// It may not use more.
    BudgetSpent,
    /// A sweep none of whose trials succeeded.
    NoTrialSucceeded,
}

impl Outcome {
    /// The job's exit code.
    pub fn exit(&self) -> ExitCode {
        match self {
            Self::Succeeded => ExitCode::Ok,
            Self::Failed { ending, .. } => ending.exit(),
            Self::Cancelled { .. } => ExitCode::Interrupted,
            Self::BudgetSpent => ExitCode::MoreToDo,
            Self::Pruned { .. } | Self::AfterFailed { .. } | Self::NoTrialSucceeded => {
                ExitCode::JobFailed
            }
        }
    }

    /// One word: `succeeded`, `failed`, `cancelled` or `pruned`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed { .. }
            | Self::AfterFailed { .. }
            | Self::BudgetSpent
            | Self::NoTrialSucceeded => "failed",
            Self::Cancelled { .. } => "cancelled",
            Self::Pruned { .. } => "pruned",
        }
    }

    /// Its code, as `docs/reasons.md` lists it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed { ending, .. } => ending.code(),
            Self::Cancelled { .. } => "cancelled",
            Self::Pruned { .. } => "pruned",
            Self::AfterFailed { .. } => "after-failed",
            Self::BudgetSpent => "budget-spent",
            Self::NoTrialSucceeded => "no-trial-succeeded",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Succeeded => write!(formatter, "succeeded"),
            Self::Failed { ending, error } if error.is_empty() => ending.fmt(formatter),
            Self::Failed { ending, error } => write!(formatter, "{ending}: {error}"),
            Self::Cancelled { by, why } if why.is_empty() => {
                write!(formatter, "cancelled by {by}")
            }
            Self::Cancelled { by, why } => write!(formatter, "cancelled by {by}: {why}"),
            Self::Pruned { place, of } => {
                write!(
                    formatter,
                    "place {place} of {of} trials: the better ones go on"
                )
            }
            Self::AfterFailed { job } => {
                write!(formatter, "job {job}, which it waits for, did not succeed")
            }
            Self::BudgetSpent => write!(formatter, "its budget is spent"),
            Self::NoTrialSucceeded => write!(formatter, "none of its trials succeeded"),
        }
    }
}
