//! Two coordinators on one journal.

use schliff_coordinator::{Coordinator, Error, Options, Role};
use schliff_wire::v1::{ListRequest, ServerRequest};
use tonic::Code;

use crate::stage::{Stage, close, get, submit, until};
use crate::web::ask;

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

#[tokio::test(flavor = "multi_thread")]
async fn who_listens_on_all_addresses_says_by_which_url_it_is_reached() {
    let stage = Stage::new();
    for address in ["0.0.0.0:0", "[::]:0"] {
        let options = Options {
            listen: address.parse().expect("an address"),
            is_plain_allowed: true,
            ..stage.options().await
        };
        let refused = Coordinator::start(options).await.err();
        assert!(matches!(refused, Some(Error::NoUrl { .. })), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_sent_to_where_they_are_already() {
    let stage = Stage::new();
    // Both behind one name. One that begins to lead stands like the second: it knows of a leader with
    // its own URL, and cannot answer yet.
    let options = Options {
        url: Some("http://desk.example:7461".into()),
        ..stage.options().await
    };
    let start = async |options| Coordinator::start(options).await.expect("a coordinator");
    let first = start(options.clone()).await;
    until("the first leads", async || first.is_leading().then_some(())).await;
    let second = start(Options {
        journal: stage.journal().await,
        ..options
    });
    let second = second.await;
    let mut other = stage.jobs(&second).await;
    until("the second knows who leads", async || {
        let server = other.server(ServerRequest {}).await.expect("told");
        (!server.get_ref().leader_url.is_empty()).then_some(())
    })
    .await;
    let refused = other.list(ListRequest::default()).await;
    let refused = refused.expect_err("refused");
    assert_eq!(refused.code(), Code::Unavailable);
    assert_eq!(refused.metadata().get("schliff-leader"), None);
    let token = stage.access().token(Role::Viewer).to_owned();
    let token = format!("Authorization: Bearer {token}\r\n");
    let (status, answer) = ask(&second, "GET /", &token).await;
    assert_eq!(status, 503, "{answer}");
    drop(other);
    close(second).await;
    close(first).await;
}
