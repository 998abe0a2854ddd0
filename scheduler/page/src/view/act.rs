//! Pages that ask before something is done.

use askama::Template;

use crate::show::phase::Look;
use crate::source::Caller;
use crate::view::frame::Frame;
use schliff_wire::v1::JobView;

/// Before a job is cancelled.
#[derive(Template)]
#[template(path = "cancel.html")]
pub(crate) struct CancelPage {
    frame: Frame,
    id: u64,
    name: String,
    look: Look,
    is_sweep: bool,
    has_begun: bool,
    /// It stops already: only the hard way is left.
    is_stopping: bool,
}

impl CancelPage {
    pub(crate) fn of(job: &JobView, caller: &Caller) -> Self {
        Self {
            frame: Frame::new(format!("Cancel job {}", job.id), "jobs", caller),
            id: job.id,
            name: job.name.clone(),
            look: Look::of(job),
            is_sweep: job.sweep,
            has_begun: job.started_ms > 0,
            is_stopping: job.stopping,
        }
    }
}

/// Before a job is tried again.
#[derive(Template)]
#[template(path = "retry.html")]
pub(crate) struct RetryPage {
    frame: Frame,
    id: u64,
    name: String,
    look: Look,
    /// The step that it goes on from, 0 for the beginning.
    from_step: u64,
}

impl RetryPage {
    pub(crate) fn of(job: &JobView, caller: &Caller) -> Self {
        let newest = job
            .checkpoints
            .iter()
            .map(|checkpoint| checkpoint.step)
            .max();
        Self {
            frame: Frame::new(format!("Retry job {}", job.id), "jobs", caller),
            id: job.id,
            name: job.name.clone(),
            look: Look::of(job),
            from_step: newest.unwrap_or(0),
        }
    }
}
