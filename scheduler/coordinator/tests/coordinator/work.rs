//! Jobs from their submission to their end, also across a restart.

use schliff_scheduler::allocation::StopHow;
use schliff_wire::v1::news::Body;
use schliff_wire::v1::{
    CancelRequest, CheckpointView, ClustersRequest, Directive, Ended, JobRequest, LineOfRank,
    Lines, ListRequest, LogsRequest, NodesRequest, Phase, RetryRequest, SeriesRequest,
    ServerRequest, Started,
};

use crate::stage::{
    Jobs, Stage, close, get, in_phase, joined, key, report, soon, step, submit, submit_request,
    tell, until,
};

fn lines(texts: &[&str]) -> Body {
    let lines = texts.iter().map(|text| LineOfRank {
        rank: 0,
        text: (*text).into(),
    });
    Body::Lines(Lines {
        lines: lines.collect(),
        dropped: 0,
    })
}

fn ended(exit_code: i32) -> Body {
    Body::Ended(Ended {
        exit_code,
        ..Ended::default()
    })
}

fn started() -> Body {
    started_from(None)
}

fn started_from(resumed_from: Option<u64>) -> Body {
    Body::Started(Started { resumed_from })
}

fn committed(step: u64) -> Body {
    Body::Committed(CheckpointView {
        step,
        bytes: 512,
        ..CheckpointView::default()
    })
}

async fn logged(jobs: &mut Jobs, job: u64) -> Vec<String> {
    last_logged(jobs, job, 0).await
}

