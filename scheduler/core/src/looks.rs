//! Clusters that are worth a look before their turn. Pure.
//!
//! Rules: only where the look itself brings a job on, and only for a short time: the pace of looks is
//! what the site was promised.

use std::collections::BTreeSet;

use schliff_spec::id::ClusterName;

use crate::ending::Ending;
use crate::job::Job;
use crate::policy::LOOK_MS;
use crate::state::State;
use crate::time::Timestamp;

/// Clusters whose batch system is putting a job back into its queue just now, and lets it start as
/// soon as it is found there.
pub fn looks(state: &State, now: Timestamp) -> BTreeSet<&ClusterName> {
    let live = state.live.iter().filter_map(|id| state.jobs.get(id));
    let clusters = live.filter_map(|job| {
        let attempt = job.live()?;
        let terms = &state.clusters.get(&attempt.cluster)?.terms;
        (terms.releases && is_put_back(job, now)).then_some(&attempt.cluster)
    });
    clusters.collect()
}

/// Its agents ended a moment ago with more to do, and nobody wants it to stop.
fn is_put_back(job: &Job, now: Timestamp) -> bool {
    let Some(attempt) = job.live() else {
        return false;
    };
    let has_more = attempt
        .last_words
        .as_ref()
        .is_some_and(|words| words.ending() == Ending::MoreToDo);
    has_more && job.stop.is_none() && now.since(attempt.heard_at()) < LOOK_MS
}
