//! Compares the state with the observed world, and says what is to be done.
//!
//! Rules: SCH-7 every action is justified by a journalled fact: a submit by `Planned`, a stop by
//! `StopAsked`, `Ended` or a newer attempt. A submit is tried again only when it is proved that the
//! last one had no effect. Allocations of jobs that are unknown are left alone: they may be somebody
//! else's.

use std::collections::BTreeSet;
use std::sync::Arc;

use schliff_spec::id::{NodeName, SubmitKey};

use crate::action::{Action, Observed, Order, Try};
use crate::allocation::{Allocation, AllocationStatus, Listing, StopHow};
use crate::cluster::{Cluster, Queue};
use crate::decide::{avoided, is_open, time_limit_ms};
use crate::ending::Ending;
use crate::job::{Attempt, Job};
use crate::policy::{STOP_AGAIN_MS, WORDS_MS, resubmit_ms};
use crate::shape::Shape;
use crate::state::State;
use crate::time::Timestamp;

/// What is to be done now. Doing it twice is harmless; each action is justified by facts.
pub fn reconcile(state: &State, observed: &Observed, now: Timestamp) -> Vec<Action> {
    let mut actions = Vec::new();
    let live = state.live.iter().filter_map(|id| state.jobs.get(id));
    for job in live {
        let Some(attempt) = job.live() else { continue };
        if observed.in_flight.contains(&job.key()) {
            continue;
        }
        match &attempt.allocation {
            None => actions.extend(submit(state, observed, job, now)),
            Some(_) => actions.extend(stop(state, observed, job, now)),
        }
    }
    let comparing = state.comparing.iter().filter_map(|id| state.jobs.get(id));
    for job in comparing.filter(|job| is_open(job, now)) {
        actions.extend(estimates(state, observed, job, now));
    }
    for listing in observed.listings.values() {
        for allocation in &listing.allocations {
            actions.extend(leftover(state, observed, listing, allocation, now));
        }
    }
    actions
}

/// Clusters that are to be asked when they would start a job.
fn estimates(
    state: &State,
    observed: &Observed,
    job: &Job,
    now: Timestamp,
) -> impl Iterator<Item = Action> {
    let to_ask = state.clusters.values().filter(move |cluster| {
        cluster.terms.queue == Queue::Theirs
            && cluster.observed_at.is_some()
            && job.ask.may_run_on(cluster)
            && !job.comparison.answers.contains_key(&cluster.name)
            && !observed.asked.contains(&(job.id, cluster.name.clone()))
    });
    to_ask.map(move |cluster| {
        let shape = job.ask.wanted();
        let avoid = avoidable(cluster, shape, now);
        Action::Estimate(Box::new(Order {
            key: SubmitKey {
                job: job.id,
                generation: job.generation.next(),
            },
            cluster: cluster.name.clone(),
            shape,
            placement: Vec::new(),
            avoid: avoid.into_iter().cloned().collect(),
            time_limit_ms: time_limit_ms(job, Some(cluster), now),
            work_ms: job.left_ms(now),
            adopts: None,
            resume_from: job.committed,
            ask: Arc::clone(&job.ask),
        }))
    })
}

fn submit(state: &State, observed: &Observed, job: &Job, now: Timestamp) -> Option<Action> {
    let attempt = job.live()?;
    let listing = observed.listings.get(&attempt.cluster);
    let cluster = state.clusters.get(&attempt.cluster)?;
    let is_listed = listing.is_some_and(|listing| has(listing, job.key()));
    if job.stop.is_some() || is_listed {
        return None;
    }
    // Since when the batch system can have nothing of it that a listing would not show.
    let proof_of = |from: Timestamp| {
        let settled = from.plus(cluster.terms.settle_ms);
        listing.is_some_and(|listing| listing.is_complete && listing.asked_at >= settled)
    };
    let last = observed.tries.get(&job.key()).and_then(|t| t.submit);
    let may = match last {
        None => attempt.planned_at >= observed.since || proof_of(observed.since),
        Some(last) if last.is_unknown => proof_of(last.ended_at),
        Some(last) => now.since(last.ended_at) >= resubmit_ms(last.count),
    };
    may.then(|| Action::Submit(Box::new(order(state, job, attempt, now))))
}

