//! Says why a job is as it is. Derived from the state when somebody asks, so it is never stale.

mod queued;

use std::cell::OnceCell;

use schliff_spec::id::JobId;

use crate::job::{Attempt, Job, Phase};
use crate::policy::QUIET_MS;
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

impl Explanation {
    fn of(reason: Reason) -> Self {
        Self {
            reason,
            because: Vec::new(),
            ahead: Vec::new(),
            ahead_count: 0,
            start_estimate: None,
        }
    }
}

/// Why job `id` is as it is; `None` where there is no such job.
pub fn explain(state: &State, now: Timestamp, id: JobId) -> Option<Explanation> {
    Explainer::new(state, now).explain(id)
}

/// Explains many jobs of one state: what is the same for all of them is found once.
pub struct Explainer<'a> {
    state: &'a State,
    now: Timestamp,
    queue: OnceCell<queued::Queue<'a>>,
}

impl<'a> Explainer<'a> {
    /// Of this state; nothing is looked at before somebody asks.
    pub fn new(state: &'a State, now: Timestamp) -> Self {
        Self {
            state,
            now,
            queue: OnceCell::new(),
        }
    }

    /// As [`explain`].
    pub fn explain(&self, id: JobId) -> Option<Explanation> {
        let job = self.state.jobs.get(&id)?;
        let explanation = match (&job.phase, job.live()) {
            (Phase::Done { outcome, .. }, _) => Explanation::of(Reason::Done {
                outcome: outcome.clone(),
            }),
            (Phase::Queued, _) => {
                let queue = self
                    .queue
                    .get_or_init(|| queued::Queue::of(self.state, self.now));
                queue.explain(job)
            }
            (Phase::Recovering { cause, not_before }, _) => Explanation::of(Reason::BackOff {
                cause: cause.clone(),
                failures: job.failures,
                retries: job.ask.retries,
                not_before: *not_before,
                in_ms: not_before.since(self.now),
            }),
            (_, Some(attempt)) => live(job, attempt, self.now),
            // No phase but the above is without a live attempt (checked as SCH-2).
            (_, None) => Explanation::of(Reason::Next),
        };
        Some(explanation)
    }
}

fn live(job: &Job, attempt: &Attempt, now: Timestamp) -> Explanation {
    let mut explanation = Explanation::of(at_work(job, attempt, now));
    explanation.start_estimate = attempt.vitals.start_estimate;
    if job.phase == Phase::Allocating && !attempt.offers.is_empty() && attempt.requeues == 0 {
        explanation.because.push(Reason::Chosen {
            offers: attempt.offers.clone(),
            at: attempt.planned_at,
        });
    }
    if let Some(stop) = &job.stop {
        let before = std::mem::replace(
            &mut explanation.reason,
            Reason::Stopping {
                why: stop.why.clone(),
            },
        );
        explanation.because.push(before);
    }
    explanation
}

fn at_work(job: &Job, attempt: &Attempt, now: Timestamp) -> Reason {
    let cluster = attempt.cluster.clone();
    let silent_ms = now.since(attempt.heard_at());
    match &job.phase {
        Phase::Allocating if attempt.allocation.is_none() => Reason::Submitting {
            cluster,
            why: attempt.vitals.pending_why.clone(),
        },
        Phase::Allocating if attempt.waits_again() => Reason::Requeued {
            cluster,
            times: attempt.requeues,
            why: attempt.vitals.pending_why.clone(),
        },
        Phase::Allocating => Reason::Pending {
            cluster,
            why: attempt.vitals.pending_why.clone(),
        },
        Phase::Starting { joined, .. } => {
            let joined = u32::try_from(joined.len()).unwrap_or(u32::MAX);
            let expected = attempt.shape.nodes;
            match joined < expected {
                true => Reason::Joining { joined, expected },
                false => Reason::Preparing,
            }
        }
        _ if silent_ms >= QUIET_MS => Reason::Quiet { for_ms: silent_ms },
        _ => training(attempt),
    }
}

fn training(attempt: &Attempt) -> Reason {
    let of = attempt.shape.nodes;
    let fewer = attempt.crew.as_ref();
    let fewer = fewer.filter(|crew| crew.nodes.len() < of as usize);
    fewer.map_or(Reason::Training, |crew| Reason::FewerNodes {
        nodes: u32::try_from(crew.nodes.len()).unwrap_or(of),
        of,
        gone: crew
            .gone
            .iter()
            .filter_map(|node| attempt.node(*node))
            .cloned()
            .collect(),
    })
}
