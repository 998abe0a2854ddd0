//! Pages that one only looks at: lines, history, clusters, models.

use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use super::{Asker, JobNumber, Page, Site, page};
use crate::gather;
use crate::live::{Seen, Watched};
use crate::query::LinesQuery;
use crate::source::Refusal;
use crate::view::clusters::{ClustersPage, ModelsPage};
use crate::view::frame::Frame;
use crate::view::history::HistoryPage;
use crate::view::lines::{self, LogsPage};

/// `GET /jobs/ID/logs`
pub(super) async fn logs(
    State(site): State<Site>,
    Asker(caller): Asker,
    JobNumber(id): JobNumber,
    Query(query): Query<LinesQuery>,
) -> Page {
    let job = site.source.job(id).await?;
    let chunk = site.source.logs(query.ask(id, 0)).await?;
    let line = chunk.lines.last().map_or(0, |line| line.position);
    let events = query.address(&format!("/jobs/{id}/logs/events"), 0, line);
    let title = format!("Log of {} · job {id}", job.name);
    let frame = Frame::new(title, "jobs", &caller).watching(events);
    page(&LogsPage::of(frame, &job, query, &chunk))
}

/// `GET /jobs/ID/logs/events`
pub(super) async fn logs_events(
    State(site): State<Site>,
    JobNumber(job): JobNumber,
    Query(lines): Query<LinesQuery>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let seen = Seen::resumed(&headers, &lines);
    site.source.job(job).await?;
    site.watch(Watched::Lines { job, lines }, seen)
}

/// `GET /jobs/ID/logs.txt`
pub(super) async fn plain_logs(
    State(site): State<Site>,
    JobNumber(id): JobNumber,
    Query(query): Query<LinesQuery>,
) -> Result<Response, Refusal> {
    let chunk = site.source.logs(query.ask(id, 0)).await?;
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((kind, lines::plain(&chunk)).into_response())
}

/// `GET /jobs/ID/history`
pub(super) async fn history(
    State(site): State<Site>,
    Asker(caller): Asker,
    JobNumber(id): JobNumber,
) -> Page {
    let job = site.source.job(id).await?;
    let reply = site.source.history(id).await?;
    let frame = Frame::new(
        format!("History of {} · job {id}", job.name),
        "jobs",
        &caller,
    );
    page(&HistoryPage::of(frame, &job, &reply, site.source.now_ms()))
}

/// `GET /clusters`
pub(super) async fn clusters(State(site): State<Site>, Asker(caller): Asker) -> Page {
    let cards = gather::clusters(&*site.source).await?;
    let frame = Frame::new("Clusters", "clusters", &caller);
    let frame = frame.watching("/clusters/events".into());
    page(&ClustersPage { frame, cards })
}

/// `GET /clusters/events`
pub(super) async fn clusters_events(State(site): State<Site>) -> Result<Response, Refusal> {
    site.watch(Watched::Clusters, Seen::default())
}

/// `GET /models`
pub(super) async fn models(Asker(caller): Asker) -> Page {
    page(&ModelsPage::new(&caller))
}
