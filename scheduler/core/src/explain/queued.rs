//! What a queued job waits for.

use schliff_spec::id::JobId;

use super::Explanation;
use crate::cluster::{Cluster, Queue};
use crate::decide::{AtWork, Room, Wait, avoided, rung_missing, waiting_for, waits_since};
use crate::job::{Job, Phase, Role};
use crate::policy::STARVE_MS;
use crate::reason::Reason;
use crate::shape::Shape;
use crate::state::{QueuePlace, State};
use crate::time::Timestamp;

/// Jobs ahead that are named.
const NAMED: usize = 10;

pub(super) fn explain(state: &State, now: Timestamp, job: &Job) -> Explanation {
    if let Role::Sweep { trials, .. } = &job.role {
        let is_done = |id: &&JobId| state.jobs.get(id).is_some_and(Job::is_done);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        return Explanation::of(Reason::Trials {
            ended: count(trials.iter().filter(is_done).count()),
            of: count(trials.len()),
        });
    }
    match waiting_for(state, job, &AtWork::of(state)) {
        Wait::Jobs(jobs) => Explanation::of(Reason::AfterJobs { jobs }),
        Wait::SweepLimit { sweep, most } => Explanation::of(Reason::SweepLimit { sweep, most }),
        Wait::Rung { sweep, rung } => Explanation::of(Reason::Rung {
            sweep,
            missing: rung_missing(state, sweep, rung),
        }),
        Wait::Nothing => for_room(state, now, job),
    }
}

/// It could begin, were there room.
fn for_room(state: &State, now: Timestamp, job: &Job) -> Explanation {
    let eligible: Vec<&Cluster> = match &job.ask.cluster {
        Some(name) => state.clusters.get(name).into_iter().collect(),
        None => state.clusters.values().collect(),
    };
    if eligible.is_empty() {
        return Explanation::of(Reason::ClusterGone {
            cluster: job.ask.cluster.clone(),
        });
    }
    let ahead = ahead(state, job);
    let mut reasons = eligible
        .iter()
        .map(|cluster| at(state, now, job, cluster, &ahead));
    let first = reasons.next().unwrap_or(Reason::Next);
    let mut explanation = Explanation::of(first);
    explanation.because = reasons.collect();
    explanation.ahead = ahead.iter().take(NAMED).copied().collect();
    explanation.ahead_count = ahead.len() as u64;
    if ahead.is_empty() {
        let estimates = eligible.iter();
        explanation.start_estimate = estimates
            .filter_map(|cluster| estimate(state, now, job.ask.wanted(), cluster))
            .min();
    }
    explanation
}

/// Jobs that go before it to a cluster where it may run, the next first.
fn ahead(state: &State, job: &Job) -> Vec<JobId> {
    let own = QueuePlace::of(job);
    let may_meet = |other: &Job| match (&job.ask.cluster, &other.ask.cluster) {
        (Some(own), Some(theirs)) => own == theirs,
        _ => true,
    };
    let before = state.queue.range(..own);
    let before = before.filter_map(|place| state.jobs.get(&place.job));
    let at_work = AtWork::of(state);
    before
        .filter(|other| may_meet(other) && waiting_for(state, other, &at_work) == Wait::Nothing)
        .map(|other| other.id)
        .collect()
}

