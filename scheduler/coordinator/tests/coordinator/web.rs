//! The page's doors: login, sessions, figures.

use schliff_coordinator::{Handle, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::stage::{Stage, close, soon};

/// One HTTP/1 request: the status and the whole answer.
pub(crate) async fn ask(handle: &Handle, line: &str, headers: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(handle.address())
        .await
        .expect("connected");
    let host = handle.address();
    let text = format!("{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(text.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    let read = soon("an answer", stream.read_to_string(&mut answer)).await;
    read.expect("read");
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    (status.expect("a status"), answer)
}

pub(crate) async fn metrics(stage: &Stage, handle: &Handle) -> String {
    let access = stage.access();
    let token = format!("Authorization: Bearer {}\r\n", access.token(Role::Viewer));
    let (status, text) = ask(handle, "GET /metrics", &token).await;
    assert_eq!(status, 200, "{text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_logs_in_once_and_then_sees_the_page() {
    let stage = Stage::new();
    let handle = stage.lead().await;
    assert_eq!(ask(&handle, "GET /healthz", "").await.0, 200);
    let (status, answer) = ask(&handle, "GET /", "").await;
    assert_eq!(status, 401);
    assert!(answer.contains("name=\"token\""), "{answer}");
    assert_eq!(ask(&handle, "GET /login", "").await.0, 200);
    assert_eq!(ask(&handle, "GET /login?token=guess", "").await.0, 401);
    assert_eq!(ask(&handle, "GET /metrics", "").await.0, 401);

    let access = stage.access();
    let login = format!("GET /login?token={}", access.token(Role::User));
    let (status, answer) = ask(&handle, &login, "").await;
    assert_eq!(status, 200);
    let cookie = answer
        .lines()
        .find(|line| line.to_lowercase().starts_with("set-cookie"));
    let cookie = cookie.expect("a cookie");
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
        "{cookie}"
    );
    assert!(
        !answer.contains(access.token(Role::User)),
        "the token is not kept"
    );
    let session = cookie
        .split_once(": ")
        .and_then(|(_, rest)| rest.split(';').next());
    let session = format!("Cookie: a=b; {}\r\n", session.expect("a session"));
    let (status, page) = ask(&handle, "GET /", &session).await;
    assert_eq!(status, 200, "{page}");
    assert!(
        page.to_lowercase().contains("content-security-policy"),
        "{page}"
    );
    // A form of another site does nothing, whoever is logged in.
    let elsewhere = format!("{session}Origin: http://evil.example\r\nContent-Length: 0\r\n");
    assert_eq!(ask(&handle, "POST /jobs/1/cancel", &elsewhere).await.0, 403);
    close(handle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn monitors_read_figures_with_a_token() {
    let stage = Stage::new();
    let handle = stage.lead().await;
    let text = metrics(&stage, &handle).await;
    assert!(text.contains("schliff_facts_total"), "{text}");
    assert!(text.contains("schliff_jobs{phase=\"queued\"} 0"), "{text}");
    close(handle).await;
}
