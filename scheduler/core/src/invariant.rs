//! What must never be, each with one definition and an id.
//!
//! Run in the simulator after every event, and when a coordinator is asked about itself.
//! What can only be seen from outside (that older messages change nothing, that no action lacks its
//! fact, that replay gives the same state) is checked by the simulator: SCH-3, SCH-7, SCH-9.

use std::collections::BTreeMap;

use schliff_spec::id::{ClusterName, NodeName};

use crate::explain::explain;
use crate::job::{Job, Phase, Role};
use crate::reason::Reason;
use crate::state::{QueuePlace, State};
use crate::time::Timestamp;

/// Something that must never be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Such as `SCH-2`.
    pub id: &'static str,
    /// What was found.
    pub text: String,
}

/// Everything in `state` that must never be.
pub fn check(state: &State) -> Vec<Violation> {
    let mut found = Found(Vec::new());
    found.held(state);
    for job in state.jobs.values() {
        found.attempts(job);
        found.shapes(job);
        found.waits(job);
        found.ends(job);
        found.resumes(job);
        found.index(state, job);
    }
    found.0
}

struct Found(Vec<Violation>);

impl Found {
    fn unless(&mut self, is_right: bool, id: &'static str, text: impl FnOnce() -> String) {
        if !is_right {
            self.0.push(Violation { id, text: text() });
        }
    }

    /// SCH-1: what live attempts hold of a node is what is noted there, and no more than it has.
    fn held(&mut self, state: &State) {
        let mut held: BTreeMap<(&ClusterName, &NodeName), (u32, u32)> = BTreeMap::new();
        for attempt in state.jobs.values().filter_map(Job::live) {
            for node in attempt.held_nodes() {
                let sum = held.entry((&attempt.cluster, node)).or_default();
                sum.0 += attempt.shape.gpus_per_node;
                sum.1 += attempt.shape.cpus_per_node;
            }
        }
        for (cluster_name, cluster) in &state.clusters {
            for (name, node) in &cluster.nodes {
                let sum = held.get(&(cluster_name, name)).copied().unwrap_or_default();
                self.unless((node.gpus_held, node.cpus_held) == sum, "SCH-1", || {
                    format!("{name} of {cluster_name} is noted to be held otherwise than it is")
                });
                // The batch system's own placement is not ours to judge.
                let is_ours = cluster.terms.queue == crate::cluster::Queue::Ours;
                let fits = sum.0 <= node.gpus && sum.1 <= node.cpus;
                self.unless(!is_ours || !node.is_up || fits, "SCH-1", || {
                    format!("{name} of {cluster_name} is held by more than it has")
                });
            }
        }
    }

    /// SCH-2: at most the newest attempt is alive, and generations grow one by one.
    fn attempts(&mut self, job: &Job) {
        let alive = job.attempts.iter().filter(|a| a.ended.is_none()).count();
        let has_phase = matches!(
            job.phase,
            Phase::Allocating | Phase::Starting { .. } | Phase::Running { .. }
        );
        let is_one = alive == usize::from(job.live().is_some()) && has_phase == (alive == 1);
        self.unless(is_one, "SCH-2", || {
            format!(
                "job {} has {alive} live attempts in {:?}",
                job.id, job.phase
            )
        });
        let numbers = job.attempts.iter().map(|a| a.generation.0);
        let grow = numbers.zip(1..).all(|(own, wanted)| own == wanted);
        let newest = job.attempts.len() as u64 == job.generation.0;
        self.unless(grow && newest, "SCH-2", || {
            format!(
                "job {} has attempts that are not numbered one by one",
                job.id
            )
        });
    }

    /// SCH-11: an attempt that waits in the batch system, for the first time or again, has no nodes, no
    /// grant, and no last words by which it would be ended while it waits.
    fn waits(&mut self, job: &Job) {
        let Some(attempt) = job.live() else { return };
        let is_granted = attempt.granted_at.is_some();
        let is_free = !is_granted && attempt.nodes.is_empty();
        let is_right = (job.phase == Phase::Allocating) != is_granted && (is_granted || is_free);
        self.unless(is_right, "SCH-11", || {
            format!("job {} waits and has nodes, or runs and has none", job.id)
        });
        let is_ended = attempt.last_words.as_ref().is_some_and(|w| !w.are_final());
        self.unless(!attempt.waits_again() || !is_ended, "SCH-11", || {
            format!("job {} waits again with the last words of a run", job.id)
        });
    }

    /// SCH-4: each attempt has a shape that the job can train in, and no agents beyond it.
    fn shapes(&mut self, job: &Job) {
        let known = job
            .attempts
            .iter()
            .all(|a| job.ask.shapes.contains(&a.shape));
        self.unless(known, "SCH-4", || {
            format!(
                "job {} has an attempt in a shape that it cannot train in",
                job.id
            )
        });
        if let (Phase::Starting { joined, .. }, Some(attempt)) = (&job.phase, job.live()) {
            let inside = joined.iter().all(|node| *node < attempt.shape.nodes);
            self.unless(inside, "SCH-4", || {
                format!("job {} has agents from outside of its attempt", job.id)
            });
        }
    }

    /// SCH-5: failures stay within the retries. SCH-6: nothing of an ended job is alive.
    fn ends(&mut self, job: &Job) {
        self.unless(job.failures <= job.ask.retries, "SCH-5", || {
            format!("job {} has failed more often than it may", job.id)
        });
        let is_over = !job.is_done() || (job.live().is_none() && job.stop.is_none());
        self.unless(is_over, "SCH-6", || {
            format!("job {} has ended and something of it is alive", job.id)
        });
    }

    /// SCH-8: no attempt began behind an earlier one, nor beyond what was committed.
    fn resumes(&mut self, job: &Job) {
        let from: Vec<_> = job.attempts.iter().map(|a| a.resume_from).collect();
        let never_back = from.windows(2).all(|pair| pair[0] <= pair[1]);
        let within = from.last().is_none_or(|newest| *newest <= job.committed);
        self.unless(never_back && within, "SCH-8", || {
            format!(
                "job {} resumes from an older step than is committed",
                job.id
            )
        });
    }

    /// SCH-10: a job is in the one index of its phase, and one that waits has a reason.
    fn index(&mut self, state: &State, job: &Job) {
        let is_sweep = matches!(job.role, Role::Sweep { .. });
        let is_queued = job.phase == Phase::Queued;
        let placed = [
            (
                state.queue.contains(&QueuePlace::of(job)),
                is_queued && !is_sweep,
            ),
            (state.sweeps.contains(&job.id), is_queued && is_sweep),
            (
                state.comparing.contains(&job.id),
                is_queued && job.comparison.since.is_some(),
            ),
            (state.live.contains(&job.id), job.live().is_some()),
            (
                state.recovering.contains(&job.id),
                matches!(job.phase, Phase::Recovering { .. }),
            ),
        ];
        self.unless(
            placed.iter().all(|(is, ought)| is == ought),
            "SCH-10",
            || format!("job {} is not where its phase belongs", job.id),
        );
        if !job.is_done() && !is_queued {
            let explained = explain(state, Timestamp(0), job.id);
            let has = explained.is_some_and(|explained| explained.reason != Reason::Next);
            self.unless(has, "SCH-10", || {
                format!("job {} waits without a reason", job.id)
            });
        }
    }
}
