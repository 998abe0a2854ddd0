//! What follows because time has passed, or because another job changed.

use schliff_spec::id::JobId;

use super::end::is_time_over;
use super::halving::is_at_rung;
use super::{Draft, dispatch, halving};
use crate::ending::{Ending, Outcome};
use crate::fact::What;
use crate::job::{Attempt, Job, Phase, StopWhy};
use crate::policy::{GRACE_MS, SILENT_MS};
use crate::state::State;

pub(super) fn decide(draft: &mut Draft<'_>) {
    let state = draft.state;
    for job in state.live.iter().filter_map(|id| state.jobs.get(id)) {
        if let Some(attempt) = job.live() {
            watch(draft, job, attempt);
        }
    }
    for job in state.recovering.iter().filter_map(|id| state.jobs.get(id)) {
        if let Phase::Recovering { not_before, .. } = &job.phase
            && draft.now >= *not_before
        {
            draft.push(What::Requeued {
                job: job.id,
                failures: job.failures,
            });
        }
    }
    let queued = state.queue.iter().filter_map(|p| state.jobs.get(&p.job));
    for job in queued.filter(|job| !job.after.is_empty()) {
        if let Some(failed) = failed_before(state, job) {
            draft.push(What::Finished {
                job: job.id,
                outcome: Outcome::AfterFailed { job: failed },
            });
        }
    }
    halving::decide(draft);
    dispatch::decide(draft);
}

/// A job that had to succeed first and did not.
pub(super) fn failed_before(state: &State, job: &Job) -> Option<JobId> {
    let has_failed = |id: &JobId| {
        let outcome = state.jobs.get(id).and_then(Job::outcome);
        outcome.is_some_and(|outcome| *outcome != Outcome::Succeeded)
    };
    let needed = job.after.iter().filter(|after| !after.any_end);
    needed.map(|after| after.job).find(has_failed)
}

/// Whether an attempt is to stop, or to stop harder.
fn watch(draft: &mut Draft<'_>, job: &Job, attempt: &Attempt) {
    let now = draft.now;
    let (why, is_now) = match &job.stop {
        Some(stop) if stop.is_now => return,
        Some(stop) if now.since(stop.since) >= GRACE_MS => (stop.why.clone(), true),
        Some(_) => return,
        None => match fault(draft, job, attempt) {
            Some(ending) => (StopWhy::Failed { ending }, true),
            None if job.ask.budget.is_spent_by(job.used_until(now)) => {
                (StopWhy::BudgetSpent, false)
            }
            // Without a chain the limit of each allocation sees to it.
            None if attempt.requeues > 0 && is_time_over(draft, job) => (StopWhy::TimeOver, false),
            None if is_at_rung(draft.state, job, None) => (StopWhy::AtRung, false),
            None => return,
        },
    };
    draft.push(What::StopAsked {
        job: job.id,
        why,
        is_now,
    });
}

/// What is wrong with an attempt that does not end by itself.
fn fault(draft: &Draft<'_>, job: &Job, attempt: &Attempt) -> Option<Ending> {
    let now = draft.now;
    let cluster = draft.state.clusters.get(&attempt.cluster);
    if cluster.is_some_and(|cluster| cluster.terms.relayed) || attempt.adopts.is_some() {
        // Nothing is heard while the relay is away, though all may be well: the batch system and the
        // agents themselves end what hangs.
        return None;
    }
    match &job.phase {
        Phase::Starting { joined, deadline } if now >= *deadline => {
            let joined = u32::try_from(joined.len()).unwrap_or(u32::MAX);
            let expected = attempt.shape.nodes;
            (joined < expected).then_some(Ending::Incomplete { joined, expected })
        }
        _ => None,
    }
    .or_else(|| {
        let is_silent = now.since(attempt.heard_at()) >= SILENT_MS;
        (attempt.granted_at.is_some() && is_silent).then_some(Ending::Silent)
    })
}
