//! What Schliff, or anybody, asks of Slurm, by whatever way it is reached.

pub mod command;
mod fault;
pub mod rest;

use async_trait::async_trait;

use crate::association::Association;
use crate::batch::Batch;
use crate::found::Found;
use crate::job::{Job, JobId};
use crate::node::{Node, Partition};
use crate::time::UnixSeconds;

/// Why a call failed, by what the caller can do.
#[derive(Debug, thiserror::Error)]
pub enum SlurmError {
    /// It certainly had no effect; it may work later: Slurm is down, or cannot be reached.
    #[error("cannot {doing}: {why}")]
    Unavailable {
        /// The failed operation and its object.
        doing: String,
        /// Why.
        why: String,
    },
    /// Slurm will not do it as it was asked.
    #[error("Slurm refuses to {doing}: {why}")]
    Refused {
        /// The failed operation and its object.
        doing: String,
        /// Why, in Slurm's words.
        why: String,
    },
    /// It may have had its effect.
    #[error("cannot tell whether it was possible to {doing}: {why}")]
    Lost {
        /// The failed operation and its object.
        doing: String,
        /// Why.
        why: String,
    },
    /// The answer is not understood.
    #[error("cannot understand what Slurm answers to {doing}: {why}")]
    NotUnderstood {
        /// The operation and its object.
        doing: String,
        /// What is not as expected, with the line.
        why: String,
    },
    /// It does not let us in: a token has expired, a key is not known.
    #[error("not allowed to {doing}: {why}")]
    Unauthorized {
        /// The failed operation and its object.
        doing: String,
        /// Why.
        why: String,
    },
}

/// What `--test-only` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// When it would start.
    pub start_at: Option<UnixSeconds>,
    /// Slurm's own words.
    pub words: String,
}

/// How jobs are ended or told something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancel {
    /// End it: TERM, then KILL.
    End,
    /// Send a signal to the batch shell only, such as `USR1`.
    SignalBatch(&'static str),
    /// Send a signal to every process of it: of use where all of them expect it.
    SignalAll(&'static str),
}

/// How soon a job begins that is to start now. A node takes no job that it was told to end in the same
/// second: one put into the queue again that starts at once fails ("Job credential revoked").
pub(crate) const START_IN_S: i64 = 3;

/// A Slurm cluster, however it is reached.
#[async_trait]
pub trait Slurm: Send + Sync {
    /// Submits a job.
    ///
    /// # Errors
    /// See [`SlurmError`]. A warning is an error, and the job is cancelled again.
    async fn submit(&self, batch: &Batch) -> Result<JobId, SlurmError>;

    /// Asks whether it would be taken, and when it would start.
    ///
    /// # Errors
    /// [`SlurmError::Refused`] says why not.
    async fn test(&self, batch: &Batch) -> Result<Trial, SlurmError>;

    /// All jobs of the user whose name begins so, that Slurm's controller remembers, in one call.
    ///
    /// # Errors
    /// See [`SlurmError`].
    async fn queue(&self, name_prefix: &str) -> Result<Vec<Job>, SlurmError>;

    /// Those of these jobs of the user that Slurm's controller remembers. Of a few jobs that is far less
    /// for it to tell than the queue, which has everybody's.
    ///
    /// # Errors
    /// See [`SlurmError`].
    async fn jobs(&self, ids: &[JobId]) -> Result<Vec<Job>, SlurmError>;

    /// The same as [`Self::queue`] from the accounting database, every run of each, since then; `None` where there is
    /// no such database.
    ///
    /// # Errors
    /// See [`SlurmError`].
    async fn history(
        &self,
        name_prefix: &str,
        since: UnixSeconds,
    ) -> Result<Option<Vec<Job>>, SlurmError>;

    /// The accounts and QOS that the user has; `None` where there is no accounting database, or no
    /// way to ask it.
    ///
    /// # Errors
    /// See [`SlurmError`].
    async fn associations(&self) -> Result<Option<Vec<Association>>, SlurmError> {
        Ok(None)
    }

    /// All nodes.
    ///
    /// # Errors
    /// See [`SlurmError`].
    async fn nodes(&self) -> Result<Vec<Node>, SlurmError>;

    /// All partitions.
    ///
    /// # Errors
    /// See [`SlurmError`].
    async fn partitions(&self) -> Result<Vec<Partition>, SlurmError>;

    /// Ends jobs, or signals them. Jobs that have ended or that nobody knows are fine.
    ///
    /// # Errors
    /// See [`SlurmError`].
    async fn cancel(&self, jobs: &[JobId], how: Cancel) -> Result<(), SlurmError>;

    /// Lets a job start now that waits for its begin time, as after a requeue.
    ///
    /// # Errors
    /// [`SlurmError::Refused`] where users may not do that.
    async fn start_now(&self, job: JobId) -> Result<(), SlurmError>;

    /// A job by its number, whoever submitted it; `None` where Slurm's controller does not know it, or
    /// does not show it.
    ///
    /// # Errors
    /// See [`SlurmError`].
    async fn find(&self, job: JobId) -> Result<Option<Found>, SlurmError>;

    /// The batch script of a job of the user's that has not ended, as it was submitted; `None` where
    /// there is no way to ask for it.
    ///
    /// # Errors
    /// See [`SlurmError`].
    async fn batch_script(&self, job: JobId) -> Result<Option<String>, SlurmError> {
        let _ = job;
        Ok(None)
    }

    /// Whether [`Self::rename`] is possible by this way; it changes nothing.
    ///
    /// # Errors
    /// [`SlurmError::Refused`] says why not.
    async fn can_rename(&self) -> Result<(), SlurmError> {
        Ok(())
    }

    /// Gives a job that has not ended another name and another comment, both or none.
    ///
    /// # Errors
    /// [`SlurmError::Refused`] where it has ended, or users may not do that.
    async fn rename(&self, job: JobId, name: &str, comment: &str) -> Result<(), SlurmError>;

    /// Version, such as `22.05.8`.
    ///
    /// # Errors
    /// See [`SlurmError`].
    async fn version(&self) -> Result<String, SlurmError>;

    /// Remote procedure calls to Slurm's controller that were caused so far, and failed ones.
    fn calls(&self) -> (u64, u64);
}

/// The refusal of a job that was taken otherwise than it was asked for, and cancelled again, with what
/// came of that.
pub fn doubtful(
    doing: &str,
    job: JobId,
    warning: &str,
    cancelled: Result<(), SlurmError>,
) -> SlurmError {
    let doing = doing.to_owned();
    match cancelled {
        Ok(()) => SlurmError::Refused {
            doing,
            why: format!("job {job} was taken with a warning, and cancelled again: {warning}"),
        },
        // It may run: whoever asks must look again.
        Err(error) => SlurmError::Lost {
            doing,
            why: format!("job {job} was taken with the warning `{warning}`; {error}"),
        },
    }
}

/// Jobs in an error: all of a few, or how many.
fn named(jobs: &[JobId]) -> String {
    match jobs {
        [job] => format!("job {job}"),
        few if few.len() <= 4 => {
            let few: Vec<_> = few.iter().map(ToString::to_string).collect();
            format!("jobs {}", few.join(", "))
        }
        many => format!("{} jobs", many.len()),
    }
}
