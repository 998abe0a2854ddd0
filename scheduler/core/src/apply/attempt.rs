//! What facts do to a job's newest attempt.

use std::collections::BTreeSet;

use schliff_spec::id::{ClusterName, Generation, NodeName};

use crate::ending::Ending;
use crate::fact::{Fact, What};
use crate::job::{Attempt, Comparison, Job, LastWords, Phase, Vitals};
use crate::shape::Shape;
use crate::time::Timestamp;

/// What a live attempt holds: on which nodes, how much of each.
pub(super) fn holds(job: &Job) -> Option<(ClusterName, Vec<NodeName>, Shape)> {
    let live = job.live()?;
    let nodes = live.held_nodes();
    let some = !nodes.is_empty();
    some.then(|| (live.cluster.clone(), nodes.to_vec(), live.shape))
}

/// Facts about an attempt; those about another than the newest change nothing.
pub(super) fn change(job: &mut Job, fact: &Fact) {
    let at = fact.at;
    match &fact.what {
        What::Planned { .. } => planned(job, fact),
        What::Ended {
            generation,
            ending,
            usage,
            ..
        } => {
            if let Some(attempt) = live(job, *generation) {
                attempt.ended = Some((ending.clone(), at));
                job.used = job.used.plus(*usage);
            }
        }
        What::Committed {
            generation, step, ..
        } => {
            // Also where it has ended just now: the checkpoint is there, and the news came later.
            if *generation == job.generation && job.committed.is_none_or(|newest| newest < *step) {
                job.committed = Some(*step);
                job.failures = 0;
            }
        }
        What::Regrouped {
            generation, crew, ..
        } => {
            if let Some(attempt) = live(job, *generation) {
                attempt.crew = Some(crew.clone());
            }
        }
        _ => alive(job, fact),
    }
}

/// Facts about an attempt that is alive.
fn alive(job: &mut Job, fact: &Fact) {
    let at = fact.at;
    match &fact.what {
        What::Chosen {
            generation, offers, ..
        } => {
            if let Some(attempt) = live(job, *generation) {
                attempt.offers.clone_from(offers);
            }
        }
        What::Accepted {
            generation,
            allocation,
            ..
        } => {
            if let Some(attempt) = live(job, *generation) {
                attempt.allocation = Some(allocation.clone());
                // Why it was not taken before.
                attempt.vitals.pending_why.clear();
            }
        }
        What::Granted {
            generation,
            nodes,
            deadline,
            ..
        } => {
            if let Some(attempt) = live(job, *generation) {
                attempt.granted_at.get_or_insert(at);
                attempt.nodes.clone_from(nodes);
                attempt.vitals.heard_at = Some(at);
                if job.phase == Phase::Allocating {
                    job.phase = Phase::Starting {
                        joined: BTreeSet::new(),
                        deadline: *deadline,
                    };
                }
            }
        }
        What::RequeuedInPlace { .. } => requeued(job, fact),
        What::Joined {
            generation, node, ..
        } => {
            if live(job, *generation).is_some()
                && let Phase::Starting { joined, .. } = &mut job.phase
            {
                joined.insert(*node);
            }
        }
        What::Started { generation, .. } => {
            if let Some(attempt) = live(job, *generation) {
                attempt.running_at.get_or_insert(at);
                job.phase = Phase::Running { since: at };
            }
        }
        What::Spoke {
            generation, words, ..
        } => {
            if let Some(attempt) = live(job, *generation) {
                // What a run said that was not the last gives way to what the last one says.
                if attempt.may_be_outspoken() {
                    attempt.last_words = Some(words.clone());
                }
                attempt.vitals.heard_at = Some(at);
            }
        }
        _ => vitals(job, fact),
    }
}

/// Facts that are not kept.
fn vitals(job: &mut Job, fact: &Fact) {
    let at = fact.at;
    match &fact.what {
        What::Heard {
            generation,
            step,
            steps,
            ..
        } => {
            if let Some(attempt) = live(job, *generation) {
                let vitals = &mut attempt.vitals;
                vitals.heard_at = Some(at);
                vitals.missing_since = None;
                vitals.step = step.or(vitals.step);
                vitals.steps = steps.or(vitals.steps);
            }
        }
        What::Waiting {
            generation,
            why,
            start_estimate,
            ..
        } => {
            if let Some(attempt) = live(job, *generation) {
                attempt.vitals.pending_why.clone_from(why);
                attempt.vitals.start_estimate = *start_estimate;
                attempt.vitals.missing_since = None;
            }
        }
        What::Seen { generation, .. } => {
            if let Some(attempt) = live(job, *generation) {
                attempt.vitals.missing_since = None;
            }
        }
        What::Missed { generation, .. } => {
            if let Some(attempt) = live(job, *generation) {
                attempt.vitals.missing_since.get_or_insert(at);
            }
        }
        _ => {}
    }
}

/// It waits again: what the run that is over had is gone, what it used stays.
fn requeued(job: &mut Job, fact: &Fact) {
    let What::RequeuedInPlace {
        generation,
        why,
        ran_ms,
        ..
    } = &fact.what
    else {
        return;
    };
    let Some(attempt) = live(job, *generation) else {
        return;
    };
    attempt.requeues += 1;
    attempt.earlier_ms = attempt.earlier_ms.saturating_add(*ran_ms);
    attempt.granted_at = None;
    attempt.nodes.clear();
    attempt.crew = None;
    if attempt.may_be_outspoken() {
        attempt.last_words = None;
    }
    attempt.vitals.missing_since = None;
    attempt.vitals.pending_why.clone_from(why);
    attempt.vitals.start_estimate = None;
    job.phase = Phase::Allocating;
}

fn planned(job: &mut Job, fact: &Fact) {
    let What::Planned {
        generation,
        cluster,
        shape,
        placement,
        time_limit_ms,
        resume_from,
        adopts,
        ..
    } = &fact.what
    else {
        return;
    };
    if *generation <= job.generation {
        return;
    }
    job.generation = *generation;
    job.phase = Phase::Allocating;
    job.comparison = Comparison::default();
    job.attempts.push(Attempt {
        generation: *generation,
        cluster: cluster.clone(),
        shape: *shape,
        placement: placement.clone(),
        time_limit_ms: *time_limit_ms,
        planned_at: fact.at,
        resume_from: *resume_from,
        allocation: None,
        granted_at: None,
        nodes: Vec::new(),
        running_at: None,
        ended: None,
        last_words: None,
        adopts: adopts.clone(),
        requeues: 0,
        earlier_ms: 0,
        offers: Vec::new(),
        crew: None,
        vitals: Vitals::default(),
    });
}

/// The newest attempt, if it is this one and alive.
fn live(job: &mut Job, generation: Generation) -> Option<&mut Attempt> {
    let newest = job.attempts.last_mut()?;
    (newest.generation == generation && newest.ended.is_none()).then_some(newest)
}

impl Attempt {
    /// How it ended.
    pub fn ending(&self) -> Option<&Ending> {
        self.ended.as_ref().map(|(ending, _)| ending)
    }

    /// Whether further words may follow its last ones. Nothing follows where the job is at its end by
    /// them; but what failed before it was adopted may have been mended.
    pub(crate) fn may_be_outspoken(&self) -> bool {
        let are_final = self.last_words.as_ref().is_some_and(LastWords::are_final);
        !are_final || self.adopts.is_some()
    }

    /// When it was last heard, or could have been first.
    pub fn heard_at(&self) -> Timestamp {
        let first = self.granted_at.unwrap_or(self.planned_at);
        self.vitals.heard_at.unwrap_or(first)
    }
}
