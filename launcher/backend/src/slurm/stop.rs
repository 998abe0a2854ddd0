//! Ending and forgetting attempts on Slurm.
//!
//! Rules: the marker `stop` comes first, so that no script puts its job back after it was told to end.
//! What waits is cancelled; what runs is asked, or cancelled, too. What is alive is not forgotten.

use schliff_scheduler::allocation::StopHow;
use schliff_slurm::client::Cancel;
use schliff_slurm::job::{Job, JobId};
use schliff_spec::id::SubmitKey;

use super::desk::{Desk, now};
use super::fault;
use super::folder::{read, script};
use super::listing::{self, Life};
use crate::error::BackendError;

impl Desk {
    pub(super) async fn stop(&self, key: SubmitKey, how: StopHow) -> Result<(), BackendError> {
        let doing = format!("stop {key} on {}", self.options.cluster);
        let _alone = self.alone(key).await;
        let marked = script::mark_stop(&self.shelf, key, how);
        self.ask(&doing, marked, read::nothing).await?;
        let alive = self.alive(&doing, key).await?;
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
        let alive = self.alive(&doing, key).await?;
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

    /// Jobs of a key that wait or run.
    async fn alive(&self, doing: &str, key: SubmitKey) -> Result<Vec<(JobId, Life)>, BackendError> {
        let jobs = self.jobs(doing, key).await?;
        let lives = jobs.iter().map(|job| (job.id, listing::life(job, now())));
        Ok(lives.filter(|(_, life)| *life > Life::Over).collect())
    }

    /// Jobs of a key that Slurm's controller remembers.
    pub(super) async fn jobs(&self, doing: &str, key: SubmitKey) -> Result<Vec<Job>, BackendError> {
        let jobs = self.reach.slurm.queue(&key.to_string()).await;
        let jobs = jobs.map_err(|error| fault::of_question(doing, error))?;
        let is_own = |job: &Job| listing::is_ours(job, &self.options.instance);
        let name = key.to_string();
        Ok(jobs
            .into_iter()
            .filter(|job| job.name == name && is_own(job))
            .collect())
    }

    async fn cancel(&self, doing: &str, jobs: &[JobId], how: Cancel) -> Result<(), BackendError> {
        if jobs.is_empty() {
            return Ok(());
        }
        let told = self.reach.slurm.cancel(jobs, how).await;
        told.map_err(|error| fault::of_slurm(doing, error))
    }
}
