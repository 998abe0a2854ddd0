//! The whole page over the showcase's world: what is shown, with which headers, and what follows.

#[path = "../../examples/showcase/curves.rs"]
mod curves;
#[path = "../../examples/showcase/jobs.rs"]
mod jobs;
#[path = "../../examples/showcase/moving.rs"]
mod moving;
#[allow(dead_code, reason = "only the showcase itself lets the world move")]
#[path = "../../examples/showcase/world.rs"]
mod world;

mod acts;
mod events;
mod goldens;
mod safety;

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::{Extension, Router};
use http_body_util::BodyExt;
use schliff_page::{Caller, router};
use tower::ServiceExt;

use crate::world::{A_MOMENT_MS, Clock, Kind, World};

/// An answer.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

/// A world in which it is always the same time.
fn world(kind: Kind) -> Arc<World> {
    Arc::new(World::new(kind, Clock::Still(A_MOMENT_MS)))
}

/// Its page, for somebody who may change things.
fn site(world: &Arc<World>) -> Router {
    let caller = Caller {
        name: "ada".into(),
        may_change: true,
    };
    router(Arc::clone(world) as _).layer(Extension(caller))
}

async fn ask(site: &Router, request: Request<Body>) -> Answer {
    let response = site.clone().oneshot(request).await.expect("an answer");
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.into_body().collect().await.expect("a body");
    let text = String::from_utf8(body.to_bytes().to_vec()).expect("UTF-8");
    Answer {
        status,
        headers,
        text,
    }
}

async fn get(site: &Router, path: &str) -> Answer {
    let request = Request::get(path).body(Body::empty()).expect("a request");
    ask(site, request).await
}

/// Every kind of page.
const PAGES: &[&str] = &[
    "/",
    "/?open=29&show=running",
    "/?q=%3Cscript%3Ealert(9)%3C%2Fscript%3E&owner=%22%3E%3Cscript%3E",
    "/jobs/29",
    "/jobs/42",
    "/jobs/42/cancel",
    "/jobs/43",
    "/jobs/43/retry",
    "/jobs/46",
    "/jobs/47",
    "/jobs/50",
    "/jobs/47/logs",
    "/jobs/42/logs?contains=%22%3E%3Cscript%3E&rank=%22%3E",
    "/jobs/42/history",
    "/clusters",
    "/models",
    "/jobs/999",
    "/nowhere",
];
