//! Sweeps: trials are compared at rungs, and a sweep ends with its last trial.

use schliff_spec::id::{JobId, Step};

use super::Draft;
use crate::ask::{Halving, Sweep};
use crate::ending::Outcome;
use crate::fact::What;
use crate::job::{Job, Role, StopWhy};
use crate::state::State;

/// Whether a trial has measured what its rung compares, `more` included.
pub(super) fn is_at_rung(state: &State, job: &Job, more: Option<Step>) -> bool {
    let Some(step) = rung_of(state, job) else {
        return false;
    };
    more.is_some_and(|more| more >= step) || job.measures.range(step..).next().is_some()
}

/// The step of the rung that a trial has not passed yet.
fn rung_of(state: &State, job: &Job) -> Option<Step> {
    let Role::Trial { parent, rung, .. } = &job.role else {
        return None;
    };
    let halving = halving_of(state.jobs.get(parent)?)?;
    halving.rungs.get(*rung as usize).copied()
}

fn halving_of(sweep: &Job) -> Option<&Halving> {
    match &sweep.role {
        Role::Sweep { sweep, .. } => sweep.halving.as_ref(),
        _ => None,
    }
}

/// Trials of the same rung that are neither there yet nor have ended.
pub(crate) fn rung_missing(state: &State, parent: JobId, rung: u32) -> u32 {
    let Some(Role::Sweep { trials, .. }) = state.jobs.get(&parent).map(|job| &job.role) else {
        return 0;
    };
    let open = trials.iter().filter_map(|trial| state.jobs.get(trial));
    let missing = open.filter(|trial| !trial.is_done() && is_on_the_way(trial, rung));
    u32::try_from(missing.count()).unwrap_or(u32::MAX)
}

/// Whether a trial is to reach rung `rung` and is not there.
fn is_on_the_way(trial: &Job, rung: u32) -> bool {
    match &trial.role {
        Role::Trial {
            rung: own,
            is_paused,
            ..
        } => *own < rung || (*own == rung && !is_paused),
        _ => false,
    }
}

/// What follows for all sweeps.
pub(super) fn decide(draft: &mut Draft<'_>) {
    let state = draft.state;
    for sweep in state.sweeps.iter().filter_map(|id| state.jobs.get(id)) {
        let Role::Sweep {
            sweep: terms,
            trials,
        } = &sweep.role
        else {
            continue;
        };
        let trials: Vec<&Job> = trials.iter().filter_map(|id| state.jobs.get(id)).collect();
        if trials.iter().all(|trial| trial.is_done()) {
            finish(draft, sweep, &trials);
        } else {
            compare(draft, sweep.id, terms, &trials);
        }
    }
}

fn finish(draft: &mut Draft<'_>, sweep: &Job, trials: &[&Job]) {
    let has_succeeded = |trial: &&Job| trial.outcome() == Some(&Outcome::Succeeded);
    let outcome = match sweep.stop.as_ref().map(|stop| &stop.why) {
        Some(StopWhy::Cancelled { by, why }) => Outcome::Cancelled {
            by: by.clone(),
            why: why.clone(),
        },
        _ if trials.iter().any(has_succeeded) => Outcome::Succeeded,
        _ => Outcome::NoTrialSucceeded,
    };
    draft.push(What::Finished {
        job: sweep.id,
        outcome,
    });
}

/// Decides each rung that all its trials have reached.
fn compare(draft: &mut Draft<'_>, sweep: JobId, terms: &Sweep, trials: &[&Job]) {
    let Some(halving) = &terms.halving else {
        return;
    };
    for (rung, step) in (0..).zip(&halving.rungs) {
        if rung_missing(draft.state, sweep, rung) > 0 {
            return;
        }
        let mut here: Vec<&&Job> = trials
            .iter()
            .filter(|trial| !trial.is_done() && is_paused_at(trial, rung))
            .collect();
        if here.is_empty() {
            continue;
        }
        here.sort_by(|a, b| loss_at(a, *step).total_cmp(&loss_at(b, *step)));
        let of = u32::try_from(here.len()).unwrap_or(u32::MAX);
        let best = (of / halving.eta.max(2)).max(1);
        for (place, trial) in (1..).zip(here) {
            draft.push(match place <= best {
                true => What::Promoted {
                    job: trial.id,
                    rung: rung + 1,
                },
                false => What::Finished {
                    job: trial.id,
                    outcome: Outcome::Pruned { place, of },
                },
            });
        }
        return;
    }
}

fn is_paused_at(trial: &Job, at: u32) -> bool {
    matches!(&trial.role, Role::Trial { rung, is_paused: true, .. } if *rung == at)
}

/// The held-out loss at a rung's step, or the first one after it.
fn loss_at(trial: &Job, step: Step) -> f64 {
    let measured = trial.measures.range(step..).next();
    measured.map_or(f64::INFINITY, |(_, loss)| *loss)
}
