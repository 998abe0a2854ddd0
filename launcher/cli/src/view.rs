//! What the coordinator tells, as text and as JSON.
//!
//! Rules: pure; every word that comes from elsewhere goes through [`crate::plain`]; what is unknown
//! is left out, never guessed. Absent on purpose: asking, which the verbs do.

pub(crate) mod check;
pub(crate) mod clusters;
pub(crate) mod ending;
pub(crate) mod explanation;
pub(crate) mod jobs;
pub(crate) mod json;
pub(crate) mod log;
pub(crate) mod status;

use schliff_wire::v1::{JobView, Phase, Reason};

use crate::plain;

/// A phase in a word.
pub(crate) fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Unspecified => "unknown",
        Phase::Queued => "queued",
        Phase::Allocating => "allocating",
        Phase::Starting => "starting",
        Phase::Running => "running",
        Phase::Recovering => "recovering",
        Phase::Done => "done",
    }
}

/// How a job is doing, in a word: its phase, or its outcome.
pub(crate) fn state_word(view: &JobView) -> String {
    match view.phase() {
        Phase::Done if !view.outcome.is_empty() => plain::line(&view.outcome),
        Phase::Done => "done".into(),
        _ if view.stopping => "stopping".into(),
        phase => phase_word(phase).into(),
    }
}

/// `job 42 service-desk`.
pub(crate) fn title(view: &JobView) -> String {
    let name = plain::line(&view.name);
    match view.label.as_str() {
        "" => format!("job {} {name}", view.id),
        label => format!("job {} {name} ({})", view.id, plain::line(label)),
    }
}

/// The words of a reason, one line.
pub(crate) fn reason_text(reason: Option<&Reason>) -> String {
    reason.map_or(String::new(), |reason| match reason.text.as_str() {
        "" => plain::line(&reason.code),
        text => plain::line(text),
    })
}

/// A count with its noun: `1 node`, `2 nodes`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        count => format!("{} {noun}s", crate::figures::count(count)),
    }
}
