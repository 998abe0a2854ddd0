//! What one coordinator keeps of a Slurm site, and the calls that everything else is made of.
//!
//! Rules: nothing kept here is needed: a coordinator that begins anew finds all of it at the site.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use schliff_scheduler::allocation::NodeReport;
use schliff_slurm::channel::Output;
use schliff_slurm::job::{Job, JobId};
use schliff_slurm::time::UnixSeconds;
use schliff_spec::id::SubmitKey;
use tokio::time::Instant;

use super::fault;
use super::folder::Shelf;
use super::folder::read::ReadError;
use super::folder::script::ScriptError;
use super::{Reach, SlurmOptions, node};
use crate::backend::Traffic;
use crate::error::BackendError;

/// Nodes change rarely, and asking for all of them is dear.
const NODES_EVERY: Duration = Duration::from_secs(60);
/// Where one of them was lost, and nobody says which.
const NODES_SOON: Duration = Duration::from_secs(10);
/// Submits at a time; those of one key wait for each other.
const LANES: usize = 16;

/// A site as one coordinator sees it.
pub(crate) struct Desk {
    pub(crate) options: SlurmOptions,
    pub(crate) reach: Reach,
    pub(crate) shelf: Shelf,
    lanes: [tokio::sync::Mutex<()>; LANES],
    nodes: Mutex<Nodes>,
    /// Slurm's numbers of each key's jobs, as of the last listing; `None` before the first.
    pub(super) seen: Mutex<Option<BTreeMap<SubmitKey, Vec<JobId>>>>,
    /// What the accounting database told of keys that the controller has forgotten.
    pub(super) history: Mutex<BTreeMap<SubmitKey, Vec<Job>>>,
    /// Jobs that were let start, each with the begin time that it had.
    pub(super) released: Mutex<BTreeSet<(JobId, Option<UnixSeconds>)>>,
}

#[derive(Default)]
struct Nodes {
    asked_at: Option<Instant>,
    reports: Option<Vec<NodeReport>>,
}

impl Desk {
    pub(super) fn new(options: SlurmOptions, reach: Reach) -> Self {
        let shelf = Shelf {
            folder: options.site.folder.clone(),
            instance: options.instance.clone(),
        };
        Self {
            options,
            reach,
            shelf,
            lanes: std::array::from_fn(|_| tokio::sync::Mutex::default()),
            nodes: Mutex::default(),
            seen: Mutex::default(),
            history: Mutex::default(),
            released: Mutex::default(),
        }
    }

    /// Runs a script at the site.
    pub(super) async fn run(
        &self,
        doing: &str,
        script: Result<String, ScriptError>,
    ) -> Result<Output, BackendError> {
        let script = script.map_err(|error| fault::rejected(doing, &error))?;
        let output = self.reach.channel.run(&script).await;
        output.map_err(|error| fault::of_channel(doing, error))
    }

    /// Runs a script at the site and reads its answer.
    pub(super) async fn ask<T>(
        &self,
        doing: &str,
        script: Result<String, ScriptError>,
        read: impl FnOnce(&Output) -> Result<T, ReadError>,
    ) -> Result<T, BackendError> {
        let output = self.run(doing, script).await?;
        read(&output).map_err(|error| fault::of_read(doing, error))
    }

    /// One at a time for each key, from this process.
    pub(super) async fn alone(&self, key: SubmitKey) -> tokio::sync::MutexGuard<'_, ()> {
        let number = key.job.0.wrapping_add(key.generation.0);
        let lane = usize::try_from(number % LANES as u64).unwrap_or(0);
        self.lanes[lane].lock().await
    }

    /// The site's nodes, asked for now and then; `None` while that did not succeed.
    pub(super) async fn nodes(&self, is_urgent: bool) -> Option<Vec<NodeReport>> {
        let every = if is_urgent { NODES_SOON } else { NODES_EVERY };
        {
            let mut known = locked(&self.nodes);
            let is_fresh = known.asked_at.is_some_and(|at| at.elapsed() < every);
            if is_fresh {
                return known.reports.clone();
            }
            known.asked_at = Some(Instant::now());
        }
        let nodes = self.reach.slurm.nodes().await;
        let mut known = locked(&self.nodes);
        match nodes {
            Ok(nodes) => {
                let partitions = self.options.site.ask.partition.as_deref();
                known.reports = Some(node::reports(&nodes, partitions));
            }
            Err(error) => {
                let cluster = &self.options.cluster;
                tracing::warn!(%cluster, "cannot list the nodes: {error}");
            }
        }
        known.reports.clone()
    }

    pub(super) fn traffic(&self) -> Traffic {
        Traffic {
            rpcs: self.reach.slurm.calls().0,
            logins: self.reach.channel.logins(),
        }
    }
}

/// What is behind a lock is whole at any time.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Now.
pub(super) fn now() -> UnixSeconds {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.map_or(0, |span| span.as_secs());
    UnixSeconds(i64::try_from(seconds).unwrap_or(i64::MAX))
}
