use std::time::{Duration, Instant};

use axum::body::BodyDataStream;
use axum::response::Response;
use futures_util::StreamExt;
use schliff_page::Change;
use serde_json::Value;
use tokio::time::timeout;

use super::*;

/// Longest wait for what must come.
const BOUND: Duration = Duration::from_secs(20);

async fn open(site: &Router, path: &str, last: Option<&str>) -> Response {
    let mut request = Request::get(path);
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let request = request.body(Body::empty()).expect("a request");
    site.clone().oneshot(request).await.expect("an answer")
}

/// The stream's next event: kind, id and data.
async fn next(stream: &mut BodyDataStream) -> Option<(String, String, Value)> {
    let chunk = timeout(BOUND, stream.next()).await.expect("in time")?;
    let text = String::from_utf8(chunk.expect("a chunk").to_vec()).expect("UTF-8");
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().trim().to_owned()
    };
    let data = serde_json::from_str(&field("data:")).expect("JSON");
    Some((field("event:"), field("id:"), data))
}

#[tokio::test]
async fn a_job_is_told_as_a_whole_and_then_what_is_new() {
    let world = world(Kind::Rich);
    let site = site(&world);
    let answer = open(&site, "/jobs/47/events?step=1170&line=3", None).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut stream = answer.into_body().into_data_stream();
    let (kind, id, data) = next(&mut stream).await.expect("points");
    assert_eq!((kind.as_str(), id.as_str()), ("series", "1180.3"));
    assert_eq!(data["steps"].as_array().map(Vec::len), Some(10));
    let (kind, id, data) = next(&mut stream).await.expect("lines");
    assert_eq!((kind.as_str(), id.as_str()), ("lines", "1180.121"));
    assert!(
        data["html"]
            .as_str()
            .is_some_and(|html| html.contains("step 1180"))
    );
    let (kind, _, data) = next(&mut stream).await.expect("parts");
    assert_eq!(kind, "parts");
    assert!(
        data["head"]
            .as_str()
            .is_some_and(|html| html.contains("service-desk-de"))
    );

    // Of what has not changed nothing is sent: the next event is about what did.
    world.tell(Change::Job { job: jobs::RUNNING });
    let cancel = Request::post("/jobs/47/cancel")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from("why=enough"))
        .expect("a request");
    ask(&site, cancel).await;
    let (kind, _, data) = next(&mut stream).await.expect("parts");
    assert_eq!(kind, "parts");
    assert!(
        data["head"]
            .as_str()
            .is_some_and(|html| html.contains("cancelled by ada: enough"))
    );
    assert!(data.get("checkpoints").is_none(), "those are as they were");
}

#[tokio::test]
async fn a_sweep_is_told_at_once_what_its_trials_do() {
    let site = site(&world(Kind::Rich));
    let answer = open(&site, "/jobs/29/events", None).await;
    let mut stream = answer.into_body().into_data_stream();
    next(&mut stream).await.expect("parts");
    let begun = Instant::now();
    let cancel = Request::post("/jobs/35/cancel")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from("why=enough"))
        .expect("a request");
    ask(&site, cancel).await;
    let (kind, _, data) = next(&mut stream).await.expect("parts");
    assert_eq!(kind, "parts");
    assert!(data.get("trials").is_some(), "{data}");
    // What nobody tells of is seen after ten seconds.
    assert!(begun.elapsed() < Duration::from_secs(8));
}

#[tokio::test]
async fn a_browser_that_comes_back_goes_on_where_it_was() {
    let site = site(&world(Kind::Rich));
    let answer = open(&site, "/jobs/47/events?step=0&line=0", Some("1179.120")).await;
    let mut stream = answer.into_body().into_data_stream();
    let (_, _, data) = next(&mut stream).await.expect("points");
    assert_eq!(data["steps"].as_array().map(Vec::len), Some(1));
    let (_, _, data) = next(&mut stream).await.expect("lines");
    let html = data["html"].as_str().expect("lines");
    assert_eq!(html.matches("class=\"text\"").count(), 1);
}

#[tokio::test]
async fn an_evaluation_is_told_to_a_page_that_has_all_steps() {
    let site = site(&world(Kind::Rich));
    let answer = open(&site, "/jobs/47/events?step=1180&line=121", None).await;
    let mut stream = answer.into_body().into_data_stream();
    let (kind, id, data) = next(&mut stream).await.expect("points");
    assert_eq!((kind.as_str(), id.as_str()), ("series", "1180.121"));
    assert_eq!(data["steps"].as_array().map(Vec::len), Some(0));
    let last = data["evals"].as_array().and_then(|all| all.last());
    assert_eq!(last.map(|eval| &eval["step"]), Some(&Value::from(1100)));
    let (kind, _, _) = next(&mut stream).await.expect("parts");
    assert_eq!(kind, "parts", "it is told once");
}

#[tokio::test]
async fn a_burst_of_lines_is_told_whole() {
    let site = site(&world(Kind::Rich));
    let answer = open(&site, "/jobs/47/logs/events?tail=5&line=3", None).await;
    let mut stream = answer.into_body().into_data_stream();
    let (_, id, data) = next(&mut stream).await.expect("lines");
    let html = data["html"].as_str().expect("lines");
    let told = html.matches("class=\"text\"").count();
    assert_eq!((id.as_str(), told), ("0.121", 118));
}

#[tokio::test]
async fn only_lines_are_told_to_a_page_of_lines() {
    let site = site(&world(Kind::Rich));
    let answer = open(&site, "/jobs/43/logs/events?contains=error", None).await;
    let mut stream = answer.into_body().into_data_stream();
    let (kind, id, data) = next(&mut stream).await.expect("lines");
    assert_eq!((kind.as_str(), id.as_str()), ("lines", "0.7"));
    let html = data["html"].as_str().expect("lines");
    assert_eq!(html.matches("class=\"text\"").count(), 1);
}

#[tokio::test]
async fn streams_end_with_the_coordinator() {
    let world = world(Kind::Rich);
    let site = site(&world);
    for path in ["/events", "/clusters/events", "/jobs/29/events"] {
        let mut stream = open(&site, path, None).await.into_body().into_data_stream();
        let (kind, _, _) = next(&mut stream).await.expect("parts");
        assert_eq!(kind, "parts", "{path}");
        world.tell(Change::Closing);
        assert!(next(&mut stream).await.is_none(), "{path}");
    }
}

#[tokio::test]
async fn there_are_only_so_many_streams() {
    let site = site(&world(Kind::Rich));
    let mut held = Vec::new();
    loop {
        let answer = open(&site, "/events", None).await;
        if answer.status() != StatusCode::OK {
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
            break;
        }
        held.push(answer);
        assert!(held.len() <= 256, "there is a limit");
    }
    held.pop();
    assert_eq!(open(&site, "/events", None).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn no_stream_is_about_what_is_not_there() {
    let site = site(&world(Kind::Rich));
    for path in ["/jobs/999/events", "/jobs/999/logs/events"] {
        assert_eq!(
            open(&site, path, None).await.status(),
            StatusCode::NOT_FOUND
        );
    }
}
