//! Slurm by slurmrestd, with a JSON web token.
//!
//! Rules: RE-1 the interface is picked from what the server offers; see [`api`]. RE-2 any warning on a
//! submit is a refusal, and the job is cancelled again: slurmrestd accepts a job without what it did
//! not understand. RE-3 errors are read from the answer. RE-4 the token is read anew for each call.
//! Absent on purpose: unix sockets, retries, and files: those are written by whoever shares storage
//! with the cluster.

use std::path::PathBuf;

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::fault::{self, Kind};
use super::{Cancel, Slurm, SlurmError, Trial};
use crate::batch::{Batch, render};
use crate::calls::Calls;
use crate::channel::Limits;
use crate::job::{Job, JobId};
use crate::json;
use crate::node::{Node, Partition};
use crate::parse::ParseError;
use crate::time::UnixSeconds;

mod api;
mod fields;
mod server;
mod token;
mod v38;
mod v40;
mod v43;

use api::{Api, NoWay, Request};
use server::{Answer, Failed, Server};

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
    server: Server,
    /// Asked for once; forgotten when the server no longer has it, as after an upgrade.
    api: Mutex<Option<Api>>,
    calls: Calls,
}

/// A job that only shows whether it would be taken.
const TRIAL: &str = "trial-of-";

impl RestSlurm {
    /// Connects when it is first needed.
    ///
    /// # Errors
    /// [`SlurmError::Unavailable`] where this machine's certificates cannot be used.
    pub fn new(options: RestOptions) -> Result<Self, SlurmError> {
        let doing = format!("prepare calls to {}", options.url);
        let server = Server::new(options);
        let server = server.map_err(|error| Kind::Unavailable.error(&doing, error.to_string()))?;
        Ok(Self {
            server,
            api: Mutex::new(None),
            calls: Calls::default(),
        })
    }

    /// The interface to speak.
    async fn api(&self, doing: &str) -> Result<Api, SlurmError> {
        let mut known = self.api.lock().await;
        if let Some(api) = *known {
            return Ok(api);
        }
        let unclear = |why: String| not_understood(doing, why);
        let mut answer = self.document("/openapi/v3", doing).await?;
        if answer.status == reqwest::StatusCode::NOT_FOUND {
            answer = self.document("/openapi", doing).await?;
        }
        if answer.status != reqwest::StatusCode::OK {
            let failed = answer.error();
            let failed = failed.unwrap_or_else(|| Failed {
                kind: Kind::Unavailable,
                why: format!("HTTP {}", answer.status),
            });
            return Err(failed.of(doing, true));
        }
        let document = serde_json::from_str(&answer.text);
        let document = document.map_err(|error| unclear(error.to_string()))?;
        let api = Api::pick(&document).map_err(unclear)?;
        *known = Some(api);
        Ok(api)
    }

    async fn document(&self, path: &str, doing: &str) -> Result<Answer, SlurmError> {
        let answer = self.server.call(&Request::get(path)).await;
        answer.map_err(|failed| failed.of(doing, true))
    }

    /// Sends a request that makes so many calls to the controller; its answer is no error.
    async fn call(
        &self,
        doing: &str,
        request: &Request,
        calls: u64,
        is_question: bool,
    ) -> Result<Answer, SlurmError> {
        self.calls.add(calls);
        let failed = match self.server.call(request).await {
            Ok(answer) => match answer.error() {
                None => return Ok(answer),
                Some(failed) => {
                    if answer.status == reqwest::StatusCode::NOT_FOUND {
                        *self.api.lock().await = None;
                    }
                    failed
                }
            },
            Err(failed) => failed,
        };
        self.calls.add_failed();
        Err(failed.of(doing, is_question))
    }

    /// Asks, and reads the answer.
    async fn ask<T>(
        &self,
        doing: &str,
        request: impl Fn(Api) -> Request,
        calls: u64,
        read: impl Fn(&str) -> Result<T, ParseError>,
    ) -> Result<T, SlurmError> {
        let api = self.api(doing).await?;
        let answer = self.call(doing, &request(api), calls, true).await?;
        read(&answer.text).map_err(|error| not_understood(doing, error.to_string()))
    }

    /// Submits a job; the answer may have warnings.
    async fn give(&self, doing: &str, batch: &Batch) -> Result<(JobId, Vec<String>), SlurmError> {
        let script = render(batch).map_err(|error| refused(doing, error.to_string()))?;
        let api = self.api(doing).await?;
        let request = api.submit(batch, &script);
        let request = request.map_err(|no_way| unsaid(doing, &no_way))?;
        let answer = self.call(doing, &request, 1, false).await?;
        let unclear = |error: ParseError| not_understood(doing, error.to_string());
        let id = json::submitted(&answer.text).map_err(unclear)?;
        let id = id.ok_or_else(|| not_understood(doing, "it names no job".to_owned()))?;
        let remarks = json::remarks(&answer.text).map_err(unclear)?;
        Ok((id, remarks.warnings))
    }

