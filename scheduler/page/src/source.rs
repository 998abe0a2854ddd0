//! Where the page has its data from: what the coordinator implements for it.
//!
//! Rules: all that is shown is a wire type, so that page, command line and gRPC tell the same; times
//! are those of [`Source::now_ms`]. The page asks whenever somebody looks; it keeps nothing.
//!
//! Absent on purpose: who may see the page, and where a form may come from. The coordinator checks
//! both before a request comes here, and says by an extension of the request ([`Caller`]) who asks.

use async_trait::async_trait;
use axum::http::StatusCode;
use schliff_wire::v1::{
    CancelRequest, ClustersReply, Explanation, HistoryReply, JobView, ListReply, ListRequest,
    LogChunk, LogsRequest, NodesReply, RetryRequest, SeriesReply, SeriesRequest, ServerReply,
};
use thiserror::Error;
use tokio::sync::broadcast;

/// The coordinator, as the page sees it.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// The coordinator itself.
    async fn server(&self) -> Result<ServerReply, Refusal>;
    /// Jobs, the newest first.
    async fn list(&self, ask: ListRequest) -> Result<ListReply, Refusal>;
    /// One job with all that is known of it.
    async fn job(&self, job: u64) -> Result<JobView, Refusal>;
    /// Why it is as it is.
    async fn explain(&self, job: u64) -> Result<Explanation, Refusal>;
    /// Its curves.
    async fn series(&self, ask: SeriesRequest) -> Result<SeriesReply, Refusal>;
    /// Its lines so far; `follow` is never set.
    async fn logs(&self, ask: LogsRequest) -> Result<LogChunk, Refusal>;
    /// Its entries of the journal, the oldest first.
    async fn history(&self, job: u64) -> Result<HistoryReply, Refusal>;
    /// All clusters.
    async fn clusters(&self) -> Result<ClustersReply, Refusal>;
    /// The nodes of a cluster, or of all where the name is empty.
    async fn nodes(&self, cluster: &str) -> Result<NodesReply, Refusal>;
    /// Stops a job; the caller is one who may.
    async fn cancel(&self, caller: &Caller, ask: CancelRequest) -> Result<JobView, Refusal>;
    /// Tries an ended job again; the caller is one who may.
    async fn retry(&self, caller: &Caller, ask: RetryRequest) -> Result<JobView, Refusal>;
    /// A note of every change from now on. Those who lag may be told less: the page looks again then.
    fn changes(&self) -> broadcast::Receiver<Change>;
    /// Milliseconds since 1970 (UTC).
    fn now_ms(&self) -> i64;
}

/// What may look different now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A job: its view, its curves or its lines.
    Job {
        /// Its number.
        job: u64,
    },
    /// A cluster or its nodes.
    Clusters,
    /// The coordinator is about to end: open streams are to be closed.
    Closing,
}

/// Who asks. The coordinator puts one into the extensions of each request; without one, somebody
/// nameless who may only look is assumed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// As a job's owner is called.
    pub name: String,
    /// May cancel and retry.
    pub may_change: bool,
}

/// Why something is not shown or not done.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{text}")]
pub struct Refusal {
    /// Stable, such as `no-such-job`.
    pub code: String,
    /// In words.
    pub text: String,
    /// What the user can do; empty where nothing.
    pub hint: String,
    /// Of the answer.
    pub status: StatusCode,
}

impl Refusal {
    /// There is no such job.
    pub fn no_job(job: u64) -> Self {
        Self {
            code: "no-such-job".into(),
            text: format!("there is no job {job}"),
            hint: "numbers of jobs are on the list of jobs".into(),
            status: StatusCode::NOT_FOUND,
        }
    }

    /// There is no such page.
    pub fn no_page() -> Self {
        Self {
            code: "no-such-page".into(),
            text: "there is no such page".into(),
            hint: String::new(),
            status: StatusCode::NOT_FOUND,
        }
    }

    /// The caller may only look.
    pub fn may_only_look() -> Self {
        Self {
            code: "role".into(),
            text: "who looks on may change nothing".into(),
            hint: "a token of the role user may".into(),
            status: StatusCode::FORBIDDEN,
        }
    }

    /// More pages are being watched than may.
    pub(crate) fn too_many_watched() -> Self {
        Self {
            code: "too-many-watched".into(),
            text: "as many pages are kept up to date as may be".into(),
            hint: "load the page again to see what is new".into(),
            status: StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// A page cannot be made.
    pub(crate) fn defect(error: &askama::Error) -> Self {
        Self {
            code: "defect".into(),
            text: format!("cannot make the page: {error}"),
            hint: String::new(),
            status: StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}
