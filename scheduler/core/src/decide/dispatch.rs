//! Which queued jobs begin an attempt now, where and in what shape.
//!
//! Rules: by priority, then by number. A smaller job may overtake one that does not fit, until that one
//! has waited for long: then nothing overtakes it on its cluster. All or nothing: an attempt gets all
//! its nodes at once. On clusters with a queue of their own, jobs are handed over up to a limit.

use std::collections::{BTreeMap, BTreeSet};

use schliff_spec::id::{ClusterName, JobId, NodeName};

use super::compare::{self, Compared};
use super::{Draft, Room};
use crate::cluster::{Cluster, Queue};
use crate::fact::{Fact, What};
use crate::job::{Job, Offer, Phase, Role};
use crate::policy::{
    AVOID_MS, AVOID_ONE_IN, COMPARE_AT_ONCE, SHORTEST_LINK_MS, SHRINK_MS, STARVE_MS, STRIKES_OUT,
};
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
    /// Allocations of ours that wait in it.
    waiting: u32,
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
    let comparing = state.comparing.iter().filter_map(|id| state.jobs.get(id));
    let comparing = comparing.filter(|job| compare::is_open(job, draft.now));
    let mut slots = COMPARE_AT_ONCE.saturating_sub(comparing.count());
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
        match choose(&mut sites, job, draft.now) {
            Found::Nothing => {}
            Found::ToCompare => {
                if slots > 0 {
                    slots -= 1;
                    draft.push(What::Comparing { job: job.id });
                }
            }
            Found::Place(choice, offers) => {
                at_work.begins(job);
                let what = plan(draft, job, choice);
                draft.push(what);
                if !offers.is_empty() {
                    draft.push(What::Chosen {
                        job: job.id,
                        generation: job.generation.next(),
                        offers,
                    });
                }
            }
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

/// What a look at the clusters comes to.
enum Found {
    /// It begins there, for what the clusters offered where several did.
    Place(Choice, Vec<Offer>),
    /// It could wait on several: they are to be asked first.
    ToCompare,
    /// Nothing, for now.
    Nothing,
}

/// Where a job begins, and in what shape. Clusters without a queue of their own go first: there it
/// runs at once.
fn choose(sites: &mut BTreeMap<&ClusterName, Site<'_>>, job: &Job, now: Timestamp) -> Found {
    let is_eligible = |site: &Site<'_>| job.ask.may_run_on(site.cluster);
    let has_waited = now.since(waits_since(job)) >= SHRINK_MS;
    let shapes = match has_waited {
        true => &job.ask.shapes[..],
        false => &job.ask.shapes[..1.min(job.ask.shapes.len())],
    };
    for &shape in shapes {
        for (name, site) in sites.iter_mut().filter(|(_, site)| is_eligible(site)) {
            if let Some(placement) = site.place(shape) {
                return Found::Place(((*name).clone(), shape, placement), Vec::new());
            }
        }
    }
    let open = sites.values().filter(|site| is_eligible(site));
    let open: Vec<_> = open
        .filter(|site| site.places_left > 0)
        .map(|site| (site.cluster, site.waiting))
        .collect();
    if !open.is_empty() {
        return hand_over(sites, job, &open, now);
    }
    if now.since(waits_since(job)) >= STARVE_MS {
        let could = |site: &Site<'_>| shapes.iter().any(|&shape| site.could_ever(shape));
        let own = sites
            .iter_mut()
            .filter(|(_, site)| is_eligible(site) && could(site));
        own.for_each(|(_, site)| site.is_kept = true);
    }
    Found::Nothing
}

/// Hands a job to a cluster that queues it: always in the shape that it wants, since it waits there for
/// that.
fn hand_over(
    sites: &mut BTreeMap<&ClusterName, Site<'_>>,
    job: &Job,
    open: &[(&Cluster, u32)],
    now: Timestamp,
) -> Found {
    let (name, offers) = match open {
        [(only, _)] => (only.name.clone(), Vec::new()),
        several => match compare::choose(job, several, now) {
            Compared::Chosen(best, offers) => (best, offers),
            Compared::Awaited => return Found::Nothing,
            Compared::ToAsk => return Found::ToCompare,
        },
    };
    if let Some(site) = sites.get_mut(&name) {
        site.places_left -= 1;
        site.waiting += 1;
    }
    Found::Place((name, job.ask.wanted(), Vec::new()), offers)
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
            waiting,
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
    let known = draft.state.clusters.get(&cluster);
    let time_limit_ms = time_limit_ms(job, known, draft.now);
    What::Planned {
        job: job.id,
        generation: job.generation.next(),
        cluster,
        shape,
        placement,
        time_limit_ms,
        resume_from: job.committed,
        adopts: None,
    }
}

/// The wall time that a job's next attempt would get on a cluster.
pub(crate) fn time_limit_ms(job: &Job, cluster: Option<&Cluster>, now: Timestamp) -> Option<u64> {
    // No link is shorter than is worth its start, unless the cluster's cap is.
    let left = job.left_ms(now);
    let left = left.map(|left_ms| left_ms.max(SHORTEST_LINK_MS));
    let cap = cluster.and_then(|cluster| cluster.terms.max_time_ms);
    left.into_iter().chain(cap).min()
}
