//! Which of several clusters with queues of their own a job goes to.
//!
//! Rules: the earliest start that they promise; at the same start the cheapest, then the one where the
//! fewest of ours wait; what cannot be told comes after what can, and what would be refused last. Each is asked once for a job, and again only
//! when its answer is old; a cluster that does not answer holds nothing up for long.

use std::cmp::Reverse;

use schliff_spec::id::{ClusterName, JobId};

use super::Draft;
use crate::allocation::Estimate;
use crate::cluster::Cluster;
use crate::fact::What;
use crate::job::{Job, Offer};
use crate::policy::{COMPARE_MS, ESTIMATE_MS, SAME_START_MS};
use crate::time::Timestamp;

/// What comes of a comparison for now.
pub(super) enum Compared {
    /// This one, of these offers.
    Chosen(ClusterName, Vec<Offer>),
    /// Answers are awaited.
    Awaited,
    /// They are to be asked first.
    ToAsk,
}

/// Whether clusters are asked when they would start a job.
pub(crate) fn is_open(job: &Job, now: Timestamp) -> bool {
    let since = job.comparison.since;
    since.is_some_and(|since| now.since(since) < COMPARE_MS)
}

/// Takes an answer.
pub(super) fn answered(
    draft: &mut Draft<'_>,
    job: JobId,
    cluster: ClusterName,
    estimate: Estimate,
) {
    if draft.state.comparing.contains(&job) {
        draft.push(What::Estimated {
            job,
            cluster,
            estimate,
        });
    }
}

/// Chooses one of several clusters, at best by what they say. With each comes how many of ours wait there.
pub(super) fn choose(job: &Job, among: &[(&Cluster, u32)], now: Timestamp) -> Compared {
    // What was asked long ago, when there was no place in the end, says nothing any more.
    let Some(since) = job.comparison.since else {
        return Compared::ToAsk;
    };
    if now.since(since) >= ESTIMATE_MS {
        return Compared::ToAsk;
    }
    let answers = &job.comparison.answers;
    let are_all_there = among.iter().all(|(it, _)| answers.contains_key(&it.name));
    if !are_all_there && is_open(job, now) {
        return Compared::Awaited;
    }
    let offers = among
        .iter()
        .map(|(it, waiting)| (*it, *waiting, offer(job, it)));
    let mut offers: Vec<_> = offers.collect();
    let first = offers.iter().filter_map(|(.., offer)| start(offer)).min();
    offers.sort_by_key(|(cluster, waiting, offer)| {
        let price = cluster.terms.price.micro_eur_per_hour(job.ask.wanted());
        rank(price, *waiting, offer, first)
    });
    let offers: Vec<_> = offers.into_iter().map(|(.., offer)| offer).collect();
    match offers.first().map(|best| best.cluster.clone()) {
        Some(best) => Compared::Chosen(best, offers),
        None => Compared::Awaited,
    }
}

fn offer(job: &Job, cluster: &Cluster) -> Offer {
    let answer = job.comparison.answers.get(&cluster.name).cloned();
    Offer {
        cluster: cluster.name.clone(),
        estimate: answer.unwrap_or(Estimate::Unknown),
    }
}

fn start(offer: &Offer) -> Option<Timestamp> {
    match offer.estimate {
        Estimate::Starts { at } => Some(at),
        Estimate::Unknown | Estimate::Refused { .. } => None,
    }
}

/// The least is the best. What costs an unknown price comes after what costs a known one.
type Rank = (u8, Timestamp, Reverse<bool>, Option<u64>, u32, ClusterName);

fn rank(price: Option<u64>, waiting: u32, offer: &Offer, first: Option<Timestamp>) -> Rank {
    let (class, start) = match (&offer.estimate, first) {
        (Estimate::Starts { at }, Some(first)) if at.since(first) <= SAME_START_MS => (0, first),
        (Estimate::Starts { at }, _) => (0, *at),
        (Estimate::Unknown, _) => (1, Timestamp(0)),
        (Estimate::Refused { .. }, _) => (2, Timestamp(0)),
    };
    let name = offer.cluster.clone();
    (class, start, Reverse(price.is_some()), price, waiting, name)
}
