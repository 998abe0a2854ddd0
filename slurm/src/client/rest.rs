//! Slurm by slurmrestd, with a JSON web token.
//!
//! Rules: RE-1 the interface is picked from what the server offers; see [`api`]. RE-2 any warning on a
//! submit is a refusal, and the job is cancelled again: slurmrestd accepts a job without what it did
//! not understand. RE-3 errors are read from the answer. RE-4 the token is read anew for each call.
//! Absent on purpose: unix sockets, retries, and files: those are written by whoever shares storage
//! with the cluster.

use std::path::PathBuf;

use super::fault::{self, Kind};
use super::{Cancel, START_IN_S, Slurm, SlurmError, Trial};
use crate::batch::Batch;
use crate::channel::Limits;
use crate::found::Found;
use crate::job::{Job, JobId};
use crate::json::{self, Remarks};
use crate::node::{Node, Partition};
use crate::time::UnixSeconds;
use async_trait::async_trait;

mod api;
mod fields;
mod server;
mod talk;
mod token;
mod v38;
mod v40;
mod v43;

use api::Api;
use talk::{Operation, Talk, unsaid};

/// Where slurmrestd is, and who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestOptions {
    /// Such as `https://slurm.site:6820`.
    pub url: String,
    /// `X-SLURM-USER-NAME`
    pub user: String,
    /// File with the token, as `scontrol token` prints it; others may renew it at any time.
    pub token_file: PathBuf,
    /// What a call may take.
    pub limits: Limits,
}

/// Slurm by slurmrestd.
pub struct RestSlurm {
    talk: Talk,
}

/// A job that only shows whether it would be taken.
const TRIAL: &str = "trial-of-";
/// It is cancelled long before.
const TRIAL_BEGINS_S: i64 = 7 * 86_400;

/// Of more jobs, the whole queue is asked for at once.
const ONE_BY_ONE: usize = 8;

impl RestSlurm {
    /// Connects when it is first needed.
    ///
    /// # Errors
    /// [`SlurmError::Unavailable`] where this machine's certificates cannot be used.
    pub fn new(options: RestOptions) -> Result<Self, SlurmError> {
        let doing = format!("prepare calls to {}", options.url);
        let talk = Talk::new(options);
        let talk = talk.map_err(|error| Kind::Unavailable.error(&doing, error.to_string()))?;
        Ok(Self { talk })
    }

    /// The user's own jobs of such a name.
    fn mine(&self, jobs: Vec<Job>, name_prefix: &str) -> Vec<Job> {
        let user = self.talk.user();
        let is_meant = |job: &Job| job.user == user && job.name.starts_with(name_prefix);
        jobs.into_iter().filter(is_meant).collect()
    }
}

#[async_trait]
impl Slurm for RestSlurm {
    async fn submit(&self, batch: &Batch) -> Result<JobId, SlurmError> {
        let doing = format!("submit the job {}", batch.name);
        let (job, remarks) = self.talk.give(&doing, batch, None).await?;
        if remarks.warnings.is_empty() {
            return Ok(job);
        }
        let cancelled = self.cancel(&[job], Cancel::End).await;
        let warnings = remarks.warnings.join("; ");
        Err(super::doubtful(&doing, job, &warnings, cancelled))
    }

    /// There is no such call: a job under another name that begins in a week is submitted and
    /// cancelled, which tells of no start. One that is held would not be looked at.
    async fn test(&self, batch: &Batch) -> Result<Trial, SlurmError> {
        let doing = format!("test the job {}", batch.name);
        let mut trial = batch.clone();
        trial.name = format!("{TRIAL}{}", batch.name);
        let later = UnixSeconds(server::now_unix_s() + TRIAL_BEGINS_S);
        let (job, remarks) = self.talk.give(&doing, &trial, Some(later)).await?;
        self.cancel(&[job], Cancel::End).await?;
        let why = against(remarks);
        if !why.is_empty() {
            return Err(refused(&doing, why));
        }
        Ok(Trial {
            start_at: None,
            words: format!("taken on trial as job {job}, and cancelled again"),
        })
    }

    async fn queue(&self, name_prefix: &str) -> Result<Vec<Job>, SlurmError> {
        let jobs = self
            .talk
            .ask("list the queue", 1, Api::jobs, json::jobs)
            .await?;
        Ok(self.mine(jobs, name_prefix))
    }

    async fn jobs(&self, ids: &[JobId]) -> Result<Vec<Job>, SlurmError> {
        if ids.len() > ONE_BY_ONE {
            let mut all = self.queue("").await?;
            all.retain(|job| ids.contains(&job.id));
            return Ok(all);
        }
        let mut jobs = Vec::new();
        for id in ids {
            let found = self.find(*id).await?.filter(|found| found.is_own);
            jobs.extend(found.map(|found| found.job));
        }
        Ok(jobs)
    }

