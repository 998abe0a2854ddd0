//! How an attempt on Slurm ended. Pure.
//!
//! Rules: success is told by the agent alone: no word of Slurm's makes a job finished. A code that the
//! agent did not leave is the launcher's or the shell's: it never began to work. Absent on purpose:
//! what is to follow.

use schliff_scheduler::allocation::{AllocationEnd, AllocationStatus, StopHow};
use schliff_slurm::job::{Exit, Job};
use schliff_slurm::state::{BaseState, StateFlag};
use schliff_slurm::time::UnixSeconds;
use schliff_spec::exit::ExitCode;
use schliff_spec::id::NodeName;

use super::since;
use crate::slurm::folder::Facts;
use crate::slurm::node;

/// For so long a file that was written on a node may not be seen elsewhere.
const SETTLE_S: i64 = 60;
/// A shell's exit code for signal 0.
const SIGNAL_BASE: i32 = 128;

/// The end that the script told of, if it did.
pub(super) fn done(facts: &Facts, jobs: &[&Job]) -> Option<AllocationEnd> {
    let code = facts.done?;
    let was_cancelled = jobs
        .iter()
        .any(|job| job.state.base == BaseState::Cancelled);
    // It had the time to end well, but nobody wanted to wait for that.
    if facts.stop == Some(StopHow::Now) && was_cancelled {
        return Some(AllocationEnd::Cancelled);
    }
    Some(exited(code, facts))
}

/// The job that says how its key ended: the last one, other than one that only gave way to another.
pub(super) fn decisive<'a>(jobs: &[&'a Job]) -> Option<&'a Job> {
    let gave_way = |job: &Job| job.state.base == BaseState::Completed;
    jobs.iter()
        .copied()
        .max_by_key(|job| (!gave_way(job), job.end_at, job.id))
}

/// What a job that is over says of its key.
pub(super) fn of_job(job: &Job, facts: &Facts, now: UnixSeconds) -> AllocationStatus {
    let end = match job.state.base {
        BaseState::Completed if since(job.end_at, now) < SETTLE_S => {
            return AllocationStatus::Running;
        }
        BaseState::Completed => match facts.exit {
            Some(code) => AllocationEnd::Exited { code },
            None => never("its batch script ended without a word", facts),
        },
        BaseState::Failed if job.state.flags.contains(&StateFlag::LaunchFailed) => {
            never("Slurm could not launch it", facts)
        }
        BaseState::Failed => failed(job.exit, facts),
        BaseState::Timeout | BaseState::Deadline => AllocationEnd::TimedOut,
        BaseState::NodeFail => AllocationEnd::NodesLost {
            nodes: only(node::names(&job.nodes)),
        },
        BaseState::Preempted => AllocationEnd::Preempted,
        BaseState::OutOfMemory => AllocationEnd::OutOfMemory,
        BaseState::BootFail => never("its nodes could not be booted", facts),
        BaseState::Cancelled => cancelled(facts),
        BaseState::Revoked => AllocationEnd::Cancelled,
        // One whose processes have been said to end for too long; nothing tells how it ended.
        BaseState::Pending | BaseState::Running | BaseState::Suspended => {
            AllocationEnd::Killed { signal: None }
        }
    };
    AllocationStatus::Ended { end }
}

/// The end of what Slurm knows nothing of any more: the agent's word, if it left one.
pub(super) fn unremembered(facts: &Facts) -> AllocationEnd {
    match facts.exit {
        Some(code) => AllocationEnd::Exited { code },
        None => AllocationEnd::Killed { signal: None },
    }
}

/// With one node there is no doubt about which was lost; Slurm does not tell.
fn only(nodes: Vec<NodeName>) -> Vec<NodeName> {
    match nodes.len() {
        1 => nodes,
        _ => Vec::new(),
    }
}

fn failed(exit: Option<Exit>, facts: &Facts) -> AllocationEnd {
    match (exit, facts.exit) {
        (Some(Exit { signal, .. }), _) if signal > 0 => AllocationEnd::Killed {
            signal: i32::try_from(signal).ok(),
        },
        (_, Some(code)) => AllocationEnd::Exited { code },
        (Some(Exit { code, .. }), None) => exited(i32::try_from(code).unwrap_or(i32::MAX), facts),
        (None, None) => AllocationEnd::Killed { signal: None },
    }
}

/// What was asked to end gently, and did or had nothing to end, has more to do.
fn cancelled(facts: &Facts) -> AllocationEnd {
    let more = ExitCode::MoreToDo.code();
    let is_whole = facts.starts.is_empty() || facts.exit == Some(more);
    match facts.stop {
        Some(StopHow::Gently) if is_whole => AllocationEnd::Exited { code: more },
        _ => AllocationEnd::Cancelled,
    }
}

/// An exit code of the script's. One that is not the agent's says that it did not end by itself; the
/// script has words of its own for that.
fn exited(code: i32, facts: &Facts) -> AllocationEnd {
    let own = [ExitCode::Ok, ExitCode::MoreToDo, ExitCode::GroupLost];
    let is_agents = facts.exit.is_some() || own.iter().any(|own| own.code() == code);
    match code {
        code if is_agents => AllocationEnd::Exited { code },
        code if code > SIGNAL_BASE => AllocationEnd::Killed {
            signal: Some(code - SIGNAL_BASE),
        },
        code => never(&format!("its batch script ended with code {code}"), facts),
    }
}

fn never(what: &str, facts: &Facts) -> AllocationEnd {
    let why = match facts.last_line.as_str() {
        "" => what.to_owned(),
        line => format!("{what}; its last line: {line}"),
    };
    AllocationEnd::NeverStarted { why }
}
