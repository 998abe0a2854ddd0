//! Asks the coordinator for all that one page shows.

use schliff_wire::v1::{Explanation, JobView, ListReply, ListRequest, Phase};

use crate::query::ListQuery;
use crate::source::{Refusal, Source};
use crate::view::clusters::Cards;
use crate::view::job::Known;
use crate::view::jobs::{self, Chips, List, Notice};

/// Trials of a sweep that are shown.
const TRIALS: u32 = 200;

/// All that is shown of a job; `before` is what an earlier look has found.
pub(crate) async fn known(
    source: &dyn Source,
    id: u64,
    may_change: bool,
    before: Option<Known>,
) -> Result<Known, Refusal> {
    let job = source.job(id).await?;
    let why = match job.phase() {
        Phase::Done => Explanation::default(),
        _ => source.explain(id).await?,
    };
    let trials = if job.sweep {
        trials(source, id).await?
    } else {
        ListReply::default()
    };
    // The journal is read again only if something that it keeps has happened.
    let history = match before {
        Some(before) if milestones(&before.job) == milestones(&job) => before.history,
        _ => source.history(id).await?,
    };
    let now_ms = source.now_ms();
    Ok(Known {
        job,
        why,
        trials,
        history,
        may_change,
        now_ms,
    })
}

/// What changes with each entry of the journal that matters here.
fn milestones(job: &JobView) -> impl PartialEq {
    let ended = job
        .attempts
        .iter()
        .filter(|attempt| attempt.ended_ms > 0)
        .count();
    let counts = (
        job.attempts.len(),
        ended,
        job.checkpoints.len(),
        job.failures,
    );
    (job.phase, job.stopping, counts)
}

async fn trials(source: &dyn Source, parent: u64) -> Result<ListReply, Refusal> {
    let ask = ListRequest {
        parent,
        limit: TRIALS,
        ..ListRequest::default()
    };
    source.list(ask).await
}

/// All that is shown of the list.
pub(crate) async fn jobs(
    source: &dyn Source,
    query: &ListQuery,
) -> Result<(Notice, Chips, List), Refusal> {
    let server = source.server().await?;
    let reply = source.list(query.ask()).await?;
    let trials = match query.open() {
        0 => ListReply::default(),
        sweep => trials(source, sweep).await?,
    };
    let (chips, list) = jobs::parts(query, &reply, &trials, source.now_ms());
    Ok((Notice::of(&server), chips, list))
}

/// All that is shown of clusters.
pub(crate) async fn clusters(source: &dyn Source) -> Result<Cards, Refusal> {
    let clusters = source.clusters().await?.clusters;
    let nodes = source.nodes("").await?.nodes;
    Ok(Cards::of(&clusters, &nodes, source.now_ms()))
}
