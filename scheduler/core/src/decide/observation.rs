//! What a batch system tells of everything of ours.
//!
//! Rules: what is missing is unknown, not ended. It has vanished only when complete listings have
//! lacked it for long and its agents were silent as long. The agent's last words count more than the
//! batch system's when they say that all is committed.

use std::collections::BTreeMap;

use schliff_spec::id::SubmitKey;

use super::{Draft, end};
use crate::allocation::{Allocation, AllocationEnd, AllocationStatus, Listing, NodeReport};
use crate::cluster::Cluster;
use crate::ending::Ending;
use crate::fact::What;
use crate::job::{Attempt, Job};
use crate::policy::{CALL_MS, JOIN_MS, VANISH_MS};

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
            Some(allocation) => found(draft, job, attempt, allocation),
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

fn found(draft: &mut Draft<'_>, job: &Job, attempt: &Attempt, allocation: &Allocation) {
    let (id, generation) = (job.id, attempt.generation);
    if attempt.allocation.is_none() {
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
        } => {
            let vitals = &attempt.vitals;
            let told = (vitals.pending_why.as_str(), vitals.start_estimate);
            if told != (why.as_str(), *start_estimate) || vitals.missing_since.is_some() {
                draft.push(What::Waiting {
                    job: id,
                    generation,
                    why: why.clone(),
                    start_estimate: *start_estimate,
                });
            }
        }
        AllocationStatus::Running => {
            let names_are_new = attempt.nodes.is_empty() && !allocation.nodes.is_empty();
            if attempt.granted_at.is_none() || names_are_new {
                draft.push(What::Granted {
                    job: id,
                    generation,
                    nodes: allocation.nodes.clone(),
                    deadline: draft.now.plus(JOIN_MS),
                });
            }
            if attempt.vitals.missing_since.is_some() {
                draft.push(What::Seen {
                    job: id,
                    generation,
                });
            }
        }
        AllocationStatus::Ended { end } => {
            let ending = weigh(attempt, end);
            end::attempt(draft, job, attempt, ending);
        }
    }
}

fn missing(draft: &mut Draft<'_>, job: &Job, attempt: &Attempt, listing: &Listing) {
    let now = draft.now;
    if attempt.allocation.is_none() {
        // Nothing is submitted any more once it is to stop, and the last submit is long over.
        let settle_ms = draft.state.clusters.get(&listing.cluster);
        let settle_ms = settle_ms.map_or(0, |cluster| cluster.terms.settle_ms);
        let is_over = job.stop.as_ref().is_some_and(|stop| {
            listing.asked_at.since(stop.since) >= settle_ms.saturating_add(CALL_MS)
        });
        if is_over {
            end::attempt(draft, job, attempt, Ending::Withdrawn);
        }
        return;
    }
    if let Some(words) = &attempt.last_words
        && listing.asked_at > attempt.heard_at()
    {
        let ending = end::of_words(words);
        end::attempt(draft, job, attempt, ending);
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

/// How it ended, by both who tell of it.
fn weigh(attempt: &Attempt, end: &AllocationEnd) -> Ending {
    let told = Ending::of_allocation(end);
    let Some(words) = &attempt.last_words else {
        return told;
    };
    let said = end::of_words(words);
    match (&said, &told) {
        // The batch system names the nodes; for the agent they are lost peers.
        (Ending::GroupLost, Ending::NodesLost { .. } | Ending::OutOfMemory) => told,
        // An interrupt reached the agent: what the batch system calls that says more.
        (Ending::CancelledOutside, _) => told,
        _ => said,
    }
}
