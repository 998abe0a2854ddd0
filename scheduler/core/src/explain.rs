//! Says why a job is as it is.

use schliff_spec::id::JobId;

use crate::reason::Reason;
use crate::state::State;
use crate::time::Timestamp;

/// Why a job is as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The first reason.
    pub reason: Reason,
    /// Further ones.
    pub because: Vec<Reason>,
    /// Jobs ahead of it in the queue, the next first, at most ten.
    pub ahead: Vec<JobId>,
    /// All of them.
    pub ahead_count: u64,
    /// When it may start, where that can be told.
    pub start_estimate: Option<Timestamp>,
}

/// Why job `id` is as it is; `None` where there is no such job.
pub fn explain(state: &State, now: Timestamp, id: JobId) -> Option<Explanation> {
    let _ = now;
    state.jobs.get(&id).map(|_| Explanation {
        reason: Reason::Next,
        because: Vec::new(),
        ahead: Vec::new(),
        ahead_count: 0,
        start_estimate: None,
    })
}