/// The last lines, or all where `tail` is 0.
async fn last_logged(jobs: &mut Jobs, job: u64, tail: u32) -> Vec<String> {
    let request = LogsRequest {
        job,
        tail,
        ..LogsRequest::default()
    };
    let mut stream = jobs.logs(request).await.expect("lines").into_inner();
    let mut texts = Vec::new();
    while let Some(chunk) = stream.message().await.expect("a chunk") {
        texts.extend(chunk.lines.into_iter().map(|line| line.text));
    }
    texts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_goes_from_its_submission_to_its_end() {
    let stage = Stage::new();
    let handle = stage.lead().await;
    let mut jobs = stage.jobs(&handle).await;
    let job = submit(&mut jobs, "r1").await;
    let again = jobs.submit(submit_request("r1")).await.expect("answered");
    assert!(again.get_ref().repeated_request);
    let (one, mut agents) = (key(job, 1), stage.agent(&handle, key(job, 1)).await);

    let first = report(
        one,
        1,
        vec![joined(), started(), step(1), lines(&["hello"])],
    );
    let reply = tell(&mut agents, first.clone()).await.expect("taken");
    assert_eq!((reply.taken, reply.directive()), (4, Directive::GoOn));
    // The same again counts once.
    assert_eq!(tell(&mut agents, first).await.expect("taken").taken, 4);
    let view = in_phase(&mut jobs, job, Phase::Running).await;
    let progress = view.progress.expect("progress");
    assert_eq!(
        (progress.step, progress.steps, progress.loss),
        (1, 10, Some(2.0))
    );
    assert_eq!(
        (view.owner.as_str(), view.out.as_str()),
        ("ada", "/runs/desk-1")
    );

    let rest = vec![step(2), committed(2), lines(&["bye"]), ended(0)];
    assert_eq!(
        tell(&mut agents, report(one, 5, rest))
            .await
            .expect("taken")
            .taken,
        8
    );
    stage.cluster.end(one, 0);
    let done = in_phase(&mut jobs, job, Phase::Done).await;
    assert_eq!((done.outcome.as_str(), done.exit_code), ("succeeded", 0));
    assert_eq!(done.checkpoints.len(), 1);
    assert_eq!(done.attempts[0].committed, Some(2));
    assert_eq!(logged(&mut jobs, job).await, ["hello", "bye"]);
    let series = SeriesRequest {
        job,
        ..SeriesRequest::default()
    };
    let series = jobs.series(series).await.expect("curves").into_inner();
    assert_eq!(series.steps.len(), 2);
    let history = jobs.history(JobRequest { job }).await.expect("entries");
    let kinds: Vec<_> = history
        .get_ref()
        .entries
        .iter()
        .map(|it| &*it.kind)
        .collect();
    assert_eq!(
        (kinds[0], kinds[kinds.len() - 1]),
        ("submitted", "finished")
    );
    until("it is forgotten", async || {
        stage.cluster.is_empty().then_some(())
    })
    .await;
    assert_eq!(stage.cluster.starts(), [(one, 1)].into());
    close(handle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_the_middle_loses_and_repeats_nothing() {
    let stage = Stage::new();
    let handle = stage.lead().await;
    let mut jobs = stage.jobs(&handle).await;
    let job = submit(&mut jobs, "r1").await;
    let one = key(job, 1);
    let mut agents = stage.agent(&handle, one).await;
    let news = vec![joined(), started(), step(1), lines(&["before"])];
    tell(&mut agents, report(one, 1, news.clone()))
        .await
        .expect("taken");
    drop((agents, jobs));
    close(handle).await;

    let handle = stage.lead().await;
    let mut jobs = stage.jobs(&handle).await;
    let view = get(&mut jobs, job).await;
    assert_eq!(view.phase(), Phase::Running);
    assert_eq!(view.progress.expect("progress").loss, Some(2.0));
    // The agent did not hear that its report was taken, and sends it with what came since.
    let mut agents = stage.agent(&handle, one).await;
    let all = [news, vec![step(2), lines(&["after"]), ended(0)]].concat();
    assert_eq!(
        tell(&mut agents, report(one, 1, all))
            .await
            .expect("taken")
            .taken,
        7
    );
    stage.cluster.end(one, 0);
    in_phase(&mut jobs, job, Phase::Done).await;
    assert_eq!(logged(&mut jobs, job).await, ["before", "after"]);
    assert_eq!(stage.cluster.starts(), [(one, 1)].into());
    // The request is known still.
    let again = jobs.submit(submit_request("r1")).await.expect("answered");
    assert!(again.get_ref().repeated_request);
    let server = jobs.server(ServerRequest {}).await.expect("told");
    assert!(server.get_ref().violations.is_empty(), "{server:?}");
    close(handle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn training_that_went_on_from_an_older_checkpoint_is_believed_after_a_restart_too() {
    let stage = Stage::new();
    let handle = stage.lead().await;
    let mut jobs = stage.jobs(&handle).await;
    let job = submit(&mut jobs, "r1").await;
    let one = key(job, 1);
    let mut agents = stage.agent(&handle, one).await;
    let mut taken = 0;
    // The newest checkpoint turns out to be damaged, and each is told in a report of its own.
    for news in [
        vec![joined(), started(), step(3), committed(3)],
        vec![step(6), committed(6), step(8)],
        vec![started_from(Some(3))],
        vec![step(4)],
    ] {
        let count = news.len() as u64;
        let told = tell(&mut agents, report(one, taken + 1, news)).await;
        taken += count;
        assert_eq!(told.expect("taken").taken, taken);
    }
    drop((agents, jobs));
    close(handle).await;
    let handle = stage.lead().await;
    let mut agents = stage.agent(&handle, one).await;
    let told = tell(&mut agents, report(one, taken + 1, vec![step(5)])).await;
    assert_eq!(told.expect("taken").taken, taken + 1);
    drop(agents);
    close(handle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_stops_and_can_be_gone_on_with() {
    let stage = Stage::new();
    let handle = stage.lead().await;
    let mut jobs = stage.jobs(&handle).await;
    let job = submit(&mut jobs, "r1").await;
    let one = key(job, 1);
    let mut agents = stage.agent(&handle, one).await;
    tell(
        &mut agents,
        report(one, 1, vec![joined(), started(), step(1)]),
    )
    .await
    .expect("taken");
    let cancel = CancelRequest {
        job,
        why: "enough".into(),
        now: false,
    };
    let view = jobs.cancel(cancel).await.expect("cancelled").into_inner();
    assert!(view.stopping);
    let reply = tell(&mut agents, report(one, 4, vec![step(2)]))
        .await
        .expect("taken");
    assert_eq!(reply.directive(), Directive::Stop);
    stage.cluster.end(one, 75);
    let done = in_phase(&mut jobs, job, Phase::Done).await;
    assert_eq!(done.outcome, "cancelled");
    assert!(done.reason.expect("a reason").text.contains("enough"));
    assert_eq!(stage.cluster.stops(), [(one, StopHow::Gently)]);
    // News of an attempt that is over are taken, and the agent told to go.
    let late = tell(&mut agents, report(one, 5, vec![step(3)]))
        .await
        .expect("taken");
    assert_eq!(late.directive(), Directive::Abort);

    let newer = jobs
        .retry(RetryRequest { job })
        .await
        .expect("gone on with")
        .into_inner();
    assert_eq!((newer.id, newer.retry_of), (job + 1, job));
    assert_eq!(get(&mut jobs, job).await.retried_as, newer.id);
    close(handle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_of_the_last_lines_are_told_as_are_asked_for() {
    let stage = Stage::new();
    let handle = stage.lead().await;
    let mut jobs = stage.jobs(&handle).await;
    let job = submit(&mut jobs, "r1").await;
    let one = key(job, 1);
    let mut agents = stage.agent(&handle, one).await;
    let all: Vec<_> = (0..1_500).map(|number| number.to_string()).collect();
    let told: Vec<_> = all.iter().map(String::as_str).collect();
    let first = report(one, 1, vec![joined(), lines(&told)]);
    tell(&mut agents, first).await.expect("taken");
    for tail in [1, 500, 501, 1_499, 1_500, 9_999] {
        let wanted = &all[all.len().saturating_sub(tail as usize)..];
        assert_eq!(last_logged(&mut jobs, job, tail).await, wanted, "{tail}");
    }
    close(handle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_sees_the_end_and_then_the_stream_ends() {
    let stage = Stage::new();
    let handle = stage.lead().await;
    let mut jobs = stage.jobs(&handle).await;
    let job = submit(&mut jobs, "r1").await;
    let one = key(job, 1);
    let mut views = jobs
        .watch(JobRequest { job })
        .await
        .expect("views")
        .into_inner();
    let follow = LogsRequest {
        job,
        follow: true,
        ..LogsRequest::default()
    };
    let mut chunks = jobs.logs(follow).await.expect("lines").into_inner();
    let mut agents = stage.agent(&handle, one).await;
    let all = vec![joined(), started(), lines(&["a", "b"]), ended(0)];
    tell(&mut agents, report(one, 1, all)).await.expect("taken");
    stage.cluster.end(one, 0);
    let mut last = None;
    while let Some(view) = soon("a view", views.message()).await.expect("a view") {
        last = Some(view);
    }
    assert_eq!(last.expect("views").phase(), Phase::Done);
    let mut texts = Vec::new();
    while let Some(chunk) = soon("lines", chunks.message()).await.expect("lines") {
        texts.extend(chunk.lines.into_iter().map(|line| line.text));
    }
    assert_eq!(texts, ["a", "b"]);
    close(handle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_clusters_and_nodes_tell_what_there_is() {
    let stage = Stage::new();
    let handle = stage.lead().await;
    let mut jobs = stage.jobs(&handle).await;
    for request_id in ["a", "b", "c"] {
        submit(&mut jobs, request_id).await;
    }
    let page = |before| ListRequest {
        before,
        limit: 2,
        ..ListRequest::default()
    };
    let first = jobs.list(page(0)).await.expect("a list").into_inner();
    let ids: Vec<_> = first.jobs.iter().map(|job| job.id).collect();
    assert_eq!((ids, first.next_before), (vec![3, 2], 2));
    let last = jobs.list(page(2)).await.expect("a list").into_inner();
    assert_eq!((last.jobs[0].id, last.next_before), (1, 0));
    let clusters = until("the cluster is seen", async || {
        let reply = jobs
            .clusters(ClustersRequest {})
            .await
            .expect("told")
            .into_inner();
        (reply.clusters[0].nodes == 1).then_some(reply.clusters)
    });
    let clusters = clusters.await;
    assert_eq!(
        (clusters[0].backend.as_str(), clusters[0].cpus),
        ("pretended", 64)
    );
    let nodes = NodesRequest::default();
    let nodes = jobs.nodes(nodes).await.expect("told").into_inner().nodes;
    assert_eq!(nodes[0].name, "n1");
    let other = NodesRequest {
        cluster: "other".into(),
    };
    let refused = jobs.nodes(other).await.expect_err("refused");
    assert_eq!(refused.code(), tonic::Code::NotFound);
    close(handle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_is_sent_again_because_its_answer_was_late_is_taken() {
    let stage = Stage::new();
    let handle = stage.lead().await;
    let mut jobs = stage.jobs(&handle).await;
    let job = submit(&mut jobs, "r").await;
    let (one, mut agents) = (key(job, 1), stage.agent(&handle, key(job, 1)).await);
    let first = report(one, 1, vec![joined(), started(), step(1)]);
    assert_eq!(tell(&mut agents, first).await.expect("taken").taken, 3);
    let second = report(
        one,
        4,
        vec![step(2), committed(2), step(3), lines(&["once"])],
    );
    let (mut hasty, request) = (agents.clone(), second.clone());
    let hasty = tokio::spawn(async move { tell(&mut hasty, request).await });
    until(
        "the facts of it are kept, and the rest is not yet",
        async || {
            let history = jobs.history(JobRequest { job }).await.ok()?;
            let mut entries = history.get_ref().entries.iter();
            entries.any(|it| it.kind == "committed").then_some(())
        },
    )
    .await;
    hasty.abort();
    // On a slow machine it may have been answered all the same.
    let _ = hasty.await;
    assert_eq!(tell(&mut agents, second).await.expect("taken").taken, 7);
    assert_eq!(logged(&mut jobs, job).await, ["once"]);
    drop((agents, jobs));
    close(handle).await;
}
