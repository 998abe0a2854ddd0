//! Which address shows what, and the headers of every answer.
//!
//! Rules: what changes something is a POST, answered with a redirect; the coordinator has checked
//! before who asks and where the form comes from. Whatever fails is a page in the same design.

mod act;
mod jobs;
mod look;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use tokio::sync::Semaphore;

use crate::asset;
use crate::source::{Caller, Refusal, Source};
use crate::view::failure::FailurePage;
use crate::view::login::LoginPage;
use crate::view::text;

/// Only what the page itself serves: nothing inline, nothing from elsewhere, no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// Pages that are kept up to date at a time: each costs a look at its job twice a second.
const MOST_WATCHED: usize = 256;

/// What all handlers share.
#[derive(Clone)]
struct Site {
    source: Arc<dyn Source>,
    watched: Arc<Semaphore>,
}

/// The page over `source`, for the root of a server.
pub fn router(source: Arc<dyn Source>) -> Router {
    let site = Site {
        source,
        watched: Arc::new(Semaphore::new(MOST_WATCHED)),
    };
    Router::new()
        .route("/", get(jobs::list))
        .route("/events", get(jobs::list_events))
        .route("/jobs/{job}", get(jobs::job))
        .route("/jobs/{job}/events", get(jobs::job_events))
        .route("/jobs/{job}/series.json", get(jobs::series))
        .route("/jobs/{job}/logs", get(look::logs))
        .route("/jobs/{job}/logs/events", get(look::logs_events))
        .route("/jobs/{job}/logs.txt", get(look::plain_logs))
        .route("/jobs/{job}/history", get(look::history))
        .route("/jobs/{job}/cancel", get(act::ask_cancel).post(act::cancel))
        .route("/jobs/{job}/retry", get(act::ask_retry).post(act::retry))
        .route("/clusters", get(look::clusters))
        .route("/clusters/events", get(look::clusters_events))
        .route("/models", get(look::models))
        .fallback(async || Refusal::no_page())
        .with_state(site)
        .layer(map_response(secured))
        .merge(assets())
}

/// Scripts and styles, which tell nothing of jobs: who is not logged in needs them too.
pub fn assets<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/assets/{digest}/{*name}", get(asset::serve))
        .layer(map_response(secured))
}

/// The page that asks for a token; `remark` is what was wrong with the one before.
pub async fn login(status: StatusCode, remark: &str) -> Response {
    let answer = match page(&LoginPage::new(remark)) {
        Ok(page) => (status, page).into_response(),
        Err(refusal) => refusal.into_response(),
    };
    secured(answer).await
}

/// Puts into an answer what keeps a browser from doing more than it has to.
async fn secured(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// What a handler of a page gives.
type Page = Result<Html<String>, Refusal>;

fn page(template: &impl Template) -> Page {
    text(template).map(Html)
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, plain) = (self.status, self.text.clone());
        match text(&FailurePage::of(self)) {
            Ok(text) => (status, Html(text)).into_response(),
            // Not even that page can be made.
            Err(_) => (status, plain).into_response(),
        }
    }
}

/// The number of a job in an address; what is no number is no job.
struct JobNumber(u64);

impl<S: Send + Sync> FromRequestParts<S> for JobNumber {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let number = path.ok().and_then(|Path(text)| text.parse().ok());
        number.map(Self).ok_or_else(Refusal::no_page)
    }
}

/// Who asks, as the coordinator has put it into the request.
struct Asker(Caller);

impl<S: Send + Sync> FromRequestParts<S> for Asker {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let caller = parts.extensions.get::<Caller>();
        Ok(Self(caller.cloned().unwrap_or_default()))
    }
}