    async fn history(
        &self,
        name_prefix: &str,
        since: UnixSeconds,
    ) -> Result<Option<Vec<Job>>, SlurmError> {
        let doing = "list past jobs";
        let Some(request) = self.talk.api(doing).await?.past(since) else {
            return Ok(None);
        };
        let jobs = self.talk.ask(doing, 0, |_| request.clone(), json::past);
        let jobs = match jobs.await {
            // How 22.05 says that there is none.
            Err(SlurmError::Refused { why, .. }) if why.contains("Nothing found") => Vec::new(),
            jobs => jobs?,
        };
        Ok(Some(self.mine(jobs, name_prefix)))
    }

    async fn nodes(&self) -> Result<Vec<Node>, SlurmError> {
        self.talk
            .ask("list nodes", 2, Api::nodes, json::nodes)
            .await
    }

    async fn partitions(&self) -> Result<Vec<Partition>, SlurmError> {
        self.talk
            .ask("list partitions", 1, Api::partitions, json::partitions)
            .await
    }

    async fn cancel(&self, jobs: &[JobId], how: Cancel) -> Result<(), SlurmError> {
        let verb = match how {
            Cancel::End => "cancel",
            Cancel::SignalBatch(_) | Cancel::SignalAll(_) => "signal",
        };
        for job in jobs {
            let doing = format!("{verb} job {job}");
            let api = self.talk.api(&doing).await?;
            let request = api.cancel(*job, how);
            let request = request.map_err(|no_way| unsaid(&doing, &no_way))?;
            let why = match self.talk.call(change(&doing), api, &request).await {
                // From 23.11 on, an error of the job stands in a list of its own.
                Ok(answer) => answer.job_errors().join("; "),
                Err(SlurmError::Refused { why, .. }) => why,
                Err(other) => return Err(other),
            };
            if !why.is_empty() && !fault::is_over_already(&why) {
                return Err(fault::kind(1, &why).error(&doing, why));
            }
        }
        Ok(())
    }

    async fn start_now(&self, job: JobId) -> Result<(), SlurmError> {
        let doing = format!("let job {job} start now");
        let soon = UnixSeconds(server::now_unix_s() + START_IN_S);
        let api = self.talk.api(&doing).await?;
        let request = api.start(job, soon);
        let answer = self.talk.call(change(&doing), api, &request).await;
        answer.map(drop)
    }

    async fn find(&self, job: JobId) -> Result<Option<Found>, SlurmError> {
        let doing = format!("look at job {job}");
        let found = self.talk.ask(&doing, 1, |api| api.job(job), json::found);
        let (job, folder) = match found.await {
            Err(SlurmError::Refused { why, .. }) if fault::is_over_already(&why) => None,
            found => found?,
        }
        .map_or((None, String::new()), |(job, folder)| (Some(job), folder));
        let user = self.talk.user();
        Ok(job.map(|job| Found {
            is_own: job.user == user,
            folder,
            job,
        }))
    }

    async fn can_rename(&self) -> Result<(), SlurmError> {
        let doing = "rename a job";
        let api = self.talk.api(doing).await?;
        let request = api.rename(JobId(0), "", "");
        request.map(drop).map_err(|no_way| unsaid(doing, &no_way))
    }

    async fn rename(&self, job: JobId, name: &str, comment: &str) -> Result<(), SlurmError> {
        let doing = format!("rename job {job}");
        let api = self.talk.api(&doing).await?;
        let request = api.rename(job, name, comment);
        let request = request.map_err(|no_way| unsaid(&doing, &no_way))?;
        let answer = self.talk.call(change(&doing), api, &request).await?;
        match answer.job_errors().join("; ") {
            none if none.is_empty() => Ok(()),
            why => Err(fault::kind(1, &why).error(&doing, why)),
        }
    }

    async fn version(&self) -> Result<String, SlurmError> {
        let doing = "ask for Slurm's version";
        let release = self.talk.ask(doing, 1, Api::ping, json::release).await?;
        release.ok_or_else(|| not_understood(doing, "it names no release".to_owned()))
    }

    fn calls(&self) -> (u64, u64) {
        self.talk.calls.counts()
    }
}

/// What Slurm says against a job that it took on trial. Nodes that are in use are nothing against it,
/// and being held is its own wish.
fn against(remarks: Remarks) -> String {
    let is_meant = |words: &String| {
        let words = words.to_ascii_lowercase();
        !words.contains("held state") && !words.contains("busy")
    };
    let about = remarks.errors.into_iter().chain(remarks.notes);
    let about = about.filter(is_meant);
    let all: Vec<_> = about.chain(remarks.warnings).collect();
    all.join("; ")
}

fn not_understood(doing: &str, why: String) -> SlurmError {
    let doing = doing.to_owned();
    SlurmError::NotUnderstood { doing, why }
}

fn refused(doing: &str, why: String) -> SlurmError {
    Kind::Refused.error(doing, why)
}

/// An operation of one call that changes something.
fn change(doing: &str) -> Operation<'_> {
    Operation {
        doing,
        calls: 1,
        is_question: false,
    }
}
