//! The login: a token for a session.

use axum::Router;
use axum::extract::{Form, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use schliff_page::login as login_page;
use serde::Deserialize;

use super::{COOKIE, Web};
use crate::access::SESSION_MS;
use crate::caller::Person;
use crate::clock::now;

const POLICY: &str =
    "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

pub(super) fn routes(web: Web) -> Router {
    Router::new().route("/login", get(show).post(post).with_state(web))
}

#[derive(Deserialize)]
struct Login {
    #[serde(default)]
    token: String,
}

async fn show(State(web): State<Web>, Query(login): Query<Login>) -> Response {
    match login.token.is_empty() {
        true => login_page(StatusCode::OK, "").await,
        false => enter(&web, &login.token).await,
    }
}

async fn post(State(web): State<Web>, Form(login): Form<Login>) -> Response {
    enter(&web, &login.token).await
}

async fn enter(web: &Web, token: &str) -> Response {
    let shared = &web.handle.shared;
    let Some(role) = shared.access.role_of(token.trim()) else {
        shared.metrics.refuse("token");
        return login_page(StatusCode::UNAUTHORIZED, "This token is not known here.").await;
    };
    let name = "login".to_owned();
    if let Err(refusal) = web.guard.admit(Person { role, name }) {
        return login_page(StatusCode::TOO_MANY_REQUESTS, &refusal.text).await;
    }
    let session = shared.access.session(role, now());
    let secure = match shared.url.starts_with("https://") {
        true => "; Secure",
        false => "",
    };
    let age_s = SESSION_MS / 1_000;
    let cookie =
        format!("{COOKIE}={session}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age_s}{secure}");
    // A page of its own instead of a redirect: the cookie is of this site only, and a browser that came
    // from another one would not send it with the redirect.
    let page = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Schliff</title>\
        <meta http-equiv=\"refresh\" content=\"0; url=/\"><p><a href=\"/\">Go on</a></html>";
    let headers = [
        (header::SET_COOKIE, cookie),
        (header::CONTENT_SECURITY_POLICY, POLICY.to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (headers, Html(page)).into_response()
}