fn has(listing: &Listing, key: SubmitKey) -> bool {
    listing.allocations.iter().any(|a| a.key == key)
}

fn order(state: &State, job: &Job, attempt: &Attempt, now: Timestamp) -> Order {
    let cluster = state.clusters.get(&attempt.cluster);
    let avoid = cluster.map(|cluster| avoidable(cluster, attempt.shape, now));
    let avoid: BTreeSet<&NodeName> = avoid.unwrap_or_default();
    Order {
        key: job.key(),
        cluster: attempt.cluster.clone(),
        shape: attempt.shape,
        placement: attempt.placement.clone(),
        avoid: avoid.into_iter().cloned().collect(),
        time_limit_ms: attempt.time_limit_ms,
        work_ms: job.left_ms(now),
        adopts: attempt.adopts.clone(),
        resume_from: attempt.resume_from,
        ask: Arc::clone(&job.ask),
    }
}

/// Nodes that a batch system is asked to avoid: none where the others would not do, since what waits
/// there is not asked for anew when nodes are forgiven.
fn avoidable(cluster: &Cluster, shape: Shape, now: Timestamp) -> BTreeSet<&NodeName> {
    let avoid = avoided(cluster, now);
    let others = cluster.nodes.iter();
    let others = others.filter(|(name, node)| node.fits(shape) && !avoid.contains(name));
    match others.count() >= shape.nodes as usize {
        true => avoid,
        false => BTreeSet::new(),
    }
}

fn stop(state: &State, observed: &Observed, job: &Job, now: Timestamp) -> Option<Action> {
    let attempt = job.live()?;
    let chains = state.clusters.get(&attempt.cluster);
    let chains = chains.is_some_and(|cluster| cluster.terms.chains);
    // After its agent's last words nothing of it should be left for long, unless it goes on by itself, or
    // they may be those of a run from before it was adopted.
    let own_words = attempt.last_words.as_ref();
    let own_words = own_words.filter(|_| attempt.adopts.is_none());
    let lingers = own_words.is_some_and(|words| {
        let goes_on = chains && job.stop.is_none() && words.ending() == Ending::MoreToDo;
        !goes_on && now.since(attempt.heard_at()) >= WORDS_MS
    });
    let how = match &job.stop {
        Some(stop) if stop.is_now => StopHow::Now,
        _ if lingers => StopHow::Now,
        Some(_) => StopHow::Gently,
        None => return None,
    };
    let tried = observed.tries.get(&job.key());
    is_due(tried, how, now).then(|| Action::Stop {
        cluster: attempt.cluster.clone(),
        key: job.key(),
        how,
    })
}

/// A gentle stop is asked for once, and so is one at once, until it seems to have had no effect.
fn is_due(tried: Option<&Try>, how: StopHow, now: Timestamp) -> bool {
    let last = tried.and_then(|tried| match how {
        StopHow::Gently => tried.gentle_at,
        StopHow::Now => tried.now_at,
    });
    last.is_none_or(|last| now.since(last) >= STOP_AGAIN_MS)
}

/// An allocation whose attempt is over: ended it goes, alive it is ended.
fn leftover(
    state: &State,
    observed: &Observed,
    listing: &Listing,
    allocation: &Allocation,
    now: Timestamp,
) -> Option<Action> {
    let key = allocation.key;
    let job = state.jobs.get(&key.job)?;
    let is_live = job.live().is_some_and(|a| a.generation == key.generation);
    // One of a future generation is not of this journal.
    let is_known = key.generation <= job.generation;
    if is_live || !is_known || observed.in_flight.contains(&key) {
        return None;
    }
    let cluster = listing.cluster.clone();
    match allocation.status {
        AllocationStatus::Ended { .. } => Some(Action::Forget { cluster, key }),
        _ => is_due(observed.tries.get(&key), StopHow::Now, now).then_some(Action::Stop {
            cluster,
            key,
            how: StopHow::Now,
        }),
    }
}
