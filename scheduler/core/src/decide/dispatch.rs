//! Which queued jobs begin an attempt now, where and in what shape.
//!
//! Rules: by priority, then by number. A smaller job may overtake one that does not fit, until that one
//! has waited for long: then nothing overtakes it on its cluster. All or nothing: an attempt gets all
//! its nodes at once. On clusters with a queue of their own, jobs are handed over up to a limit.

use std::collections::{BTreeMap, BTreeSet};

use schliff_spec::id::{ClusterName, JobId, NodeName};

use super::{Draft, Room};
use crate::cluster::{Cluster, Queue};
use crate::fact::{Fact, What};
use crate::job::{Job, Phase, Role};
use crate::policy::{AVOID_MS, AVOID_ONE_IN, SHORTEST_LINK_MS, SHRINK_MS, STARVE_MS, STRIKES_OUT};
use crate::shape::Shape;
use crate::state::State;
use crate::time::Timestamp;

/// What a queued job waits for besides room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Nothing: it may begin.
    Nothing,
    /// These must end first.
    Jobs(Vec<JobId>),
    /// It waits at its rung.
    Rung {
        /// Its sweep.
        sweep: JobId,
        /// Its rung.
        rung: u32,
    },
    /// As many trials as may are at work.
    SweepLimit {
        /// Its sweep.
        sweep: JobId,
        /// The most.
        most: u32,
    },
}

/// Trials at work of each sweep, counted once for many questions.
#[derive(Clone, Debug, Default)]
pub(crate) struct AtWork(BTreeMap<JobId, u32>);

impl AtWork {
    /// Those that have an attempt, or wait a while for the next.
    pub(crate) fn of(state: &State) -> Self {
        let mut at_work = Self::default();
        let jobs = state.live.iter().chain(&state.recovering);
        jobs.filter_map(|id| state.jobs.get(id))
            .for_each(|job| at_work.begins(job));
        at_work
    }

    fn begins(&mut self, job: &Job) {
        if let Role::Trial { parent, .. } = &job.role {
            *self.0.entry(*parent).or_default() += 1;
        }
    }
}

/// What a queued job waits for besides room.
pub(crate) fn waiting_for(state: &State, job: &Job, at_work: &AtWork) -> Wait {
    let open: Vec<_> = job
        .after
        .iter()
        .map(|after| after.job)
        .filter(|id| state.jobs.get(id).is_some_and(|job| !job.is_done()))
        .collect();
    if !open.is_empty() {
        return Wait::Jobs(open);
    }
    let Role::Trial {
        parent,
        rung,
        is_paused,
        ..
    } = &job.role
    else {
        return Wait::Nothing;
    };
    if *is_paused {
        return Wait::Rung {
            sweep: *parent,
            rung: *rung,
        };
    }
    let most = match state.jobs.get(parent).map(|job| &job.role) {
        Some(Role::Sweep { sweep, .. }) => sweep.max_parallel,
        _ => None,
    };
    let at_work = at_work.0.get(parent).copied().unwrap_or(0);
    match most {
        Some(most) if at_work >= most => Wait::SweepLimit {
            sweep: *parent,
            most,
        },
        _ => Wait::Nothing,
    }
}

/// Nodes that are avoided for their failures: the worst of them, and never many at a time.
pub(crate) fn avoided(cluster: &Cluster, now: Timestamp) -> BTreeSet<&NodeName> {
    let up = cluster.nodes.values().filter(|node| node.is_up).count();
    let struck = cluster.strikes.iter().filter(|(name, strikes)| {
        let is_up = cluster.nodes.get(*name).is_some_and(|node| node.is_up);
        is_up && strikes.count >= STRIKES_OUT && now.since(strikes.last_at) < AVOID_MS
    });
    let mut struck: Vec<_> = struck.collect();
    struck.sort_by_key(|(name, strikes)| (std::cmp::Reverse(strikes.count), *name));
    let worst = struck.into_iter().take(up / AVOID_ONE_IN);
    worst.map(|(name, _)| name).collect()
}

/// Since when a job waits in the queue.
pub(crate) fn waits_since(job: &Job) -> Timestamp {
    let ended = job.attempts.last().and_then(|last| last.ended.as_ref());
    ended.map_or(job.submitted_at, |(_, at)| *at)
}

/// One cluster while jobs are placed.
struct Site<'a> {
    cluster: &'a Cluster,
    room: Room<'a>,
    /// Allocations that may still be handed over to its queue.
    places_left: u32,
    /// Shapes that did not fit; room only shrinks while jobs are placed.
    full_for: BTreeSet<Shape>,
    /// Nothing more is placed: a job that has waited for long is next.
    is_kept: bool,
}

