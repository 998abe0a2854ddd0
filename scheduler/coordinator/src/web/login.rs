//! The login: a token for a session.

use axum::Router;
use axum::extract::{Form, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

use super::{COOKIE, Web};
use crate::caller::Person;
use crate::clock::now;

const POLICY: &str =
    "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// For a browser to keep the session.
const AGE_S: u32 = 30 * 24 * 3_600;

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
        true => form(StatusCode::OK, ""),
        false => enter(&web, &login.token),
    }
}

async fn post(State(web): State<Web>, Form(login): Form<Login>) -> Response {
    enter(&web, &login.token)
}

fn enter(web: &Web, token: &str) -> Response {
    let shared = &web.handle.shared;
    let Some(role) = shared.access.role_of(token.trim()) else {
        shared.metrics.refuse("token");
        return form(StatusCode::UNAUTHORIZED, "This token is not known here.");
    };
    let name = "login".to_owned();
    if let Err(refusal) = web.guard.admit(Person { role, name }) {
        return form(StatusCode::TOO_MANY_REQUESTS, &refusal.text);
    }
    let session = shared.access.session(role, now());
    let secure = match shared.url.starts_with("https://") {
        true => "; Secure",
        false => "",
    };
    let cookie =
        format!("{COOKIE}={session}; Path=/; HttpOnly; SameSite=Strict; Max-Age={AGE_S}{secure}");
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

/// `remark` is one of ours, never something that was sent.
fn form(status: StatusCode, remark: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Schliff: log in</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><h1>Schliff</h1><p>{remark}</p>\
         <form method=\"post\" action=\"/login\"><label>Token <input name=\"token\" \
         type=\"password\" autocomplete=\"current-password\" autofocus></label> \
         <button>Log in</button></form><p>The coordinator's state folder has it in the file \
         <code>token</code>, and <code>viewer-token</code> for looking only.</p></html>"
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (status, headers, Html(page)).into_response()
}
