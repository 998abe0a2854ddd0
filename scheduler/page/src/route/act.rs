//! Cancelling and retrying: a page that asks, and the form that it sends.

use axum::extract::{Form, State};
use axum::response::Redirect;
use schliff_wire::v1::{CancelRequest, RetryRequest};
use serde::Deserialize;

use super::{Asker, JobNumber, Page, Site, page};
use crate::source::{Caller, Refusal};
use crate::view::act::{CancelPage, RetryPage};

/// Longest reason that is kept; the coordinator takes 1,000 bytes, and a character has four at most.
const WHY_CHARS: usize = 250;

/// What the form of a cancellation holds.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct CancelForm {
    why: String,
    /// Anything, where the box is ticked.
    now: String,
}

/// `GET /jobs/ID/cancel`
pub(super) async fn ask_cancel(
    State(site): State<Site>,
    Asker(caller): Asker,
    JobNumber(job): JobNumber,
) -> Page {
    may_change(&caller)?;
    let job = site.source.job(job).await?;
    page(&CancelPage::of(&job, &caller))
}

/// `POST /jobs/ID/cancel`
pub(super) async fn cancel(
    State(site): State<Site>,
    Asker(caller): Asker,
    JobNumber(job): JobNumber,
    Form(form): Form<CancelForm>,
) -> Result<Redirect, Refusal> {
    may_change(&caller)?;
    let ask = CancelRequest {
        job,
        why: form.why.trim().chars().take(WHY_CHARS).collect(),
        now: !form.now.is_empty(),
    };
    site.source.cancel(&caller, ask).await?;
    Ok(Redirect::to(&format!("/jobs/{job}")))
}

/// `GET /jobs/ID/retry`
pub(super) async fn ask_retry(
    State(site): State<Site>,
    Asker(caller): Asker,
    JobNumber(job): JobNumber,
) -> Page {
    may_change(&caller)?;
    let job = site.source.job(job).await?;
    page(&RetryPage::of(&job, &caller))
}

/// `POST /jobs/ID/retry`
pub(super) async fn retry(
    State(site): State<Site>,
    Asker(caller): Asker,
    JobNumber(job): JobNumber,
) -> Result<Redirect, Refusal> {
    may_change(&caller)?;
    // The ended job stays as it is; a new one goes on with it.
    let newer = site.source.retry(&caller, RetryRequest { job }).await?;
    Ok(Redirect::to(&format!("/jobs/{}", newer.id)))
}

fn may_change(caller: &Caller) -> Result<(), Refusal> {
    match caller.may_change {
        true => Ok(()),
        false => Err(Refusal::may_only_look()),
    }
}
