//! A job in a list.

use schliff_wire::v1::{JobView, Phase};

use crate::query::ListQuery;
use crate::show::number;
use crate::show::phase::Look;
use crate::show::time::{Moment, span};

/// One line of the list of jobs.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) owner: String,
    pub(crate) owner_address: String,
    pub(crate) look: Look,
    pub(crate) reason: String,
    pub(crate) cluster: String,
    pub(crate) gauge: Option<Gauge>,
    pub(crate) speed: String,
    pub(crate) time: When,
    pub(crate) age: Moment,
    pub(crate) trials: Option<Fold>,
    pub(crate) is_trial: bool,
}

/// How far a job is.
#[derive(Clone, Debug)]
pub(crate) struct Gauge {
    pub(crate) step: u64,
    pub(crate) steps: u64,
    pub(crate) text: String,
    pub(crate) loss: String,
}

/// A sweep's trials, shown or not.
#[derive(Clone, Debug)]
pub(crate) struct Fold {
    pub(crate) is_open: bool,
    pub(crate) number: usize,
    pub(crate) address: String,
}

/// What is known of a job's time.
#[derive(Clone, Debug, Default)]
pub(crate) struct When {
    pub(crate) word: String,
    pub(crate) moment: Option<Moment>,
}

impl Row {
    pub(crate) fn of(job: &JobView, query: &ListQuery, now_ms: i64) -> Self {
        let is_open = query.open() == job.id;
        let trials = job.sweep.then(|| Fold {
            is_open,
            number: job.children.len(),
            address: query.with_open(if is_open { 0 } else { job.id }),
        });
        let speed = job
            .progress
            .as_ref()
            .and_then(|progress| progress.tokens_per_s);
        let is_running = job.phase() == Phase::Running;
        Self {
            id: job.id,
            name: job.name.clone(),
            label: job.label.clone(),
            owner: job.owner.clone(),
            owner_address: query.with_owner(&job.owner),
            look: Look::of(job),
            reason: reason(job),
            cluster: job.cluster.clone(),
            gauge: Gauge::of(job),
            speed: speed
                .filter(|_| is_running)
                .map(number::short)
                .unwrap_or_default(),
            time: When::of(job, now_ms),
            age: Moment {
                at_ms: job.submitted_ms,
                now_ms,
            },
            trials,
            is_trial: job.parent != 0,
        }
    }
}

/// The reason's text, where it says more than the phase.
pub(crate) fn reason(job: &JobView) -> String {
    let reason = job.reason.clone().unwrap_or_default();
    match reason.code.as_str() {
        "training" | "succeeded" => String::new(),
        _ => reason.text,
    }
}

impl Gauge {
    pub(crate) fn of(job: &JobView) -> Option<Self> {
        let progress = job
            .progress
            .as_ref()
            .filter(|progress| progress.steps > 0)?;
        let (step, steps) = (progress.step.min(progress.steps), progress.steps);
        let loss = match (progress.eval_loss, progress.loss) {
            (Some(loss), _) => format!("eval {}", number::loss(loss)),
            (None, Some(loss)) => format!("loss {}", number::loss(loss)),
            (None, None) => String::new(),
        };
        Some(Self {
            step,
            steps,
            text: format!("{} / {}", number::count(step), number::count(steps)),
            loss,
        })
    }
}

impl When {
    pub(crate) fn of(job: &JobView, now_ms: i64) -> Self {
        let remaining_ms = job
            .progress
            .as_ref()
            .map_or(0, |progress| progress.remaining_ms);
        let word = |word: String| Self { word, moment: None };
        match job.phase() {
            Phase::Done if job.started_ms > 0 && job.ended_ms > 0 => {
                word(format!("took {}", span(job.ended_ms - job.started_ms)))
            }
            Phase::Running if remaining_ms > 0 => word(format!("{} left", span(remaining_ms))),
            Phase::Queued | Phase::Allocating if job.start_estimate_ms > now_ms => Self {
                word: "starts".into(),
                moment: Some(Moment {
                    at_ms: job.start_estimate_ms,
                    now_ms,
                }),
            },
            _ => Self::default(),
        }
    }
}
