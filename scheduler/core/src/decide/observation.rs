//! What a batch system tells of everything of ours.
//!
//! Rules: what is missing is unknown, not ended. It has vanished only when complete listings have
//! lacked it for long and its agents were silent as long. The agent's last words count more than the
//! batch system's when they say that all is committed. What ran and waits again was taken back into the
//! queue; that is believed once the listing cannot be older than the run (`settle_ms`). What lives on
//! without the node of its leader is over.

use std::collections::BTreeMap;

use schliff_spec::id::{NodeName, SubmitKey};

use super::{Draft, end};
use crate::allocation::{Allocation, AllocationEnd, AllocationStatus, Listing, NodeReport};
use crate::cluster::Cluster;
use crate::ending::{Consequence, Ending};
use crate::fact::What;
use crate::job::{Attempt, Job, StopWhy};
use crate::policy::{CALL_MS, JOIN_MS, VANISH_MS};
use crate::time::Timestamp;

pub(super) fn decide(draft: &mut Draft<'_>, listing: &Listing) {
    let state = draft.state;
    let Some(cluster) = state.clusters.get(&listing.cluster) else {
        return;
    };
    draft.push(What::ClusterSeen {
        cluster: listing.cluster.clone(),
    });
    if let Some(nodes) = &listing.nodes
        && differ(cluster, nodes)
    {
        draft.push(What::NodesSeen {
            cluster: listing.cluster.clone(),
            nodes: nodes.clone(),
        });
    }
    let by_key: BTreeMap<SubmitKey, &Allocation> = listing
        .allocations
        .iter()
        .map(|allocation| (allocation.key, allocation))
        .collect();
    let live = state.live.iter().filter_map(|job| state.jobs.get(job));
    for job in live {
        let Some(attempt) = job.live().filter(|live| live.cluster == listing.cluster) else {
            continue;
        };
        match by_key.get(&job.key()) {
            Some(allocation) => found(draft, job, attempt, (allocation, listing)),
            None if listing.is_complete => missing(draft, job, attempt, listing),
            None => {}
        }
    }
}

/// Whether the nodes are others than those known.
fn differ(cluster: &Cluster, nodes: &[NodeReport]) -> bool {
    let same = |report: &NodeReport| {
        cluster.nodes.get(&report.name).is_some_and(|node| {
            (node.is_up, node.gpus, node.cpus) == (report.is_up, report.gpus, report.cpus)
        })
    };
    cluster.nodes.len() != nodes.len() || !nodes.iter().all(same)
}

fn found(
    draft: &mut Draft<'_>,
    job: &Job,
    attempt: &Attempt,
    (allocation, listing): (&Allocation, &Listing),
) {
    let (id, generation) = (job.id, attempt.generation);
    // A successor has a name of its own.
    let is_named = attempt.allocation.as_ref() == Some(&allocation.id);
    if attempt.allocation.is_none() || (attempt.requeues > 0 && !is_named) {
        draft.push(What::Accepted {
            job: id,
            generation,
            allocation: allocation.id.clone(),
        });
    }
    match &allocation.status {
        AllocationStatus::Pending {
            why,
            start_estimate,
        } => pending(
            draft,
            job,
            attempt,
            (why, *start_estimate),
            listing.asked_at,
        ),
        AllocationStatus::Running => running(draft, job, attempt, allocation, listing.asked_at),
        AllocationStatus::Ended { end } => {
            let ending = weigh(attempt, end);
            end::attempt(draft, job, attempt, ending);
        }
    }
}

fn pending(
    draft: &mut Draft<'_>,
    job: &Job,
    attempt: &Attempt,
    (why, start_estimate): (&str, Option<Timestamp>),
    asked_at: Timestamp,
) {
    if let Some(granted_at) = attempt.granted_at {
        // A listing from before the run shows it as waiting, too; so does one from before its agents
        // were heard.
        let last_seen = granted_at.max(attempt.heard_at());
        if asked_at < last_seen.plus(settle_ms(draft, attempt)) {
            return seen(draft, job, attempt);
        }
        draft.requeued(job, attempt, why);
    }
    let vitals = &attempt.vitals;
    let told = (vitals.pending_why.as_str(), vitals.start_estimate);
    if told != (why, start_estimate) || vitals.missing_since.is_some() {
        draft.push(What::Waiting {
            job: job.id,
            generation: attempt.generation,
            why: why.to_owned(),
            start_estimate,
        });
    }
}

fn running(
    draft: &mut Draft<'_>,
    job: &Job,
    attempt: &Attempt,
    allocation: &Allocation,
    asked_at: Timestamp,
) {
    let has_moved = has_moved(draft, attempt, allocation, asked_at);
    if has_moved {
        draft.requeued(job, attempt, "");
    }
    let names_are_new = attempt.nodes.is_empty() && !allocation.nodes.is_empty();
    if has_moved || attempt.granted_at.is_none() || names_are_new {
        draft.push(What::Granted {
            job: job.id,
            generation: attempt.generation,
            nodes: allocation.nodes.clone(),
            deadline: draft.now.plus(JOIN_MS),
        });
    }
    seen(draft, job, attempt);
    if !has_moved
        && job.stop.is_none()
        && let Some(first) = lost_first(draft, attempt, allocation, asked_at)
    {
        let nodes = vec![first.clone()];
        let ending = Ending::NodesLost { nodes };
        draft.push(What::StopAsked {
            job: job.id,
            why: StopWhy::Failed { ending },
            is_now: true,
        });
    }
}

