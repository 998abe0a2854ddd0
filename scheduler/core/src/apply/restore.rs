//! Makes anew what a snapshot leaves out, because it is derived from jobs.

use schliff_spec::id::ClusterName;

use super::attempt;
use crate::job::{Comparison, Job, Vitals};
use crate::state::{Kept, State};

impl From<Kept> for State {
    fn from(kept: Kept) -> Self {
        let mut state = Self {
            clusters: kept.clusters,
            requests: kept.requests,
            ..Self::default()
        };
        for job in kept.jobs.values() {
            state.index(job);
            state.hold(None, attempt::holds(job));
        }
        state.jobs = kept.jobs;
        state
    }
}

impl State {
    /// It as replay of the journal would give it: without what was only observed or heard.
    #[must_use]
    pub fn kept(&self) -> Self {
        let without_vitals = |job: &Job| {
            let mut job = job.clone();
            job.comparison = Comparison::default();
            for attempt in &mut job.attempts {
                attempt.vitals = Vitals::default();
            }
            (job.id, job)
        };
        let clusters = self.clusters.iter().map(|(name, cluster)| {
            let mut cluster = cluster.clone();
            cluster.nodes.clear();
            cluster.observed_at = None;
            (name.clone(), cluster)
        });
        Self::from(Kept {
            jobs: self.jobs.values().map(without_vitals).collect(),
            clusters: clusters.collect(),
            requests: self.requests.clone(),
        })
    }

    /// Notes what live attempts hold of a cluster that was away for a while.
    pub(super) fn hold_again(&mut self, cluster: &ClusterName) {
        let holds = self.jobs.values().filter_map(attempt::holds);
        let here: Vec<_> = holds.filter(|(where_, ..)| where_ == cluster).collect();
        for held in here {
            self.hold(None, Some(held));
        }
    }
}
