//! Requests to one server, in the interface that it offers.

use tokio::sync::Mutex;

use super::api::{Api, NoWay, Request};
use super::server::{Answer, Failed, Server};
use super::{RestOptions, not_understood, refused};
use crate::batch::{Batch, render};
use crate::calls::Calls;
use crate::client::fault::Kind;
use crate::client::{Cancel, SlurmError};
use crate::job::JobId;
use crate::json::{self, Remarks};
use crate::parse::ParseError;
use crate::time::UnixSeconds;

/// A job that there never is: Slurm's numbers end at 67,043,328.
const NO_JOB: JobId = JobId(999_999_999);

/// A server, and what is known of it.
pub(super) struct Talk {
    server: Server,
    /// Asked for once; forgotten when the server no longer has it, as after an upgrade.
    api: Mutex<Option<Api>>,
    pub(super) calls: Calls,
}

/// One operation.
#[derive(Clone, Copy)]
pub(super) struct Operation<'a> {
    /// Its name and object, for errors.
    pub(super) doing: &'a str,
    /// Calls to the controller that each request makes.
    pub(super) calls: u64,
    /// It changes nothing.
    pub(super) is_question: bool,
}

impl Talk {
    /// # Errors
    /// This machine's certificates cannot be used.
    pub(super) fn new(options: RestOptions) -> Result<Self, reqwest::Error> {
        Ok(Self {
            server: Server::new(options)?,
            api: Mutex::new(None),
            calls: Calls::default(),
        })
    }

    pub(super) fn user(&self) -> &str {
        &self.server.options().user
    }

    /// The interface to speak.
    pub(super) async fn api(&self, doing: &str) -> Result<Api, SlurmError> {
        let mut known = self.api.lock().await;
        if let Some(api) = *known {
            return Ok(api);
        }
        let mut answer = self.document("/openapi/v3", doing).await?;
        if answer.status == reqwest::StatusCode::NOT_FOUND {
            answer = self.document("/openapi", doing).await?;
        }
        if answer.status != reqwest::StatusCode::OK {
            let failed = answer.error().unwrap_or_else(|| Failed {
                kind: Kind::Unavailable,
                why: format!("HTTP {}", answer.status),
            });
            return Err(failed.of(doing, true));
        }
        let document = serde_json::from_str(&answer.text);
        let document = document.map_err(|error| not_understood(doing, error.to_string()))?;
        let api = Api::pick(&document).map_err(|why| not_understood(doing, why))?;
        *known = Some(api);
        Ok(api)
    }

    async fn document(&self, path: &str, doing: &str) -> Result<Answer, SlurmError> {
        let answer = self.server.call(&Request::get(path)).await;
        answer.map_err(|failed| failed.of(doing, true))
    }

    /// Sends a request; its answer is no error.
    pub(super) async fn call(
        &self,
        what: Operation<'_>,
        api: Api,
        request: &Request,
    ) -> Result<Answer, SlurmError> {
        self.calls.add(what.calls);
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
        Err(self.failed(what, api, failed).await)
    }

    /// Asks, and reads the answer.
    pub(super) async fn ask<T>(
        &self,
        doing: &str,
        calls: u64,
        request: impl Fn(Api) -> Request,
        read: impl Fn(&str) -> Result<T, ParseError>,
    ) -> Result<T, SlurmError> {
        let api = self.api(doing).await?;
        let what = Operation {
            doing,
            calls,
            is_question: true,
        };
        let answer = self.call(what, api, &request(api)).await?;
        read(&answer.text).map_err(|error| not_understood(doing, error.to_string()))
    }

    /// Submits a job that begins then; the answer may have remarks beside the job's number.
    pub(super) async fn give(
        &self,
        doing: &str,
        batch: &Batch,
        begin: Option<UnixSeconds>,
    ) -> Result<(JobId, Remarks), SlurmError> {
        let api = self.api(doing).await?;
        let batch = api
            .adapted(batch)
            .map_err(|no_way| unsaid(doing, &no_way))?;
        let script = render(&batch).map_err(|error| refused(doing, error.to_string()))?;
        let request = api.submit(&batch, &script, begin);
        let request = request.map_err(|no_way| unsaid(doing, &no_way))?;
        let what = Operation {
            doing,
            calls: 1,
            is_question: false,
        };
        self.calls.add(what.calls);
        let failed = match self.server.call(&request).await {
            Err(failed) => failed,
            // With a job there are errors that are none, such as that it is held.
            Ok(answer) => match (json::submitted(&answer.text), answer.error()) {
                (Ok(Some(job)), _) => {
                    let remarks = json::remarks(&answer.text).unwrap_or_default();
                    return Ok((job, remarks));
                }
                (_, Some(failed)) => failed,
                (_, None) => return Err(not_understood(doing, "it names no job".to_owned())),
            },
        };
        Err(self.failed(what, api, failed).await)
    }

    /// The error of a call; where its words leave open what is wrong, another call tells.
    async fn failed(&self, what: Operation<'_>, api: Api, failed: Failed) -> SlurmError {
        self.calls.add_failed();
        let clear = match api.cancel(NO_JOB, Cancel::End) {
            Ok(request) if failed.is_vague() => {
                self.calls.add(1);
                let second = self.server.call(&request).await;
                let second = second.map_or_else(Some, |answer| answer.error());
                failed.settled(second.as_ref())
            }
            _ => failed,
        };
        clear.of(what.doing, what.is_question)
    }
}

/// The refusal of what an interface cannot say.
pub(super) fn unsaid(doing: &str, no_way: &NoWay) -> SlurmError {
    refused(doing, no_way.to_string())
}
