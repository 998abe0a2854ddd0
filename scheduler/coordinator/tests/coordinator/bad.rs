//! Bad clients: refused with a reason, and nobody else is slowed.

use std::time::{Duration, Instant};

use schliff_coordinator::{Rate, Role};
use schliff_wire::v1::news::Body;
use schliff_wire::v1::{Beats, JobRequest, LineOfRank, Lines, ListRequest, LogsRequest, RankView};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::{Code, Status};

use crate::stage::{
    Stage, close, get, joined, key, report, soon, step, submit, submit_request, tell,
};

fn code(status: &Status) -> &str {
    let value = status.metadata().get("schliff-code");
    value.and_then(|it| it.to_str().ok()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_open_what_they_are_for() {
    let stage = Stage::new();
    let handle = stage.lead().await;
    let mut stranger = stage.jobs_as(&handle, "guess").await;
    let refused = stranger
        .list(ListRequest::default())
        .await
        .expect_err("refused");
    assert_eq!(
        (refused.code(), code(&refused)),
        (Code::Unauthenticated, "token")
    );
    let access = stage.access();
    let mut viewer = stage.jobs_as(&handle, access.token(Role::Viewer)).await;
    viewer.list(ListRequest::default()).await.expect("may look");
    let refused = viewer
        .submit(submit_request("v"))
        .await
        .expect_err("refused");
    assert_eq!(
        (refused.code(), code(&refused)),
        (Code::PermissionDenied, "role")
    );

    let mut jobs = stage.jobs(&handle).await;
    let (one, two) = (submit(&mut jobs, "1").await, submit(&mut jobs, "2").await);
    let mut agents = stage.agent(&handle, key(one, 1)).await;
    let other = report(key(two, 1), 1, vec![joined()]);
    let refused = tell(&mut agents, other).await.expect_err("refused");
    assert_eq!(refused.code(), Code::Unauthenticated);
    close(handle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_malformed_old_or_too_large_is_refused() {
    let stage = Stage::new();
    let handle = stage.lead().await;
    let mut jobs = stage.jobs(&handle).await;
    let mut old = submit_request("old");
    old.protocol = 0;
    let refused = jobs.submit(old).await.expect_err("refused");
    assert_eq!(
        (refused.code(), code(&refused)),
        (Code::InvalidArgument, "protocol")
    );
    let mut wrong = submit_request("wrong");
    wrong.job_toml = "name = 1\n[trainig]\n".into();
    let refused = jobs.submit(wrong).await.expect_err("refused");
    assert_eq!(code(&refused), "job-file");
    assert!(refused.message().contains("trainig"), "{refused}");
    let mut huge = submit_request("huge");
    huge.job_toml = "#".repeat(5 << 20);
    let refused = jobs.submit(huge).await.expect_err("refused");
    assert_eq!(refused.code(), Code::OutOfRange);
    let refused = jobs.get(JobRequest { job: 99 }).await.expect_err("refused");
    assert_eq!(
        (refused.code(), code(&refused)),
        (Code::NotFound, "no-such-job")
    );

    let mut garbage = TcpStream::connect(handle.address())
        .await
        .expect("connected");
    garbage.write_all(&[0xff; 4_096]).await.expect("sent");
    let mut answer = Vec::new();
    // Closed, with or without words.
    let _ = soon("an answer to garbage", garbage.read_to_end(&mut answer)).await;
    jobs.list(ListRequest::default())
        .await
        .expect("still serves");
    close(handle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rank_that_lies_is_refused_and_changes_nothing() {
    let stage = Stage::new();
    let handle = stage.lead().await;
    let mut jobs = stage.jobs(&handle).await;
    let job = submit(&mut jobs, "r").await;
    let one = key(job, 1);
    let mut agents = stage.agent(&handle, one).await;
    tell(&mut agents, report(one, 1, vec![joined(), step(1)]))
        .await
        .expect("taken");
    let beat = |rank| {
        let ranks = vec![RankView {
            rank,
            ..RankView::default()
        }];
        Body::Beats(Beats { ranks })
    };
    let mut nan = step(2);
    if let Body::Step(point) = &mut nan {
        point.loss = f64::NAN;
    }
    for (lie, reason) in [
        (step(11), "impossible-step"),
        (beat(1), "impossible-rank"),
        (nan, "not-a-number"),
    ] {
        let refused = tell(&mut agents, report(one, 3, vec![step(2), lie])).await;
        let refused = refused.expect_err("refused");
        assert_eq!(
            (refused.code(), code(&refused)),
            (Code::InvalidArgument, reason)
        );
    }
    let mut future = report(key(job, 1), 3, vec![step(2)]);
    future.generation = 7;
    let refused = tell(&mut agents, future).await.expect_err("refused");
    assert_eq!(
        refused.code(),
        Code::Unauthenticated,
        "its token is of attempt 1"
    );
    assert_eq!(
        get(&mut jobs, job).await.progress.expect("progress").step,
        1
    );
    let honest = tell(&mut agents, report(one, 3, vec![step(2)]))
        .await
        .expect("taken");
    assert_eq!(honest.taken, 3);
    close(handle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_told_to_wait_and_others_are_not_slowed() {
    let mut stage = Stage::new();
    stage.limits.people = Rate {
        per_second: 50.0,
        burst: 50.0,
    };
    let handle = stage.lead().await;
    let mut jobs = stage.jobs(&handle).await;
    let access = stage.access();
    let mut viewer = stage.jobs_as(&handle, access.token(Role::Viewer)).await;
    let mut refused = 0;
    for _ in 0..200 {
        if let Err(status) = viewer.list(ListRequest::default()).await {
            assert_eq!(status.code(), Code::ResourceExhausted);
            assert!(status.metadata().contains_key("schliff-pause-ms"));
            refused += 1;
        }
    }
    assert!(refused > 50, "{refused}");
    let before = Instant::now();
    jobs.list(ListRequest::default()).await.expect("served");
    assert!(before.elapsed() < Duration::from_secs(1));
    close(handle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_is_dropped_and_told_so() {
    let mut stage = Stage::new();
    stage.limits.slow_reader = Duration::from_millis(50);
    let handle = stage.lead().await;
    let mut jobs = stage.jobs(&handle).await;
    let job = submit(&mut jobs, "r").await;
    let one = key(job, 1);
    let mut agents = stage.agent(&handle, one).await;
    tell(&mut agents, report(one, 1, vec![joined()]))
        .await
        .expect("taken");
    // More than windows and buffers of a connection hold.
    for sequence in 2..12 {
        let lines = (0..900).map(|_| LineOfRank {
            rank: 0,
            text: "x".repeat(3_000),
        });
        let lines = Body::Lines(Lines {
            lines: lines.collect(),
            dropped: 0,
        });
        tell(&mut agents, report(one, sequence, vec![lines]))
            .await
            .expect("taken");
    }
    let all = LogsRequest {
        job,
        ..LogsRequest::default()
    };
    let mut slow = stage.jobs(&handle).await;
    let mut stream = slow.logs(all).await.expect("lines").into_inner();
    // Another one is served meanwhile.
    let dropped = crate::stage::until("the reader is dropped", async || {
        let text = crate::web::metrics(&stage, &handle).await;
        text.contains("schliff_dropped_readers_total 1")
            .then_some(())
    });
    dropped.await;
    let end = loop {
        match soon("the end", stream.message()).await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("no reason was told"),
            Err(status) => break status,
        }
    };
    assert_eq!(
        (end.code(), code(&end)),
        (Code::ResourceExhausted, "slow-reader")
    );
    close(handle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_are_closed_and_too_many_turned_away() {
    let mut stage = Stage::new();
    stage.limits.patience = Duration::from_millis(300);
    stage.limits.connections = 4;
    let handle = stage.lead().await;
    let mut silent = Vec::new();
    for part in ["", "G", "GET / HTTP/1.1\r\nX: ", "PRI * HTTP/2.0\r\n"] {
        let mut stream = TcpStream::connect(handle.address())
            .await
            .expect("connected");
        stream.write_all(part.as_bytes()).await.expect("sent");
        silent.push(stream);
    }
    let mut one_more = TcpStream::connect(handle.address())
        .await
        .expect("connected");
    let _ = soon("it is turned away", one_more.read_to_end(&mut Vec::new())).await;
    for stream in &mut silent {
        let _ = soon("it is closed", stream.read_to_end(&mut Vec::new())).await;
    }
    let mut jobs = stage.jobs(&handle).await;
    crate::stage::until("a place is free", async || {
        jobs.list(ListRequest::default()).await.ok()
    })
    .await;
    close(handle).await;
}