/// The first of its nodes where it lives on without it. What leads ran there: nothing is left that
/// works, and a batch system may wait for ever for the end of it.
fn lost_first<'a>(
    draft: &Draft<'_>,
    attempt: &'a Attempt,
    allocation: &Allocation,
    asked_at: Timestamp,
) -> Option<&'a NodeName> {
    let is_fresh = asked_at >= attempt.granted_at?.plus(settle_ms(draft, attempt));
    let is_told = is_fresh && !allocation.nodes.is_empty();
    let first = attempt.nodes.first().filter(|_| is_told)?;
    (!allocation.nodes.contains(first)).then_some(first)
}

/// Whether it runs on other nodes than it did: it was taken back into the queue in between, and no
/// listing showed that. One that lives on with fewer of its nodes has not moved.
fn has_moved(
    draft: &Draft<'_>,
    attempt: &Attempt,
    allocation: &Allocation,
    asked_at: Timestamp,
) -> bool {
    let Some(granted_at) = attempt.granted_at else {
        return false;
    };
    let is_fresh = asked_at >= granted_at.plus(settle_ms(draft, attempt));
    let is_elsewhere = |node| !attempt.nodes.contains(node);
    is_fresh && !attempt.nodes.is_empty() && allocation.nodes.iter().any(is_elsewhere)
}

/// It is listed, after it was missed.
fn seen(draft: &mut Draft<'_>, job: &Job, attempt: &Attempt) {
    if attempt.vitals.missing_since.is_some() {
        draft.push(What::Seen {
            job: job.id,
            generation: attempt.generation,
        });
    }
}

fn settle_ms(draft: &Draft<'_>, attempt: &Attempt) -> u64 {
    draft.terms(attempt).map_or(0, |terms| terms.settle_ms)
}

fn missing(draft: &mut Draft<'_>, job: &Job, attempt: &Attempt, listing: &Listing) {
    let now = draft.now;
    if attempt.allocation.is_none() {
        // Nothing is submitted any more once it is to stop, and the last submit is long over.
        let settle_ms = settle_ms(draft, attempt);
        let is_over = job.stop.as_ref().is_some_and(|stop| {
            listing.asked_at.since(stop.since) >= settle_ms.saturating_add(CALL_MS)
        });
        if is_over {
            end::attempt(draft, job, attempt, Ending::Withdrawn);
        }
        return;
    }
    // Those from before it was adopted say nothing of its end.
    if let Some(words) = &attempt.last_words
        && attempt.adopts.is_none()
        && listing.asked_at > attempt.heard_at().plus(linger_ms(draft, attempt))
    {
        end::attempt(draft, job, attempt, words.ending());
        return;
    }
    let Some(since) = attempt.vitals.missing_since else {
        draft.push(What::Missed {
            job: job.id,
            generation: attempt.generation,
        });
        return;
    };
    if now.since(since) >= VANISH_MS && now.since(attempt.heard_at()) >= VANISH_MS {
        end::attempt(draft, job, attempt, Ending::Vanished);
    }
}

/// From the last words on, for so long a listing may lack what is to go on by itself.
fn linger_ms(draft: &Draft<'_>, attempt: &Attempt) -> u64 {
    let terms = draft.terms(attempt).filter(|terms| terms.chains);
    terms.map_or(0, |terms| terms.settle_ms)
}

/// How it ended, by both who tell of it.
fn weigh(attempt: &Attempt, end: &AllocationEnd) -> Ending {
    let told = Ending::of_allocation(end);
    let Some(words) = &attempt.last_words else {
        return told;
    };
    let said = words.ending();
    // They may be those of a run from before it was adopted.
    if attempt.adopts.is_some() && words.are_final() {
        return told;
    }
    match (&said, &told) {
        // The batch system names the nodes; for the agent they are lost peers.
        (Ending::GroupLost, Ending::NodesLost { .. } | Ending::OutOfMemory) => told,
        // Somebody cancelled it there, and it had the time to end well: nobody wants it to go on.
        (Ending::MoreToDo, Ending::CancelledOutside) => told,
        // An interrupt reached the agent: what the batch system calls that says more.
        (Ending::CancelledOutside, _) => told,
        // Where runs follow one another, these may be the words of an earlier one: the exit code is
        // that of the last.
        (Ending::MoreToDo, Ending::Finished | Ending::GroupLost) => told,
        (Ending::MoreToDo, _) if told.consequence() == Consequence::Failure => told,
        _ => said,
    }
}
