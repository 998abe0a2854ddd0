//! Puts facts into the state: the only place where it changes.
//!
//! Rules: a fact that does not fit the state (of a job that is unknown, of an older generation) changes
//! nothing, so that replay cannot fail; [`crate::invariant`] would tell of what it left behind.

mod attempt;
mod place;
mod restore;

use std::sync::Arc;

use schliff_spec::id::{ClusterName, Generation, JobId};

use crate::ask::{After, Ask, Sweep};
use crate::cluster::{Cluster, Node, Terms};
use crate::fact::{Fact, What};
use crate::job::{Comparison, Job, Phase, Role, Stop};
use crate::shape::Usage;
use crate::state::{QueuePlace, State};
use crate::time::Timestamp;

impl State {
    /// Puts one fact into it.
    pub fn apply(&mut self, fact: &Fact) {
        let at = fact.at;
        match &fact.what {
            What::ClusterAdded { cluster, terms } => self.add_cluster(cluster, terms.clone()),
            What::ClusterRemoved { cluster } => {
                self.clusters.remove(cluster);
            }
            What::Submitted { .. } => self.submitted(fact),
            What::NodeStruck { cluster, node } => {
                if let Some(cluster) = self.clusters.get_mut(cluster) {
                    cluster.strike(node, at);
                }
            }
            What::NodesSeen { cluster, nodes } => {
                if let Some(cluster) = self.clusters.get_mut(cluster) {
                    cluster.see(nodes);
                }
            }
            What::ClusterSeen { cluster } => {
                if let Some(cluster) = self.clusters.get_mut(cluster) {
                    cluster.observed_at = Some(at);
                }
            }
            _ => self.apply_to_job(fact),
        }
    }

    fn add_cluster(&mut self, name: &ClusterName, terms: Terms) {
        if let Some(known) = self.clusters.get_mut(name) {
            known.terms = terms;
            return;
        }
        let new = Cluster {
            name: name.clone(),
            terms,
            nodes: Default::default(),
            strikes: Default::default(),
            observed_at: None,
        };
        self.clusters.insert(name.clone(), new);
        self.hold_again(name);
    }

    fn submitted(&mut self, fact: &Fact) {
        let What::Submitted {
            job,
            request_id,
            owner,
            ask,
            after,
            sweep,
            trial_of,
            retry_of,
        } = &fact.what
        else {
            return;
        };
        if self.jobs.contains_key(job) {
            return;
        }
        let role = match (sweep, trial_of) {
            (Some(sweep), _) => sweep_role(sweep),
            (None, Some((parent, label))) => Role::Trial {
                parent: *parent,
                label: label.clone(),
                rung: 0,
                is_paused: false,
            },
            (None, None) => Role::Single,
        };
        if let Role::Trial { parent, .. } = role
            && let Some(parent) = self.jobs.get_mut(&parent)
            && let Role::Sweep { trials, .. } = &mut parent.role
        {
            trials.push(*job);
        }
        if !request_id.is_empty() {
            self.requests.insert(request_id.clone(), *job);
        }
        let mut new = new_job(*job, (owner, role), (ask, after), fact.at);
        new.retry_of = *retry_of;
        if let Some(earlier) = retry_of.and_then(|earlier| self.jobs.get(&earlier)) {
            new.committed = earlier.committed;
            new.measures = earlier.measures.clone();
        }
        self.index(&new);
        self.jobs.insert(*job, new);
    }

    /// Facts about one job that exists. Its places in the indexes are taken out and put in anew.
    fn apply_to_job(&mut self, fact: &Fact) {
        let Some(id) = fact.job() else { return };
        let Some(mut job) = self.jobs.remove(&id) else {
            return;
        };
        let moves = !matches!(
            fact.what,
            What::Heard { .. }
                | What::Waiting { .. }
                | What::Estimated { .. }
                | What::Seen { .. }
                | What::Missed { .. }
        );
        if moves {
            self.unindex(&job);
        }
        let held = attempt::holds(&job);
        change(&mut job, fact);
        self.hold(held, attempt::holds(&job));
        if moves {
            self.index(&job);
        }
        self.jobs.insert(id, job);
    }