/// Why it does not begin on one cluster.
fn at(state: &State, now: Timestamp, job: &Job, cluster: &Cluster, ahead: &[JobId]) -> Reason {
    let name = cluster.name.clone();
    if cluster.observed_at.is_none() {
        return Reason::ClusterUnseen { cluster: name };
    }
    if cluster.terms.queue == Queue::Theirs {
        let most = cluster.terms.max_waiting.unwrap_or(u32::MAX);
        // Those ahead take the places that are left.
        let ahead = ahead.iter().filter_map(|id| state.jobs.get(id));
        let ahead = ahead.filter(|other| may_run_on(cluster, other)).count();
        let ahead = u32::try_from(ahead).unwrap_or(u32::MAX);
        return match waiting_at(state, cluster).saturating_add(ahead) >= most {
            true => Reason::ClusterQueueFull {
                cluster: name,
                most,
            },
            false => Reason::Next,
        };
    }
    let shape = job.ask.wanted();
    let avoided = avoided(cluster, now);
    let free = Room::of(cluster, &avoided).nodes_for(shape);
    if free >= shape.nodes as usize {
        let long = ahead.iter().filter_map(|id| state.jobs.get(id));
        let kept = long
            .filter(|other| now.since(waits_since(other)) >= STARVE_MS)
            .find(|other| keeps(cluster, other));
        return match kept {
            Some(first) => Reason::Behind {
                job: first.id,
                cluster: name,
            },
            None => Reason::Next,
        };
    }
    let out: Vec<_> = cluster
        .nodes
        .iter()
        .filter(|(name, node)| fits(node, shape) && (!node.is_up || avoided.contains(name)))
        .map(|(name, _)| name.clone())
        .collect();
    if could(cluster, shape) - out_and_up(cluster, &out) < shape.nodes as usize && !out.is_empty() {
        return Reason::NodesAvoided {
            cluster: name,
            nodes: out,
        };
    }
    Reason::Capacity {
        shape,
        cluster: name,
        nodes_free: u32::try_from(free).unwrap_or(u32::MAX),
        ahead: ahead.len() as u64,
        first: ahead.first().copied(),
    }
}

fn fits(node: &crate::cluster::Node, shape: Shape) -> bool {
    node.gpus >= shape.gpus_per_node && node.cpus >= shape.cpus_per_node
}

fn may_run_on(cluster: &Cluster, job: &Job) -> bool {
    job.ask
        .cluster
        .as_ref()
        .is_none_or(|own| *own == cluster.name)
}

/// Whether a job that has waited for long keeps a cluster for itself: once all nodes were free, it would
/// do in one of the job's shapes.
fn keeps(cluster: &Cluster, job: &Job) -> bool {
    let mut shapes = job.ask.shapes.iter();
    may_run_on(cluster, job) && shapes.any(|shape| could(cluster, *shape) >= shape.nodes as usize)
}

/// Nodes that are up and large enough.
fn could(cluster: &Cluster, shape: Shape) -> usize {
    let nodes = cluster.nodes.values();
    nodes.filter(|node| node.is_up && fits(node, shape)).count()
}

/// Those among `out` that are up.
fn out_and_up(cluster: &Cluster, out: &[schliff_spec::id::NodeName]) -> usize {
    let is_up = |name: &&schliff_spec::id::NodeName| {
        cluster.nodes.get(*name).is_some_and(|node| node.is_up)
    };
    out.iter().filter(is_up).count()
}

fn waiting_at(state: &State, cluster: &Cluster) -> u32 {
    let live = state.live.iter().filter_map(|id| state.jobs.get(id));
    let waiting = live.filter(|job| {
        let here = job.live().is_some_and(|a| a.cluster == cluster.name);
        here && job.phase == Phase::Allocating
    });
    u32::try_from(waiting.count()).unwrap_or(u32::MAX)
}

/// When enough nodes are free, if every attempt there takes all its wall time.
fn estimate(state: &State, now: Timestamp, shape: Shape, cluster: &Cluster) -> Option<Timestamp> {
    if cluster.terms.queue == Queue::Theirs {
        return None;
    }
    let mut ends: Vec<_> = state
        .live
        .iter()
        .filter_map(|id| state.jobs.get(id)?.live())
        .filter(|attempt| attempt.cluster == cluster.name)
        .filter_map(|attempt| {
            let begin = attempt.granted_at.unwrap_or(attempt.planned_at);
            Some((begin.plus(attempt.time_limit_ms?), attempt))
        })
        .collect();
    ends.sort_by_key(|(end, attempt)| (*end, attempt.generation));
    let mut room = Room::of(cluster, &avoided(cluster, now));
    for (end, attempt) in ends {
        room.give(attempt.shape, attempt.held_nodes());
        if room.nodes_for(shape) >= shape.nodes as usize {
            return Some(end.max(now));
        }
    }
    None
}
