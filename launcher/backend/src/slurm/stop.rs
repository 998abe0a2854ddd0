//! Ending and forgetting attempts on Slurm.
//!
//! Rules: the marker `stop` comes first, so that no script puts its job back after it was told to end.
//! What waits is cancelled; what runs is asked, or cancelled, too. What is alive is not forgotten. Slurm is
//! asked for the jobs that the folder or the last listing names, and for all of its queue only where
//! neither is of help: one that both miss is in the next listing.

use std::collections::BTreeMap;

use schliff_scheduler::allocation::StopHow;
use schliff_slurm::client::Cancel;
use schliff_slurm::job::{Job, JobId};
use schliff_spec::id::SubmitKey;

use super::desk::{Desk, locked, now};
use super::fault;
use super::folder::{read, script};
use super::listing::{self, Life};
use crate::error::BackendError;

impl Desk {
    pub(super) async fn stop(&self, key: SubmitKey, how: StopHow) -> Result<(), BackendError> {
        let doing = format!("stop {key} on {}", self.options.cluster);
        let _alone = self.alone(key).await;
        let marked = script::mark_stop(&self.shelf, key, how);
        let noted = self.ask(&doing, marked, read::ids).await?;
        let alive = self.alive(&doing, key, noted).await?;
        let (running, waiting): (Vec<_>, Vec<_>) =
            alive.iter().partition(|(_, life)| *life == Life::Runs);
        let ids = |jobs: Vec<(JobId, Life)>| jobs.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
        self.cancel(&doing, &ids(waiting), Cancel::End).await?;
        let running = ids(running);
        match how {
            StopHow::Now => self.cancel(&doing, &running, Cancel::End).await,
            StopHow::Gently => self.warn(&doing, &running).await,
        }
    }

    /// The script hands USR1 on to the agents. An old slurmrestd can only send it to every process:
    /// each of ours takes it for the same, however often it comes.
    async fn warn(&self, doing: &str, jobs: &[JobId]) -> Result<(), BackendError> {
        let told = self.cancel(doing, jobs, Cancel::SignalBatch("USR1")).await;
        match told {
            Err(BackendError::Rejected { .. }) => {
                self.cancel(doing, jobs, Cancel::SignalAll("USR1")).await
            }
            told => told,
        }
    }

    pub(super) async fn forget(&self, key: SubmitKey) -> Result<(), BackendError> {
        let doing = format!("forget {key} on {}", self.options.cluster);
        let _alone = self.alone(key).await;
        let facts = self.facts(&doing, &[key]).await?;
        let facts = facts.get(&key);
        let is_foreign = facts.is_some_and(|facts| facts.instance != self.options.instance);
        let noted = facts.map(|facts| facts.ids.clone());
        let alive = self.alive(&doing, key, noted.unwrap_or_default()).await?;
        let is_done = facts.is_some_and(|facts| facts.done.is_some());
        if is_foreign || (!is_done && !alive.is_empty()) {
            return Ok(());
        }
        // What is about to end needs nobody's help; successors have nothing to do.
        let waiting = alive.iter().filter(|(_, life)| *life == Life::Waits);
        let waiting: Vec<_> = waiting.map(|(id, _)| *id).collect();
        self.cancel(&doing, &waiting, Cancel::End).await?;
        self.ask(&doing, script::remove(&self.shelf, key), read::nothing)
            .await
    }

    /// Jobs of a key that wait or run. Those that its folder and the last listing name are asked for;
    /// where neither names one, the whole queue is.
    async fn alive(
        &self,
        doing: &str,
        key: SubmitKey,
        noted: Vec<JobId>,
    ) -> Result<Vec<(JobId, Life)>, BackendError> {
        let known = known(noted, locked(&self.seen).as_ref(), key);
        let jobs = match known.as_slice() {
            [] => self.jobs(doing, key).await?,
            ids => {
                let jobs = self.reach.slurm.jobs(ids).await;
                self.own(key, jobs.map_err(|error| fault::of_question(doing, error))?)
            }
        };
        let lives = jobs.iter().map(|job| (job.id, listing::life(job, now())));
        Ok(lives.filter(|(_, life)| *life > Life::Over).collect())
    }

    /// Jobs of a key that Slurm's controller remembers.
    pub(super) async fn jobs(&self, doing: &str, key: SubmitKey) -> Result<Vec<Job>, BackendError> {
        let jobs = self.reach.slurm.queue(&key.to_string()).await;
        let jobs = jobs.map_err(|error| fault::of_question(doing, error))?;
        Ok(self.own(key, jobs))
    }

    fn own(&self, key: SubmitKey, mut jobs: Vec<Job>) -> Vec<Job> {
        let name = key.to_string();
        jobs.retain(|job| job.name == name && listing::is_ours(job, &self.options.instance));
        jobs
    }

    async fn cancel(&self, doing: &str, jobs: &[JobId], how: Cancel) -> Result<(), BackendError> {
        if jobs.is_empty() {
            return Ok(());
        }
        let told = self.reach.slurm.cancel(jobs, how).await;
        told.map_err(|error| fault::of_slurm(doing, error))
    }
}

/// Slurm's numbers of a key's jobs; none where there was no listing yet that might know of more.
fn known(
    mut noted: Vec<JobId>,
    seen: Option<&BTreeMap<SubmitKey, Vec<JobId>>>,
    key: SubmitKey,
) -> Vec<JobId> {
    let Some(seen) = seen else {
        return Vec::new();
    };
    noted.extend(seen.get(&key).into_iter().flatten());
    noted.sort_unstable();
    noted.dedup();
    noted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_and_the_last_listing_name_a_keys_jobs() {
        let key = |text: &str| -> SubmitKey { text.parse().expect("a key") };
        let seen = BTreeMap::from([(key("schliff-1-1"), vec![JobId(9), JobId(7)])]);
        let known = |noted: &[u32], seen, of| {
            let noted = noted.iter().copied().map(JobId).collect();
            let ids = known(noted, seen, key(of));
            ids.into_iter().map(|id| id.0).collect::<Vec<_>>()
        };
        assert_eq!(known(&[8, 7], Some(&seen), "schliff-1-1"), [7, 8, 9]);
        assert_eq!(known(&[8], Some(&seen), "schliff-2-1"), [8]);
        assert!(known(&[], Some(&seen), "schliff-2-1").is_empty());
        assert!(
            known(&[8], None, "schliff-1-1").is_empty(),
            "there may be more"
        );
    }
}
