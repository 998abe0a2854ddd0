//! Slurm by its commands, run on this machine or over ssh.
//!
//! Rules: one script for each call. Only options that 20.11 has. Absent on purpose: retries; whoever
//! asks knows whether a second try is safe.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Cancel, START_IN_S, Slurm, SlurmError, Trial};
use crate::association::{self, Association};
use crate::batch::{Batch, render};
use crate::calls::Calls;
use crate::channel::{Channel, Output};
use crate::found::{self, Found};
use crate::job::{Job, JobId};
use crate::node::{Node, Partition};
use crate::quote::QuoteError;
use crate::time::UnixSeconds;
use crate::{sacct, sinfo, squeue};

mod answer;
mod script;

pub use answer::{Submitted, read_submitted};
pub use script::PRELUDE;

use script::Scripts;

/// Jobs that one command ends: the length of a command line has a limit.
const AT_ONCE: usize = 1000;

/// Slurm by its commands.
pub struct CommandSlurm {
    channel: Arc<dyn Channel>,
    scripts: Scripts,
    calls: Calls,
}

/// A script that submits a job and leaves the answer to [`read_submitted`].
///
/// # Errors
/// [`SlurmError::Refused`] for a job that no script can hold.
pub fn submit_script(batch: &Batch) -> Result<String, SlurmError> {
    let doing = answer::submitting(&batch.name);
    let scripts = Scripts {
        cluster: batch.ask.cluster.clone(),
    };
    let script = written(&doing, batch)?;
    scripts
        .submit(&script)
        .map_err(|error| unwritten(&doing, &error))
}

impl CommandSlurm {
    /// Commands run where the channel leads.
    pub fn new(channel: Arc<dyn Channel>) -> Self {
        Self {
            channel,
            scripts: Scripts::default(),
            calls: Calls::default(),
        }
    }

    /// Every command names this cluster: one of several under one database.
    #[must_use]
    pub fn with_cluster(mut self, cluster: Option<String>) -> Self {
        self.scripts.cluster = cluster;
        self
    }

    /// Counts calls that somebody else makes with the words of this module.
    pub fn count(&self, calls: u64) {
        self.calls.add(calls);
    }

    /// Runs a script that makes so many calls to the controller.
    async fn run(
        &self,
        doing: &str,
        script: Result<String, QuoteError>,
        calls: u64,
        is_question: bool,
    ) -> Result<Output, SlurmError> {
        let script = script.map_err(|error| unwritten(doing, &error))?;
        self.calls.add(calls);
        let output = self.channel.run(&script).await;
        if !output.as_ref().is_ok_and(|output| output.code == 0) {
            self.calls.add_failed();
        }
        output.map_err(|error| answer::cut_off(doing, &error, is_question))
    }

    /// Runs a script that changes nothing.
    async fn ask(
        &self,
        doing: &str,
        script: Result<String, QuoteError>,
        calls: u64,
    ) -> Result<String, SlurmError> {
        let output = self.run(doing, script, calls, true).await?;
        answer::read(doing, &output)
    }
}

#[async_trait]
impl Slurm for CommandSlurm {
    async fn submit(&self, batch: &Batch) -> Result<JobId, SlurmError> {
        let doing = answer::submitting(&batch.name);
        let script = self.scripts.submit(&written(&doing, batch)?);
        let output = self.run(&doing, script, 1, false).await?;
        match read_submitted(&batch.name, &output)? {
            Submitted::Taken(job) => Ok(job),
            Submitted::Doubtful { job, warning } => {
                let cancelled = self.cancel(&[job], Cancel::End).await;
                Err(super::doubtful(&doing, job, &warning, cancelled))
            }
        }
    }

    async fn test(&self, batch: &Batch) -> Result<Trial, SlurmError> {
        let doing = format!("test the job {}", batch.name);
        let script = self.scripts.test(&written(&doing, batch)?);
        let output = self.run(&doing, script, 1, true).await?;
        answer::read_trial(&doing, &output)
    }

    async fn queue(&self, name_prefix: &str) -> Result<Vec<Job>, SlurmError> {
        let doing = "list the queue";
        let words = [&["squeue"], squeue::ARGUMENTS].concat();
        // `squeue` asks for the partitions, too, whatever it is to print.
        let printed = self.ask(doing, self.scripts.mine(&words), 2).await?;
        let jobs = squeue::jobs(&printed).map_err(|error| answer::unclear(doing, &error))?;
        let is_meant = |job: &Job| job.name.starts_with(name_prefix);
        Ok(jobs.into_iter().filter(is_meant).collect())
    }

    async fn jobs(&self, ids: &[JobId]) -> Result<Vec<Job>, SlurmError> {
        let mut jobs = Vec::new();
        for some in ids.chunks(AT_ONCE) {
            let doing = format!("look at {}", super::named(some));
            let ids: Vec<_> = some.iter().map(ToString::to_string).collect();
            let which = format!("--jobs={}", ids.join(","));
            let words = [&["squeue"], squeue::ARGUMENTS, &[which.as_str()]].concat();
            let output = self.run(&doing, self.scripts.mine(&words), 2, true).await?;
            // A single job that is not there is an error; among several it is passed over.
            if answer::is_unknown(&output) {
                continue;
            }
            let printed = answer::read(&doing, &output)?;
            let told = squeue::jobs(&printed).map_err(|error| answer::unclear(&doing, &error))?;
            jobs.extend(told);
        }
        Ok(jobs)
    }

