//! The folder of an attempt on storage that login and compute nodes share: which file says what.
//!
//! | file | who writes it | what it says |
//! |---|---|---|
//! | `instance` | the submitter | whose it is: a coordinator's word, and when it was made |
//! | `batch.sh`, `job.toml`, `token`, `ca.pem`, `environment` | the submitter | what is run |
//! | `id` | the submitter | Slurm's numbers of its jobs, one a line |
//! | `claim` | the script | which submission may run |
//! | `starts` | the script | a line for each start; the last one alone may write `exit` and `done` |
//! | `stop` | who stops it | `gently` or `now`: do not go on |
//! | `exit` | node 0's agent | its exit code |
//! | `done` | the script | the exit code, where nothing is to follow |
//! | `log` | the job | what it printed |
//! | `by-hand` | who adopts it | a link to the folder of a job that was submitted by hand: what scripts and agents write is there |
//!
//! Rules: SF-1 a folder is made once, and only by `mkdir`; who makes it submits. SF-2 a file appears
//! whole, by a rename, or is one short line. SF-3 secrets are in files that only their owner may read,
//! and never in arguments. Absent on purpose: any use of the file system from here: a script does it,
//! where the storage is.

pub(crate) mod adoption;
pub(crate) mod read;
pub(crate) mod script;

use schliff_scheduler::allocation::StopHow;
use schliff_slurm::job::JobId;
use schliff_spec::id::SubmitKey;

/// Whose attempt it is.
pub(crate) const INSTANCE: &str = "instance";
/// Slurm's numbers of its jobs.
pub(crate) const ID: &str = "id";
/// Do not go on.
pub(crate) const STOP: &str = "stop";
/// Exit code of node 0's agent.
pub(crate) const EXIT: &str = "exit";
/// The exit code, where nothing is to follow.
pub(crate) const DONE: &str = "done";
/// A line for each start.
pub(crate) const STARTS: &str = "starts";
/// What the job printed.
pub(crate) const LOG: &str = "log";
/// The batch script, for people.
pub(crate) const BATCH: &str = "batch.sh";
/// Variables of every process, for the batch script.
pub(crate) const ENVIRONMENT: &str = "environment";

/// Leads to the folder of a job that was submitted by hand.
pub(crate) const BY_HAND: &str = "by-hand";

/// A site's shared folder, and whose attempts are ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shelf {
    /// Absolute, where the storage is mounted.
    pub(crate) folder: String,
    /// A word that no other coordinator has.
    pub(crate) instance: String,
}

impl Shelf {
    /// The folder of an attempt.
    pub(crate) fn place(&self, key: SubmitKey) -> String {
        format!("{}/{key}", self.folder.trim_end_matches('/'))
    }
}

/// An attempt's folder, at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glance {
    pub(crate) key: SubmitKey,
    /// Its first Slurm job; `None` while it is being submitted.
    pub(crate) first: Option<JobId>,
}

/// What an attempt's folder tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Whose it is; empty where that was not written yet.
    pub(crate) instance: String,
    /// When it was made, in Unix seconds.
    pub(crate) made_at: Option<i64>,
    /// Slurm's numbers of its jobs, in the order of their submits.
    pub(crate) ids: Vec<JobId>,
    /// The exit code, where nothing is to follow.
    pub(crate) done: Option<i32>,
    /// Exit code of node 0's agent, in the last run.
    pub(crate) exit: Option<i32>,
    /// Somebody asked it to end, and how.
    pub(crate) stop: Option<StopHow>,
    /// A Slurm job for each of its starts.
    pub(crate) starts: Vec<JobId>,
    /// The last line that it printed, where it did not end well.
    pub(crate) last_line: String,
}

/// The word for `stop`.
pub(crate) fn stop_word(how: StopHow) -> &'static str {
    match how {
        StopHow::Gently => "gently",
        StopHow::Now => "now",
    }
}

#[cfg(test)]
mod tests;
