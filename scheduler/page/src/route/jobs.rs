//! The list of jobs and the page of one, with the streams that keep them up to date.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use schliff_wire::v1::{LogsRequest, SeriesReply, SeriesRequest};
use serde_json::json;

use super::{Asker, JobNumber, Page, Site, page};
use crate::gather;
use crate::live::{self, Seen, Watched};
use crate::query::{LinesQuery, ListQuery};
use crate::source::Refusal;
use crate::view::frame::Frame;
use crate::view::job::{self, JobPage};
use crate::view::jobs::JobsPage;

/// Lines at the end of a job's page.
const LINES: u32 = 60;
/// Points of a curve that is drawn as SVG: more than a screen has pixels for is waste.
const DRAWN_POINTS: u32 = 400;
/// Points of a curve that a script draws.
const POINTS: u32 = 2000;

/// `GET /`
pub(super) async fn list(
    State(site): State<Site>,
    Asker(caller): Asker,
    Query(query): Query<ListQuery>,
) -> Page {
    let (notice, chips, list) = gather::jobs(&*site.source, &query).await?;
    let clusters = site.source.clusters().await?.clusters;
    let frame = Frame::new("Jobs", "jobs", &caller).watching(query.address("/events"));
    page(&JobsPage {
        frame,
        clusters: clusters.into_iter().map(|cluster| cluster.name).collect(),
        chips,
        list,
        notice,
        query,
    })
}

/// `GET /events`
pub(super) async fn list_events(
    State(site): State<Site>,
    Query(query): Query<ListQuery>,
) -> Result<Response, Refusal> {
    site.watch(Watched::Jobs(query), Seen::default())
}

/// `GET /jobs/ID`
pub(super) async fn job(
    State(site): State<Site>,
    Asker(caller): Asker,
    JobNumber(id): JobNumber,
) -> Page {
    let source = &*site.source;
    let known = gather::known(source, id, caller.may_change, None).await?;
    let (series, chunk) = if known.job.sweep {
        (SeriesReply::default(), Default::default())
    } else {
        let ask = SeriesRequest {
            job: id,
            points: DRAWN_POINTS,
            after_step: 0,
        };
        let lines = LogsRequest {
            job: id,
            tail: LINES,
            ..LogsRequest::default()
        };
        (source.series(ask).await?, source.logs(lines).await?)
    };
    let line = chunk.lines.last().map_or(0, |line| line.position);
    let step = series.steps.last().map_or(0, |point| point.step);
    let events = LinesQuery::default().address(&format!("/jobs/{id}/events"), step, line);
    let frame = job::frame(&known.job, &caller, events);
    page(&JobPage::of(frame, &known, &series, &chunk))
}

/// `GET /jobs/ID/events`
pub(super) async fn job_events(
    State(site): State<Site>,
    Asker(caller): Asker,
    JobNumber(job): JobNumber,
    Query(lines): Query<LinesQuery>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let seen = Seen::resumed(&headers, &lines);
    // Whoever asks for nothing that is not there is told so before the stream begins.
    site.source.job(job).await?;
    let may_change = caller.may_change;
    site.watch(
        Watched::Job {
            job,
            may_change,
            lines,
        },
        seen,
    )
}

/// `GET /jobs/ID/series.json`
pub(super) async fn series(
    State(site): State<Site>,
    JobNumber(job): JobNumber,
) -> Result<Response, Refusal> {
    let ask = SeriesRequest {
        job,
        points: POINTS,
        after_step: 0,
    };
    let series = json!(site.source.series(ask).await?);
    let kind = [(header::CONTENT_TYPE, "application/json")];
    Ok((kind, series.to_string()).into_response())
}

impl Site {
    /// A stream, if there may be one more.
    pub(super) fn watch(&self, watched: Watched, seen: Seen) -> Result<Response, Refusal> {
        let permit = Arc::clone(&self.watched).try_acquire_owned();
        let permit = permit.map_err(|_| Refusal::too_many_watched())?;
        Ok(live::stream(
            Arc::clone(&self.source),
            watched,
            seen,
            permit,
        ))
    }
}
