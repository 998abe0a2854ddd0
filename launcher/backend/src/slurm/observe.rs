//! Looking at a Slurm site.
//!
//! Rules: the folders first, at a glance, then Slurm's controller, then the folders of what is not
//! plainly alive: whatever a folder says was submitted before the controller was asked is known to it,
//! or over. The accounting database is asked once for what the controller has forgotten. Absent on
//! purpose: what it all means (`listing`).

use std::collections::BTreeMap;

use schliff_scheduler::allocation::Listing;
use schliff_scheduler::time::Timestamp;
use schliff_slurm::job::Job;
use schliff_slurm::time::UnixSeconds;
use schliff_spec::cluster::Chain;
use schliff_spec::id::SubmitKey;

use super::desk::{Desk, locked, now};
use super::folder::{Facts, Glance, read, script};
use super::listing::{self, Known, Ours};
use super::{fault, pending};
use crate::clock;
use crate::error::BackendError;

/// What the names of all our jobs begin with.
pub(super) const PREFIX: &str = "schliff-";
/// Where a folder does not say when its job was submitted, the database is asked for so long a time.
const LONG_AGO_S: i64 = 30 * 24 * 3_600;

impl Desk {
    pub(super) async fn observe(&self) -> Result<Listing, BackendError> {
        let doing = format!("list the jobs of {}", self.options.cluster);
        let asked_at = clock::now();
        let glances = self.glances(&doing).await?;
        let jobs = self.reach.slurm.queue(PREFIX).await;
        let jobs = jobs.map_err(|error| fault::of_question(&doing, error))?;
        let jobs = listing::ours(&jobs, &self.options.instance, &glances);
        *locked(&self.seen) = Some(listing::numbers(&jobs));
        let has_successors = self.options.site.chain == Chain::Successors;
        let unclear = listing::unclear(&jobs, &glances, now(), has_successors);
        let facts = self.facts(&doing, &unclear).await?;
        let gone = listing::gone(&jobs, &facts);
        let history = self.remembered(&doing, &gone, &facts).await?;
        let known = Known {
            now: now(),
            instance: &self.options.instance,
            jobs,
            glances: &glances,
            facts: &facts,
            history: &history,
        };
        self.release(&known.jobs).await;
        Ok(self.listing(asked_at, &known).await)
    }

    async fn listing(&self, asked_at: Timestamp, known: &Known<'_>) -> Listing {
        let mut allocations = listing::allocations(known);
        let nodes = self.nodes(listing::blames_nobody(&allocations)).await;
        listing::blame(&mut allocations, nodes.as_deref().unwrap_or_default());
        Listing {
            cluster: self.options.cluster.clone(),
            asked_at,
            is_complete: true,
            allocations,
            nodes,
        }
    }

    /// All folders; none where the shared folder was not made yet.
    async fn glances(&self, doing: &str) -> Result<BTreeMap<SubmitKey, Glance>, BackendError> {
        let glances = self
            .ask(doing, script::glance(&self.shelf), read::glances)
            .await?;
        let glances = glances.unwrap_or_default().into_iter();
        Ok(glances.map(|glance| (glance.key, glance)).collect())
    }

    /// What these folders tell.
    pub(super) async fn facts(
        &self,
        doing: &str,
        keys: &[SubmitKey],
    ) -> Result<BTreeMap<SubmitKey, Facts>, BackendError> {
        match keys {
            [] => Ok(BTreeMap::new()),
            keys => {
                self.ask(doing, script::look(&self.shelf, keys), read::facts)
                    .await
            }
        }
    }

    /// What the accounting database knows of these, each of which is asked for once.
    async fn remembered(
        &self,
        doing: &str,
        gone: &[SubmitKey],
        facts: &BTreeMap<SubmitKey, Facts>,
    ) -> Result<BTreeMap<SubmitKey, Vec<Job>>, BackendError> {
        let unknown: Vec<_> = {
            let mut history = locked(&self.history);
            history.retain(|key, _| gone.contains(key));
            gone.iter()
                .filter(|key| !history.contains_key(key))
                .copied()
                .collect()
        };
        if !unknown.is_empty() && self.options.site.has_accounting {
            let made_at = |key| facts.get(key).and_then(|facts: &Facts| facts.made_at);
            let since = unknown
                .iter()
                .map(|key| made_at(key).unwrap_or(now().0 - LONG_AGO_S));
            let since = UnixSeconds(since.min().unwrap_or_default());
            let told = self.reach.slurm.history(PREFIX, since).await;
            let told = told.map_err(|error| fault::of_question(doing, error))?;
            let told = told.unwrap_or_default();
            let mut history = locked(&self.history);
            for key in unknown {
                let ids = facts
                    .get(&key)
                    .map(|facts| facts.ids.as_slice())
                    .unwrap_or_default();
                let own = told.iter().filter(|job| ids.contains(&job.id)).cloned();
                history.insert(key, own.collect());
            }
        }
        Ok(locked(&self.history).clone())
    }

    /// Lets start what Slurm makes wait for no reason but that it was put back, where users may.
    async fn release(&self, jobs: &Ours<'_>) {
        if !self.options.site.may_start_now {
            return;
        }
        let waiting = jobs.values().flatten();
        for job in waiting.filter(|job| pending::waits_for_begin_time(job, now())) {
            let is_new = locked(&self.released).insert((job.id, job.start_at));
            if is_new && let Err(error) = self.reach.slurm.start_now(job.id).await {
                let cluster = &self.options.cluster;
                tracing::warn!(%cluster, job = %job.name, "cannot let it start now: {error}");
            }
        }
    }
}
