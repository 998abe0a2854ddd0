//! Everything that the brain knows.
//!
//! Rules: changed by [`State::apply`] alone. The indexes are derived from the jobs and checked against
//! them ([`crate::invariant`]).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use schliff_spec::id::{ClusterName, JobId};
use serde::{Deserialize, Serialize};

use crate::cluster::Cluster;
use crate::job::Job;

/// It. In a snapshot it is without what is derived or observed; that is made anew when it is read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Kept")]
pub struct State {
    /// All jobs.
    pub jobs: BTreeMap<JobId, Job>,
    /// All clusters.
    pub clusters: BTreeMap<ClusterName, Cluster>,
    /// The job that a client's request became.
    pub requests: BTreeMap<String, JobId>,
    /// Jobs in the phase `Queued`, sweeps left out, the next first.
    #[serde(skip)]
    pub queue: BTreeSet<QueuePlace>,
    /// Queued jobs for which clusters are compared.
    #[serde(skip)]
    pub comparing: BTreeSet<JobId>,
    /// Jobs with a live attempt.
    #[serde(skip)]
    pub live: BTreeSet<JobId>,
    /// Jobs in the phase `Recovering`.
    #[serde(skip)]
    pub recovering: BTreeSet<JobId>,
    /// Sweeps that have not ended.
    #[serde(skip)]
    pub sweeps: BTreeSet<JobId>,
}

/// What a snapshot holds of it.
#[derive(Deserialize)]
pub(crate) struct Kept {
    pub(crate) jobs: BTreeMap<JobId, Job>,
    pub(crate) clusters: BTreeMap<ClusterName, Cluster>,
    pub(crate) requests: BTreeMap<String, JobId>,
}

/// A job's place in the queue: by priority, then by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueuePlace {
    /// The priority, higher first.
    pub priority: Reverse<u8>,
    /// The job.
    pub job: JobId,
}

impl QueuePlace {
    /// That of a job.
    pub fn of(job: &Job) -> Self {
        Self {
            priority: Reverse(job.ask.priority),
            job: job.id,
        }
    }
}

impl State {
    /// The number of the next job.
    pub fn next_job(&self) -> JobId {
        let newest = self.jobs.keys().next_back();
        JobId(newest.map_or(1, |job| job.0 + 1))
    }

    /// Jobs that have not ended.
    pub fn open_jobs(&self) -> usize {
        self.queue.len() + self.live.len() + self.recovering.len() + self.sweeps.len()
    }
}
