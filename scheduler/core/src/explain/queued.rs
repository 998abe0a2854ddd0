//! What a queued job waits for.

use std::collections::{BTreeMap, BTreeSet};

use schliff_spec::id::{ClusterName, JobId, NodeName};

use super::Explanation;
use crate::cluster::{self, Cluster};
use crate::decide::{AtWork, Room, Wait, avoided, rung_missing, waiting_for, waits_since};
use crate::job::{Job, Phase, Role};
use crate::policy::STARVE_MS;
use crate::reason::Reason;
use crate::shape::Shape;
use crate::state::{QueuePlace, State};
use crate::time::Timestamp;

/// Jobs ahead that are named.
const NAMED: usize = 10;

/// The queue and the clusters, seen once for many questions.
pub(super) struct Queue<'a> {
    state: &'a State,
    now: Timestamp,
    at_work: AtWork,
    /// Jobs that wait for room alone, the next first.
    ready: Vec<&'a Job>,
    sites: BTreeMap<&'a ClusterName, Site<'a>>,
}

/// One cluster.
struct Site<'a> {
    cluster: &'a Cluster,
    avoided: BTreeSet<&'a NodeName>,
    room: Room<'a>,
    /// Allocations that wait in its own queue.
    waiting: u32,
}

impl<'a> Queue<'a> {
    pub(super) fn of(state: &'a State, now: Timestamp) -> Self {
        let at_work = AtWork::of(state);
        let queued = state
            .queue
            .iter()
            .filter_map(|place| state.jobs.get(&place.job));
        let ready = queued.filter(|job| waiting_for(state, job, &at_work) == Wait::Nothing);
        let ready = ready.collect();
        let site = |(name, cluster)| {
            let avoided = avoided(cluster, now);
            let site = Site {
                cluster,
                room: Room::of(cluster, &avoided),
                avoided,
                waiting: waiting_at(state, cluster),
            };
            (name, site)
        };
        Self {
            state,
            now,
            ready,
            sites: state.clusters.iter().map(site).collect(),
            at_work,
        }
    }

    pub(super) fn explain(&self, job: &Job) -> Explanation {
        let state = self.state;
        if let Role::Sweep { trials, .. } = &job.role {
            let is_done = |id: &&JobId| state.jobs.get(id).is_some_and(Job::is_done);
            let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            return Explanation::of(Reason::Trials {
                ended: count(trials.iter().filter(is_done).count()),
                of: count(trials.len()),
            });
        }
        match waiting_for(state, job, &self.at_work) {
            Wait::Jobs(jobs) => Explanation::of(Reason::AfterJobs { jobs }),
            Wait::SweepLimit { sweep, most } => Explanation::of(Reason::SweepLimit { sweep, most }),
            Wait::Rung { sweep, rung } => Explanation::of(Reason::Rung {
                sweep,
                missing: rung_missing(state, sweep, rung),
            }),
            Wait::Nothing => self.for_room(job),
        }
    }

    /// It could begin, were there room.
    fn for_room(&self, job: &Job) -> Explanation {
        let sites = self.sites.values();
        let meant: Vec<_> = sites.filter(|site| job.ask.means(site.cluster)).collect();
        let eligible = meant.iter().filter(|it| job.ask.may_lie_on(it.cluster));
        let eligible: Vec<_> = eligible.copied().collect();
        if eligible.is_empty() && !meant.is_empty() {
            return Explanation::of(Reason::Residency {
                wanted: job.ask.residency.clone(),
            });
        }
        if eligible.is_empty() {
            return Explanation::of(Reason::ClusterGone {
                cluster: job.ask.cluster.clone(),
            });
        }
        let ahead = self.ahead(job);
        let reasons = eligible.iter().map(|site| self.at(job, site, &ahead));
        let mut reasons = compared(&eligible, reasons.collect()).into_iter();
        let first = reasons.next().unwrap_or(Reason::Next);
        let mut explanation = Explanation::of(first);
        explanation.because = reasons.collect();
        explanation.ahead = ahead.iter().take(NAMED).map(|job| job.id).collect();
        explanation.ahead_count = ahead.len() as u64;
        if ahead.is_empty() {
            let (state, now, shape) = (self.state, self.now, job.ask.wanted());
            let estimates = eligible.iter();
            explanation.start_estimate = estimates
                .filter_map(|site| estimate(state, now, shape, site.cluster))
                .min();
        }
        explanation
    }

