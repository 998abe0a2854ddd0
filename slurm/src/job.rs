//! A job as Slurm tells of it.

use crate::state::JobState;
use crate::time::UnixSeconds;

/// Slurm's number of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u32);

impl std::fmt::Display for JobId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

/// One job, or one task of an array, or one run of a job that was put into the queue again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its number; a task of an array has one of its own once it runs.
    pub id: JobId,
    /// The array and the task's place in it.
    pub array: Option<(JobId, Option<u32>)>,
    /// `--job-name`
    pub name: String,
    /// `--comment`; empty where the source does not tell.
    pub comment: String,
    /// User name or number.
    pub user: String,
    /// Partition, or several with commas while it waits.
    pub partition: String,
    /// Account; may be empty.
    pub account: String,
    /// QOS; may be empty.
    pub qos: String,
    /// What it does.
    pub state: JobState,
    /// Why it waits, or why it ended so, as Slurm words it (`Priority`, `Resources`, `None`).
    pub reason: String,
    /// When it was submitted.
    pub submitted_at: Option<UnixSeconds>,
    /// When it started; of one that waits, when it is expected to.
    pub start_at: Option<UnixSeconds>,
    /// When it ended, or must end.
    pub end_at: Option<UnixSeconds>,
    /// Wall time that it may take, in minutes; `None` for unlimited or not told.
    pub time_limit_min: Option<u32>,
    /// Host list of its nodes, such as `n[1-3]`; empty before they are granted.
    pub nodes: String,
    /// How many nodes it has, or asks for.
    pub node_count: u32,
    /// What it waits for, as Slurm words it; may be empty.
    pub dependency: String,
    /// Exit code of the batch script, and the signal that ended it; only where the source tells.
    pub exit: Option<Exit>,
    /// How often it was started again; only where the source tells.
    pub restarts: Option<u32>,
}

/// How a batch script ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Exit code.
    pub code: u32,
    /// Signal, 0 for none.
    pub signal: u32,
}
