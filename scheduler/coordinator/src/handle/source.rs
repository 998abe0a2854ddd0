//! What the page shows.

use async_trait::async_trait;
use axum::http::StatusCode;
use schliff_page::{Caller, Change, Source};
use schliff_wire::v1::{
    CancelRequest, ClustersReply, Explanation, HistoryReply, JobView, ListReply, ListRequest,
    LogChunk, LogsRequest, NodesReply, NodesRequest, RetryRequest, SeriesReply, SeriesRequest,
    ServerReply,
};
use tokio::sync::broadcast;

use super::Handle;
use crate::clock::{now, wire_ms};
use crate::refusal::{Refusal, RefusalKind};

type Answer<T> = Result<T, schliff_page::Refusal>;

#[async_trait]
impl Source for Handle {
    async fn server(&self) -> Answer<ServerReply> {
        Ok(Handle::server(self).await?)
    }

    async fn list(&self, ask: ListRequest) -> Answer<ListReply> {
        Ok(Handle::list(self, &ask).await?)
    }

    async fn job(&self, job: u64) -> Answer<JobView> {
        Ok(self.get(job).await?)
    }

    async fn explain(&self, job: u64) -> Answer<Explanation> {
        Ok(Handle::explain(self, job).await?)
    }

    async fn series(&self, ask: SeriesRequest) -> Answer<SeriesReply> {
        Ok(Handle::series(self, &ask).await?)
    }

    async fn logs(&self, ask: LogsRequest) -> Answer<LogChunk> {
        Ok(Handle::logs(self, &ask).await?)
    }

    async fn history(&self, job: u64) -> Answer<HistoryReply> {
        Ok(Handle::history(self, job).await?)
    }

    async fn clusters(&self) -> Answer<ClustersReply> {
        Ok(Handle::clusters(self).await?)
    }

    async fn nodes(&self, cluster: &str) -> Answer<NodesReply> {
        let cluster = cluster.to_owned();
        Ok(Handle::nodes(self, &NodesRequest { cluster }).await?)
    }

    async fn cancel(&self, caller: &Caller, ask: CancelRequest) -> Answer<JobView> {
        may_change(caller)?;
        Ok(Handle::cancel(self, &caller.name, ask).await?)
    }

    async fn retry(&self, caller: &Caller, ask: RetryRequest) -> Answer<JobView> {
        may_change(caller)?;
        Ok(Handle::retry(self, &caller.name, ask).await?)
    }

    fn changes(&self) -> broadcast::Receiver<Change> {
        Handle::changes(self)
    }

    fn now_ms(&self) -> i64 {
        wire_ms(now())
    }
}

fn may_change(caller: &Caller) -> Result<(), Refusal> {
    match caller.may_change {
        true => Ok(()),
        false => Err(Refusal::role()),
    }
}

impl From<Refusal> for schliff_page::Refusal {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.kind {
            RefusalKind::Invalid => StatusCode::BAD_REQUEST,
            RefusalKind::Missing => StatusCode::NOT_FOUND,
            RefusalKind::Phase => StatusCode::CONFLICT,
            RefusalKind::Overload => StatusCode::TOO_MANY_REQUESTS,
            RefusalKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            RefusalKind::Token => StatusCode::UNAUTHORIZED,
            RefusalKind::Role => StatusCode::FORBIDDEN,
            RefusalKind::Defect => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self {
            code: refusal.code.to_owned(),
            text: refusal.text,
            status,
            hint: String::new(),
        }
    }
}
