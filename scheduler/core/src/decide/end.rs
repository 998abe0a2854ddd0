//! The end of an attempt, and what follows for its job.

use schliff_spec::id::NodeName;

use super::Draft;
use super::halving::is_at_rung;
use crate::ending::{Consequence, Ending, Outcome};
use crate::fact::What;
use crate::job::{Attempt, Job, StopWhy};
use crate::policy::pause_ms;

/// Ends an attempt: its nodes are free, failures are blamed, the job goes on or ends.
pub(super) fn attempt(draft: &mut Draft<'_>, job: &Job, attempt: &Attempt, ending: Ending) {
    // What was taken down for a failure failed by that.
    let ending = match job.stop.as_ref().map(|stop| &stop.why) {
        Some(StopWhy::Failed { ending: cause }) if ending != Ending::Finished => cause.clone(),
        _ => ending,
    };
    draft.push(What::Ended {
        job: job.id,
        generation: attempt.generation,
        ending: ending.clone(),
        usage: attempt.usage(draft.now),
    });
    for node in culprits(attempt, &ending) {
        draft.push(What::NodeStruck {
            cluster: attempt.cluster.clone(),
            node,
        });
    }
    match asked_for(job, &ending) {
        Some(Asked::Outcome(outcome)) => finish(draft, job, outcome),
        Some(Asked::Pause) => draft.push(What::Paused { job: job.id }),
        None => go_on(draft, job, attempt, ending),
    }
}

/// What somebody wanted of it.
enum Asked {
    Outcome(Outcome),
    Pause,
}

/// What follows where the job was asked to stop. An attempt that came to its end all the same counts.
fn asked_for(job: &Job, ending: &Ending) -> Option<Asked> {
    let consequence = ending.consequence();
    if consequence == Consequence::Success {
        return None;
    }
    let outcome = match &job.stop.as_ref()?.why {
        StopWhy::Cancelled { by, why } => Outcome::Cancelled {
            by: by.clone(),
            why: why.clone(),
        },
        StopWhy::BudgetSpent => Outcome::BudgetSpent,
        StopWhy::TimeOver => Outcome::Failed {
            ending: Ending::TimedOut,
            error: String::new(),
        },
        StopWhy::AtRung if consequence != Consequence::Failure => return Some(Asked::Pause),
        StopWhy::AtRung | StopWhy::Failed { .. } => return None,
    };
    Some(Asked::Outcome(outcome))
}

fn go_on(draft: &mut Draft<'_>, job: &Job, attempt: &Attempt, ending: Ending) {
    let has_gained = job.committed > attempt.resume_from;
    match ending.consequence() {
        Consequence::Success => finish(draft, job, Outcome::Succeeded),
        Consequence::Failure => fail(draft, job, attempt, ending),
        Consequence::Cancelled => {
            let outcome = Outcome::Cancelled {
                by: "somebody in the batch system".into(),
                why: String::new(),
            };
            finish(draft, job, outcome);
        }
        _ if is_at_rung(draft.state, job, None) => draft.push(What::Paused { job: job.id }),
        _ if is_budget_spent(draft, job) => finish(draft, job, Outcome::BudgetSpent),
        Consequence::GoOn if has_gained || ending != Ending::MoreToDo => {
            if is_time_over(draft, job) {
                return fail(draft, job, attempt, Ending::TimedOut);
            }
            draft.push(What::Requeued {
                job: job.id,
                failures: if has_gained { 0 } else { job.failures },
            });
        }
        Consequence::GoOn | Consequence::Retry => retry(draft, job, attempt, ending),
    }
}

fn retry(draft: &mut Draft<'_>, job: &Job, attempt: &Attempt, ending: Ending) {
    let failures = job.failures.saturating_add(1);
    if failures > job.ask.retries {
        return fail(draft, job, attempt, ending);
    }
    draft.push(What::RetryPlanned {
        job: job.id,
        cause: ending,
        failures,
        not_before: draft.now.plus(pause_ms(failures)),
    });
}

fn fail(draft: &mut Draft<'_>, job: &Job, attempt: &Attempt, ending: Ending) {
    let error = attempt.last_words.as_ref();
    let error = error.map_or(String::new(), |words| words.error.clone());
    finish(draft, job, Outcome::Failed { ending, error });
}

fn finish(draft: &mut Draft<'_>, job: &Job, outcome: Outcome) {
    draft.push(What::Finished {
        job: job.id,
        outcome,
    });
}

fn is_budget_spent(draft: &Draft<'_>, job: &Job) -> bool {
    job.ask.budget.is_spent_by(job.used_until(draft.now))
}

/// The wall time that the job asked for, over all its attempts, is over.
pub(super) fn is_time_over(draft: &Draft<'_>, job: &Job) -> bool {
    let Some(time_ms) = job.ask.time_ms else {
        return false;
    };
    job.ran_ms(draft.now) >= time_ms
}

impl Job {
    /// Wall time of all attempts until `now`.
    pub(crate) fn ran_ms(&self, now: crate::time::Timestamp) -> u64 {
        self.attempts.iter().map(|it| it.ran_ms(now)).sum()
    }

    /// Wall time that it still needs, where its file says how much that is in all.
    pub(crate) fn left_ms(&self, now: crate::time::Timestamp) -> Option<u64> {
        let needs_ms = self.ask.time_ms?;
        Some(needs_ms.saturating_sub(self.ran_ms(now)))
    }
}

/// Nodes that an ending is blamed on.
fn culprits(attempt: &Attempt, ending: &Ending) -> Vec<NodeName> {
    let is_own = |node: &NodeName| attempt.held_nodes().contains(node);
    match ending {
        Ending::NodesLost { nodes } => nodes.iter().filter(|n| is_own(n)).cloned().collect(),
        Ending::GroupLost | Ending::Killed { .. } | Ending::OutOfMemory => {
            let culprit = attempt.last_words.as_ref();
            let culprit = culprit.and_then(|words| words.culprit.clone());
            culprit.into_iter().filter(is_own).collect()
        }
        // With one node there is no doubt about which.
        Ending::NeverStarted { .. } | Ending::Silent | Ending::Vanished => {
            match attempt.held_nodes() {
                [only] => vec![only.clone()],
                _ => Vec::new(),
            }
        }
        _ => Vec::new(),
    }
}