    fn index(&mut self, job: &Job) {
        let is_sweep = matches!(job.role, Role::Sweep { .. });
        match &job.phase {
            Phase::Queued if is_sweep => {
                self.sweeps.insert(job.id);
            }
            Phase::Queued => {
                self.queue.insert(QueuePlace::of(job));
                if job.comparison.since.is_some() {
                    self.comparing.insert(job.id);
                }
            }
            Phase::Allocating | Phase::Starting { .. } | Phase::Running { .. } => {
                self.live.insert(job.id);
            }
            Phase::Recovering { .. } => {
                self.recovering.insert(job.id);
            }
            Phase::Done { .. } => {}
        }
    }

    fn unindex(&mut self, job: &Job) {
        self.queue.remove(&QueuePlace::of(job));
        self.comparing.remove(&job.id);
        self.live.remove(&job.id);
        self.recovering.remove(&job.id);
        self.sweeps.remove(&job.id);
    }
}

fn sweep_role(sweep: &Sweep) -> Role {
    Role::Sweep {
        sweep: sweep.clone(),
        trials: Vec::new(),
    }
}

fn new_job(
    id: JobId,
    (owner, role): (&str, Role),
    (ask, after): (&Ask, &[After]),
    submitted_at: Timestamp,
) -> Job {
    Job {
        id,
        owner: owner.to_owned(),
        ask: Arc::new(ask.clone()),
        role,
        retry_of: None,
        after: after.to_vec(),
        submitted_at,
        phase: Phase::Queued,
        generation: Generation(0),
        attempts: Vec::new(),
        committed: None,
        comparison: Comparison::default(),
        measures: Default::default(),
        stop: None,
        failures: 0,
        used: Usage::default(),
    }
}

/// What a fact does to its job.
fn change(job: &mut Job, fact: &Fact) {
    let at = fact.at;
    match &fact.what {
        What::Measured { step, loss, .. } => {
            job.measures.insert(*step, *loss);
        }
        What::Comparing { .. } => {
            job.comparison = Comparison {
                since: Some(at),
                answers: Default::default(),
            };
        }
        What::Estimated {
            cluster, estimate, ..
        } => {
            let answers = &mut job.comparison.answers;
            answers.insert(cluster.clone(), estimate.clone());
        }
        What::StopAsked { why, is_now, .. } => {
            job.stop = Some(Stop {
                why: why.clone(),
                since: job.stop.as_ref().map_or(at, |stop| stop.since),
                is_now: *is_now,
            });
        }
        What::Requeued { failures, .. } => {
            job.failures = *failures;
            job.stop = None;
            job.phase = Phase::Queued;
        }
        What::RetryPlanned {
            cause,
            failures,
            not_before,
            ..
        } => {
            job.failures = *failures;
            job.stop = None;
            job.phase = Phase::Recovering {
                cause: cause.clone(),
                not_before: *not_before,
            };
        }
        What::Paused { .. } | What::Promoted { .. } => change_trial(job, &fact.what),
        What::Finished { outcome, .. } => {
            job.stop = None;
            job.phase = Phase::Done {
                outcome: outcome.clone(),
                at,
            };
        }
        _ => attempt::change(job, fact),
    }
}

fn change_trial(job: &mut Job, what: &What) {
    if let Role::Trial {
        rung, is_paused, ..
    } = &mut job.role
    {
        match what {
            What::Promoted { rung: passed, .. } => (*rung, *is_paused) = (*passed, false),
            _ => *is_paused = true,
        }
    }
    job.stop = None;
    job.phase = Phase::Queued;
}

impl Cluster {
    fn see(&mut self, reports: &[crate::allocation::NodeReport]) {
        let mut held: std::collections::BTreeMap<_, _> = std::mem::take(&mut self.nodes);
        for report in reports {
            let before = held.remove(&report.name);
            let node = Node {
                is_up: report.is_up,
                gpus: report.gpus,
                cpus: report.cpus,
                gpus_held: before.map_or(0, |node| node.gpus_held),
                cpus_held: before.map_or(0, |node| node.cpus_held),
            };
            self.nodes.insert(report.name.clone(), node);
        }
        // What attempts hold is remembered until they end, also on a node that is not told of now.
        for (name, node) in held {
            if node.gpus_held > 0 || node.cpus_held > 0 {
                self.nodes.insert(
                    name,
                    Node {
                        is_up: false,
                        ..node
                    },
                );
            }
        }
    }
}
