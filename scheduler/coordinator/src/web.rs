//! The page and what else browsers and monitors ask for, behind a login.
//!
//! Rules: a browser shows a token once and keeps a session in a cookie that no script and no other site
//! gets to. What changes something must come from this site. Whoever does not lead sends browsers to
//! who does. Absent on purpose: what the page looks like.

mod login;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use schliff_page::Caller;
use schliff_wire::v1::ListRequest;

use crate::access::Role;
use crate::caller::{Guard, Person};
use crate::clock::now;
use crate::handle::Handle;

/// The name of the cookie.
const COOKIE: &str = "schliff-session";

/// What the checks need.
#[derive(Clone)]
pub(crate) struct Web {
    pub(crate) handle: Handle,
    pub(crate) guard: Guard,
}

/// All of it.
pub(crate) fn routes(handle: &Handle, guard: &Guard) -> Router {
    let web = Web {
        handle: handle.clone(),
        guard: guard.clone(),
    };
    let closed = Router::new()
        .route("/metrics", get(metrics).with_state(handle.clone()))
        .fallback_service(schliff_page::router(Arc::new(handle.clone())))
        .layer(from_fn_with_state(web.clone(), admit));
    Router::new()
        .route("/healthz", get(health).with_state(handle.clone()))
        .merge(login::routes(web))
        .merge(schliff_page::assets())
        .fallback_service(closed)
}

async fn health(State(handle): State<Handle>) -> Response {
    let word = match (*handle.shared.closing.borrow(), handle.is_leading()) {
        (true, _) => return (StatusCode::SERVICE_UNAVAILABLE, "closing\n").into_response(),
        (false, true) => "leading\n",
        (false, false) => "standby\n",
    };
    word.into_response()
}

async fn metrics(State(handle): State<Handle>) -> Response {
    const KIND: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let ask = ListRequest {
        limit: 1,
        ..ListRequest::default()
    };
    // On standby there is less to tell.
    let counts = handle.list(&ask).await.map(|reply| reply.counts);
    let clusters = handle.clusters().await.map(|reply| reply.clusters);
    let metrics = &handle.shared.metrics;
    let text = metrics.text(&counts.unwrap_or_default(), &clusters.unwrap_or_default());
    ([(header::CONTENT_TYPE, KIND)], text).into_response()
}

/// Lets in who is logged in.
async fn admit(State(web): State<Web>, mut request: Request, next: Next) -> Response {
    let Some(role) = role(&web, request.headers()) else {
        return match request.method() {
            &Method::GET => schliff_page::login(StatusCode::UNAUTHORIZED, "").await,
            _ => (StatusCode::UNAUTHORIZED, "not logged in\n").into_response(),
        };
    };
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD);
    if !is_safe && !is_from_here(request.uri(), request.headers()) {
        return (StatusCode::FORBIDDEN, "this came from another site\n").into_response();
    }
    let name = "page".to_owned();
    let person = match web.guard.admit(Person { role, name }) {
        Ok(person) => person,
        Err(refusal) => return (StatusCode::TOO_MANY_REQUESTS, refusal.text).into_response(),
    };
    if let Some(elsewhere) = elsewhere(&web.handle, &request) {
        return elsewhere;
    }
    request.extensions_mut().insert(Caller {
        name: person.role.word().to_owned(),
        may_change: person.role == Role::User,
    });
    next.run(request).await
}

/// The same page at the coordinator that leads.
fn elsewhere(handle: &Handle, request: &Request) -> Option<Response> {
    let leader = handle.other_leader();
    let path = request.uri().path();
    if handle.is_leading() || leader.is_empty() || path == "/metrics" {
        return None;
    }
    let rest = request.uri().path_and_query().map_or("/", |it| it.as_str());
    let url = format!("{}{rest}", leader.trim_end_matches('/'));
    Some(Redirect::temporary(&url).into_response())
}

/// The role of a session, or of a token as monitors show it.
fn role(web: &Web, headers: &HeaderMap) -> Option<Role> {
    let access = &web.handle.shared.access;
    let text = headers.get(header::AUTHORIZATION);
    let text = text.and_then(|it| it.to_str().ok());
    let bearer = text.and_then(|it| it.strip_prefix("Bearer "));
    if let Some(token) = bearer {
        return access.role_of(token.trim());
    }
    access.role_of_session(session(headers)?, now())
}

/// The session that a browser shows. Over HTTP/2 its cookies may come in several headers.
fn session(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter();
    let mut cookies = all
        .filter_map(|it| it.to_str().ok())
        .flat_map(|it| it.split(';'));
    cookies.find_map(|it| it.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

/// Browsers say where a form comes from; whoever is none has no cookie to be misused.
fn is_from_here(uri: &Uri, headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|it| it.to_str().ok());
    // Over HTTP/2 the host is a part of the address, and there need be no header of it.
    let host = uri.authority().map(|it| it.as_str());
    let host = host.or_else(|| text(header::HOST));
    match text(header::ORIGIN) {
        Some(origin) => {
            let from = origin.split_once("://").map(|(_, host)| host);
            from.is_some() && from == host
        }
        None => text(header::AUTHORIZATION).is_some(),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn only_forms_of_this_site_are_taken() {
        use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
        let path = Uri::from_static("/jobs/1/cancel");
        let here = headers(&[(HOST, "a:1"), (ORIGIN, "http://a:1")]);
        assert!(is_from_here(&path, &here));
        // As HTTP/2 says the host.
        let whole = Uri::from_static("https://a:1/jobs/1/cancel");
        assert!(is_from_here(&whole, &headers(&[(ORIGIN, "https://a:1")])));
        for elsewhere in ["http://b:1", "http://a:2", "null", "http://a:1.evil"] {
            let told = headers(&[(HOST, "a:1"), (ORIGIN, elsewhere)]);
            assert!(!is_from_here(&path, &told), "{elsewhere}");
            let told = headers(&[(ORIGIN, elsewhere)]);
            assert!(!is_from_here(&whole, &told), "{elsewhere}");
        }
        assert!(!is_from_here(&path, &headers(&[(HOST, "a:1")])));
        assert!(!is_from_here(&whole, &headers(&[])));
        let program = headers(&[(HOST, "a:1"), (AUTHORIZATION, "Bearer x")]);
        assert!(is_from_here(&path, &program));
    }

    #[test]
    fn the_session_is_found_in_whatever_header_its_cookie_comes() {
        use axum::http::header::COOKIE;
        let one = [(COOKIE, "a=b; schliff-session=s.1; c=d")];
        let split = [(COOKIE, "a=b"), (COOKIE, "schliff-session=s.1")];
        for pairs in [&one[..], &split[..]] {
            let mut all = HeaderMap::new();
            for (name, value) in pairs {
                all.append(name, HeaderValue::from_static(value));
            }
            assert_eq!(session(&all), Some("s.1"), "{all:?}");
        }
        assert_eq!(session(&headers(&[(COOKIE, "x-schliff-session=s")])), None);
    }
}