pub(super) fn decide(draft: &mut Draft<'_>) {
    let state = draft.state;
    if state.queue.is_empty() {
        return;
    }
    let mut sites = sites(state, draft.now);
    let mut at_work = AtWork::of(state);
    // This tick may have ended jobs that waited for others.
    let is_end = |fact: &&Fact| matches!(fact.what, What::Finished { .. });
    let ended = draft.facts.iter().filter(is_end).filter_map(Fact::job);
    let ended: BTreeSet<JobId> = ended.collect();
    for place in &state.queue {
        let Some(job) = state.jobs.get(&place.job) else {
            continue;
        };
        if ended.contains(&job.id) || waiting_for(state, job, &at_work) != Wait::Nothing {
            continue;
        }
        if let Some((cluster, shape, placement)) = choose(&mut sites, job, draft.now) {
            at_work.begins(job);
            let what = plan(draft, job, (cluster, shape, placement));
            draft.push(what);
        }
    }
}

fn sites(state: &State, now: Timestamp) -> BTreeMap<&ClusterName, Site<'_>> {
    let mut waiting: BTreeMap<&ClusterName, u32> = BTreeMap::new();
    for job in state.live.iter().filter_map(|id| state.jobs.get(id)) {
        if let (Phase::Allocating, Some(attempt)) = (&job.phase, job.live()) {
            *waiting.entry(&attempt.cluster).or_default() += 1;
        }
    }
    let sites = state.clusters.iter().map(|(name, cluster)| {
        let waiting = waiting.get(name).copied().unwrap_or(0);
        (name, Site::open(cluster, waiting, now))
    });
    sites.collect()
}

type Choice = (ClusterName, Shape, Vec<NodeName>);

/// Where a job begins, and in what shape. Clusters without a queue of their own go first: there it
/// runs at once.
fn choose(
    sites: &mut BTreeMap<&ClusterName, Site<'_>>,
    job: &Job,
    now: Timestamp,
) -> Option<Choice> {
    let is_eligible = |name: &ClusterName| job.ask.may_run_on(name);
    let has_waited = now.since(waits_since(job)) >= SHRINK_MS;
    let shapes = match has_waited {
        true => &job.ask.shapes[..],
        false => &job.ask.shapes[..1.min(job.ask.shapes.len())],
    };
    for &shape in shapes {
        for (name, site) in sites.iter_mut().filter(|(name, _)| is_eligible(name)) {
            if let Some(placement) = site.place(shape) {
                return Some(((*name).clone(), shape, placement));
            }
        }
    }
    let queued = sites
        .iter_mut()
        .find(|(name, site)| is_eligible(name) && site.places_left > 0);
    if let Some((name, site)) = queued {
        site.places_left -= 1;
        return Some(((*name).clone(), job.ask.wanted(), Vec::new()));
    }
    if now.since(waits_since(job)) >= STARVE_MS {
        let could = |site: &Site<'_>| shapes.iter().any(|&shape| site.could_ever(shape));
        let own = sites
            .iter_mut()
            .filter(|(name, site)| is_eligible(name) && could(site));
        own.for_each(|(_, site)| site.is_kept = true);
    }
    None
}

impl<'a> Site<'a> {
    fn open(cluster: &'a Cluster, waiting: u32, now: Timestamp) -> Self {
        let most = cluster.terms.max_waiting.unwrap_or(u32::MAX);
        let (room, places_left) = match cluster.terms.queue {
            Queue::Ours => (Room::of(cluster, &avoided(cluster, now)), 0),
            // What does not answer is handed nothing.
            Queue::Theirs if cluster.observed_at.is_none() => (Room::default(), 0),
            Queue::Theirs => (Room::default(), most.saturating_sub(waiting)),
        };
        Self {
            cluster,
            room,
            places_left,
            full_for: BTreeSet::new(),
            is_kept: false,
        }
    }

    fn place(&mut self, shape: Shape) -> Option<Vec<NodeName>> {
        if self.is_kept || self.full_for.contains(&shape) {
            return None;
        }
        let placement = self.room.take(shape);
        if placement.is_none() {
            self.full_for.insert(shape);
        }
        placement
    }

    /// Whether its nodes that are up would do if nothing else ran.
    fn could_ever(&self, shape: Shape) -> bool {
        let is_ours = self.cluster.terms.queue == Queue::Ours;
        is_ours && self.cluster.could(shape) >= shape.nodes as usize
    }
}

fn plan(draft: &Draft<'_>, job: &Job, (cluster, shape, placement): Choice) -> What {
    // No link is shorter than is worth its start, unless the cluster's cap is.
    let left = job
        .left_ms(draft.now)
        .map(|left_ms| left_ms.max(SHORTEST_LINK_MS));
    let terms = draft.state.clusters.get(&cluster).map(|known| known.terms);
    let cap = terms.and_then(|terms| terms.max_time_ms);
    What::Planned {
        job: job.id,
        generation: job.generation.next(),
        cluster,
        shape,
        placement,
        time_limit_ms: left.into_iter().chain(cap).min(),
        resume_from: job.committed,
    }
}