    /// Jobs that go before it to a cluster where it may run, the next first.
    fn ahead(&self, job: &Job) -> Vec<&'a Job> {
        let own = QueuePlace::of(job);
        let before = self
            .ready
            .partition_point(|other| QueuePlace::of(other) < own);
        let before = self.ready.iter().take(before);
        let may_meet = |other: &&&Job| match (&job.ask.cluster, &other.ask.cluster) {
            (Some(own), Some(theirs)) => own == theirs,
            _ => true,
        };
        before.filter(may_meet).copied().collect()
    }

    /// Why it does not begin on one cluster.
    fn at(&self, job: &Job, site: &Site<'_>, ahead: &[&Job]) -> Reason {
        let cluster = site.cluster;
        let name = cluster.name.clone();
        if cluster.observed_at.is_none() {
            return Reason::ClusterUnseen { cluster: name };
        }
        if cluster.terms.queue == cluster::Queue::Theirs {
            let most = cluster.terms.max_waiting.unwrap_or(u32::MAX);
            // Those ahead take the places that are left.
            let ahead = ahead.iter().filter(|other| other.ask.may_run_on(cluster));
            let ahead = u32::try_from(ahead.count()).unwrap_or(u32::MAX);
            return match site.waiting.saturating_add(ahead) >= most {
                true => Reason::ClusterQueueFull {
                    cluster: name,
                    most,
                },
                false => Reason::Next,
            };
        }
        let shape = job.ask.wanted();
        let free = site.room.nodes_for(shape);
        if free >= shape.nodes as usize {
            let kept = ahead
                .iter()
                .filter(|other| self.now.since(waits_since(other)) >= STARVE_MS)
                .find(|other| keeps(cluster, other));
            return match kept {
                Some(first) => Reason::Behind {
                    job: first.id,
                    cluster: name,
                },
                None => Reason::Next,
            };
        }
        if let Some(nodes) = site.out_of_use(shape) {
            return Reason::NodesAvoided {
                cluster: name,
                nodes,
            };
        }
        Reason::Capacity {
            shape,
            cluster: name,
            nodes_free: u32::try_from(free).unwrap_or(u32::MAX),
            ahead: ahead.len() as u64,
            first: ahead.first().map(|job| job.id),
        }
    }
}

/// Where several clusters would queue it, they are asked first when they would start it.
fn compared(sites: &[&Site<'_>], mut reasons: Vec<Reason>) -> Vec<Reason> {
    let is_open = |(site, reason): &(&&Site<'_>, &Reason)| {
        **reason == Reason::Next && site.cluster.terms.queue == cluster::Queue::Theirs
    };
    let open = sites.iter().zip(&reasons).filter(is_open);
    let clusters: Vec<_> = open.map(|(site, _)| site.cluster.name.clone()).collect();
    if clusters.len() >= 2 {
        reasons.retain(|reason| *reason != Reason::Next);
        reasons.insert(0, Reason::Comparing { clusters });
    }
    reasons
}

impl Site<'_> {
    /// Nodes that would do and are down or avoided, where too few are left without them.
    fn out_of_use(&self, shape: Shape) -> Option<Vec<NodeName>> {
        let large = self
            .cluster
            .nodes
            .iter()
            .filter(|(_, node)| node.fits(shape));
        let (mut out, mut usable) = (Vec::new(), 0);
        for (name, node) in large {
            match node.is_up && !self.avoided.contains(name) {
                true => usable += 1,
                false => out.push(name.clone()),
            }
        }
        (usable < shape.nodes && !out.is_empty()).then_some(out)
    }
}

/// Whether a job that has waited for long keeps a cluster for itself: once all nodes were free, it would
/// do in one of the job's shapes.
fn keeps(cluster: &Cluster, job: &Job) -> bool {
    let mut shapes = job.ask.shapes.iter();
    job.ask.may_run_on(cluster) && shapes.any(|shape| cluster.could(*shape) >= shape.nodes as usize)
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
    if cluster.terms.queue == cluster::Queue::Theirs {
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
