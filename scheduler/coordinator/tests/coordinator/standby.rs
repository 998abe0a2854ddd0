//! Two coordinators on one journal.

use schliff_coordinator::{Coordinator, Error, Options};
use schliff_wire::v1::{ListRequest, ServerRequest};
use tonic::Code;

use crate::stage::{Stage, close, get, submit, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_names_the_leader_and_takes_over() {
    let stage = Stage::new();
    let first = stage.lead().await;
    let second = stage.start().await;
    let mut jobs = stage.jobs(&first).await;
    let job = submit(&mut jobs, "r").await;
    let mut other = stage.jobs(&second).await;
    let leader = until("the leader is known", async || {
        let server = other.server(ServerRequest {}).await.expect("told");
        let url = server.into_inner().leader_url;
        (!url.is_empty()).then_some(url)
    });
    assert_eq!(leader.await, first.url());
    let refused = other
        .list(ListRequest::default())
        .await
        .expect_err("refused");
    assert_eq!(refused.code(), Code::Unavailable);
    let told = refused.metadata().get("schliff-leader");
    assert_eq!(told.and_then(|it| it.to_str().ok()), Some(first.url()));
    drop(jobs);
    close(first).await;
    until("the second leads", async || {
        second.is_leading().then_some(())
    })
    .await;
    assert_eq!(get(&mut other, job).await.id, job);
    drop(other);
    close(second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_addresses_than_loopback_need_tls() {
    let stage = Stage::new();
    let options = Options {
        listen: "0.0.0.0:0".parse().expect("an address"),
        ..stage.options().await
    };
    let refused = Coordinator::start(options).await.err();
    assert!(matches!(refused, Some(Error::Plain { .. })), "{refused:?}");
}
