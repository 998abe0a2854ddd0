//! Reasons and explanations.

use schliff_scheduler::ending::Ending;
use schliff_scheduler::reason::Reason;
use schliff_scheduler::time::Timestamp;
use schliff_spec::id::JobId;
use schliff_wire::v1;

use super::{Look, job};
use crate::clock::wire_ms;

/// Why a job is as it is; `None` where there is no such job.
pub(crate) fn explanation(look: Look<'_>, id: JobId) -> Option<v1::Explanation> {
    let explained = look.explainer.explain(id)?;
    let job = look.state.jobs.get(&id)?;
    Some(v1::Explanation {
        job: id.0,
        phase: job::phase(&job.phase) as i32,
        reason: Some(told(&explained.reason)),
        because: explained.because.iter().map(told).collect(),
        ahead: explained.ahead.iter().map(|job| job.0).collect(),
        ahead_count: explained.ahead_count,
        start_estimate_ms: or_zero(explained.start_estimate),
    })
}

/// A reason in words, with what can be done about it.
pub(crate) fn told(reason: &Reason) -> v1::Reason {
    v1::Reason {
        code: reason.code().to_owned(),
        text: reason.to_string(),
        hint: reason.hint(),
    }
}

pub(super) fn ending(ending: &Ending) -> v1::Reason {
    v1::Reason {
        code: ending.code().to_owned(),
        text: ending.to_string(),
        hint: String::new(),
    }
}

pub(super) fn or_zero(at: Option<Timestamp>) -> i64 {
    at.map_or(0, wire_ms)
}
