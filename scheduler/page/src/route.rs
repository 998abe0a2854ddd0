//! Which address shows what, and the headers of every answer.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::middleware::map_response;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use schliff_wire::v1::ListRequest;

use crate::source::{Refusal, Source};

/// Only what the page itself serves: nothing inline, nothing from elsewhere, no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The page over `source`, for the root of a server.
pub fn router(source: Arc<dyn Source>) -> Router {
    Router::new()
        .route("/", get(jobs))
        .with_state(source)
        .layer(map_response(secured))
}

async fn secured(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn jobs(State(source): State<Arc<dyn Source>>) -> Result<Html<String>, Refusal> {
    let reply = source.list(ListRequest::default()).await?;
    Ok(Html(format!(
        "<!doctype html><title>Schliff</title><p>{} jobs",
        reply.jobs.len()
    )))
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, self.text).into_response()
    }
}