    /// The user's own jobs of such a name.
    fn mine(&self, jobs: Vec<Job>, name_prefix: &str) -> Vec<Job> {
        let user = &self.server.options().user;
        let is_meant = |job: &Job| job.user == *user && job.name.starts_with(name_prefix);
        jobs.into_iter().filter(is_meant).collect()
    }
}

#[async_trait]
impl Slurm for RestSlurm {
    async fn submit(&self, batch: &Batch) -> Result<JobId, SlurmError> {
        let doing = format!("submit the job {}", batch.name);
        let (job, warnings) = self.give(&doing, batch).await?;
        if warnings.is_empty() {
            return Ok(job);
        }
        let cancelled = self.cancel(&[job], Cancel::End).await;
        Err(super::doubtful(
            &doing,
            job,
            &warnings.join("; "),
            cancelled,
        ))
    }

    /// There is no such call: a held job under another name is submitted and cancelled, which tells
    /// of no start.
    async fn test(&self, batch: &Batch) -> Result<Trial, SlurmError> {
        let doing = format!("test the job {}", batch.name);
        let mut trial = batch.clone();
        trial.name = format!("{TRIAL}{}", batch.name);
        trial.ask.is_held = true;
        let (job, warnings) = self.give(&doing, &trial).await?;
        self.cancel(&[job], Cancel::End).await?;
        if !warnings.is_empty() {
            return Err(refused(&doing, warnings.join("; ")));
        }
        Ok(Trial {
            start_at: None,
            words: format!("taken on trial as job {job}, and cancelled again"),
        })
    }

    async fn queue(&self, name_prefix: &str) -> Result<Vec<Job>, SlurmError> {
        let jobs = self.ask("list the queue", Api::jobs, 1, json::jobs).await?;
        Ok(self.mine(jobs, name_prefix))
    }

    async fn history(
        &self,
        name_prefix: &str,
        since: UnixSeconds,
    ) -> Result<Option<Vec<Job>>, SlurmError> {
        let doing = "list past jobs";
        let Some(request) = self.api(doing).await?.past(since) else {
            return Ok(None);
        };
        let jobs = self.ask(doing, |_| request.clone(), 0, json::past).await?;
        Ok(Some(self.mine(jobs, name_prefix)))
    }

    async fn nodes(&self) -> Result<Vec<Node>, SlurmError> {
        self.ask("list nodes", Api::nodes, 2, json::nodes).await
    }

    async fn partitions(&self) -> Result<Vec<Partition>, SlurmError> {
        self.ask("list partitions", Api::partitions, 1, json::partitions)
            .await
    }

    async fn cancel(&self, jobs: &[JobId], how: Cancel) -> Result<(), SlurmError> {
        let verb = match how {
            Cancel::End => "cancel",
            Cancel::SignalBatch(_) => "signal",
        };
        for job in jobs {
            let doing = format!("{verb} job {job}");
            let request = self.api(&doing).await?.cancel(*job, how);
            let request = request.map_err(|no_way| unsaid(&doing, &no_way))?;
            match self.call(&doing, &request, 1, false).await {
                Err(SlurmError::Refused { why, .. }) if fault::is_over_already(&why) => {}
                other => drop(other?),
            }
        }
        Ok(())
    }

    async fn start_now(&self, job: JobId) -> Result<(), SlurmError> {
        let doing = format!("let job {job} start now");
        let soon = UnixSeconds(server::now_unix_s() + super::SOON_S);
        let request = self.api(&doing).await?.start(job, soon);
        self.call(&doing, &request, 1, false).await.map(drop)
    }

    async fn version(&self) -> Result<String, SlurmError> {
        let doing = "ask for Slurm's version";
        let release = self.ask(doing, Api::ping, 1, json::release).await?;
        release.ok_or_else(|| not_understood(doing, "it names no release".to_owned()))
    }

    fn calls(&self) -> (u64, u64) {
        self.calls.counts()
    }
}

fn not_understood(doing: &str, why: String) -> SlurmError {
    let doing = doing.to_owned();
    SlurmError::NotUnderstood { doing, why }
}

fn refused(doing: &str, why: String) -> SlurmError {
    Kind::Refused.error(doing, why)
}

fn unsaid(doing: &str, no_way: &NoWay) -> SlurmError {
    refused(doing, no_way.to_string())
}