    async fn history(
        &self,
        name_prefix: &str,
        since: UnixSeconds,
    ) -> Result<Option<Vec<Job>>, SlurmError> {
        let doing = "list past jobs";
        let since = format!("--starttime={}", since.iso());
        let words = [&["sacct"], sacct::ARGUMENTS, &[since.as_str()]].concat();
        let output = self.run(doing, self.scripts.mine(&words), 0, true).await?;
        if answer::has_no_accounting(&output) {
            return Ok(None);
        }
        let printed = answer::read(doing, &output)?;
        let jobs = sacct::runs(&printed).map_err(|error| answer::unclear(doing, &error))?;
        let is_meant = |job: &Job| job.name.starts_with(name_prefix);
        Ok(Some(jobs.into_iter().filter(is_meant).collect()))
    }

    async fn associations(&self) -> Result<Option<Vec<Association>>, SlurmError> {
        let doing = "list accounts";
        let words = [&["sacctmgr"], association::ARGUMENTS].concat();
        let script = self.scripts.accounts(&words);
        let output = self.run(doing, script, 0, true).await?;
        if answer::has_no_accounting(&output) {
            return Ok(None);
        }
        let printed = answer::read(doing, &output)?;
        let known = association::associations(&printed);
        known
            .map(Some)
            .map_err(|error| answer::unclear(doing, &error))
    }

    async fn nodes(&self) -> Result<Vec<Node>, SlurmError> {
        let doing = "list nodes";
        let words = [&["sinfo"], sinfo::NODE_ARGUMENTS].concat();
        let printed = self.ask(doing, self.scripts.plain(&words), 2).await?;
        sinfo::nodes(&printed).map_err(|error| answer::unclear(doing, &error))
    }

    async fn partitions(&self) -> Result<Vec<Partition>, SlurmError> {
        let doing = "list partitions";
        let words = [&["sinfo"], sinfo::PARTITION_ARGUMENTS].concat();
        let printed = self.ask(doing, self.scripts.plain(&words), 2).await?;
        sinfo::partitions(&printed).map_err(|error| answer::unclear(doing, &error))
    }

    async fn cancel(&self, jobs: &[JobId], how: Cancel) -> Result<(), SlurmError> {
        let signal;
        let (words, doing) = match how {
            Cancel::End => (vec!["scancel"], "cancel"),
            Cancel::SignalBatch(name) => {
                signal = format!("--signal={name}");
                (vec!["scancel", "--batch", &signal], "signal")
            }
            Cancel::SignalAll(name) => {
                signal = format!("--signal={name}");
                (vec!["scancel", "--full", &signal], "signal")
            }
        };
        for some in jobs.chunks(AT_ONCE) {
            let doing = format!("{doing} {}", super::named(some));
            let calls = some.len() as u64;
            let script = self.scripts.about(&words, some);
            let output = self.run(&doing, script, calls, false).await?;
            answer::read_cancelled(&doing, &output)?;
        }
        Ok(())
    }

    async fn start_now(&self, job: JobId) -> Result<(), SlurmError> {
        let doing = format!("let job {job} start now");
        let which = format!("JobId={job}");
        let when = format!("StartTime=now+{START_IN_S}");
        let words = ["scontrol", "update", &which, &when];
        let output = self.run(&doing, self.scripts.plain(&words), 1, false);
        answer::read_done(&doing, &output.await?)
    }

    async fn find(&self, job: JobId) -> Result<Option<Found>, SlurmError> {
        let doing = format!("look at job {job}");
        let format = format!("{}{}", found::FORMAT, squeue::FORMAT);
        let which = format!("--jobs={job}");
        let words = [
            "squeue",
            "--noheader",
            "--all",
            "--states=all",
            &which,
            "-o",
            &format,
        ];
        let output = self.run(&doing, self.scripts.about_one(&words), 2, true);
        let output = output.await?;
        if answer::is_unknown(&output) {
            return Ok(None);
        }
        let printed = answer::read(&doing, &output)?;
        found::answer(&printed).map_err(|error| answer::unclear(&doing, &error))
    }

    async fn batch_script(&self, job: JobId) -> Result<Option<String>, SlurmError> {
        let doing = format!("read the batch script of job {job}");
        let number = job.to_string();
        let words = ["scontrol", "write", "batch_script", &number, "-"];
        self.ask(&doing, self.scripts.plain(&words), 1)
            .await
            .map(Some)
    }

    async fn rename(&self, job: JobId, name: &str, comment: &str) -> Result<(), SlurmError> {
        let doing = format!("rename job {job}");
        let which = format!("JobId={job}");
        let (name, comment) = (format!("JobName={name}"), format!("Comment={comment}"));
        let words = ["scontrol", "update", &which, &name, &comment];
        let output = self.run(&doing, self.scripts.plain(&words), 1, false);
        answer::read_done(&doing, &output.await?)
    }

    async fn version(&self) -> Result<String, SlurmError> {
        let doing = "ask for Slurm's version";
        // It asks nobody, so it does not name a cluster either.
        let script = Scripts::default().plain(&["scontrol", "--version"]);
        let printed = self.ask(doing, script, 0).await?;
        let version = printed.split_whitespace().next_back();
        version
            .map(str::to_owned)
            .ok_or_else(|| SlurmError::NotUnderstood {
                doing: doing.to_owned(),
                why: "scontrol printed nothing".to_owned(),
            })
    }

    fn calls(&self) -> (u64, u64) {
        self.calls.counts()
    }
}

/// The batch script of a job.
fn written(doing: &str, batch: &Batch) -> Result<String, SlurmError> {
    render(batch).map_err(|error| unwritten(doing, &error))
}

fn unwritten(doing: &str, error: &dyn std::fmt::Display) -> SlurmError {
    SlurmError::Refused {
        doing: doing.to_owned(),
        why: error.to_string(),
    }
}
