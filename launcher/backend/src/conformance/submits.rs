//! Scripts about submitting: a key is used once, whoever submits it and however often.

use std::future::poll_fn;
use std::task::Poll;

use schliff_scheduler::allocation::AllocationStatus;

use super::Fault;
use super::trial::{Told, Trial, expect};
use crate::error::BackendError;

/// A submit is seen by the next listing, of any back-end on the cluster, and was counted.
pub(super) async fn what_was_submitted_is_listed(trial: &Trial<'_>) -> Told {
    let key = trial.key(1);
    let (before, _) = trial.backend.calls();
    let asked_before = trial.backend.observe().await?.asked_at;
    let id = trial.backend.submit(&trial.world.launch(key)).await?;
    let listed = trial.listed(key).await?;
    expect(listed.id == id, || {
        format!("{key} is submitted as {id}, but listed as {}", listed.id)
    })?;
    let other = trial.world.open().await?;
    let seen = trial.seen(&*other, key).await?;
    expect(seen.is_some_and(|seen| seen.id == id), || {
        format!("{key} is missing from another coordinator's listing")
    })?;
    trial.world.start(key).await?;
    let is_running = |status: &AllocationStatus| matches!(status, AllocationStatus::Running);
    let running = trial.until(key, "running", is_running).await?;
    expect(!running.nodes.is_empty(), || {
        format!("{key} runs on no node")
    })?;
    let asked_after = trial.backend.observe().await?.asked_at;
    expect(asked_after >= asked_before, || {
        "listings are dated backwards".to_owned()
    })?;
    let (after, failed) = trial.backend.calls();
    expect(after > before && failed <= after, || {
        format!("calls are counted as {before}, then {after} with {failed} failed")
    })?;
    trial.cleared(key).await
}

/// The same key again, also from a coordinator that was just started, is the same allocation.
pub(super) async fn a_key_submitted_again_starts_nothing(trial: &Trial<'_>) -> Told {
    let key = trial.key(1);
    let launch = trial.world.launch(key);
    let first = trial.backend.submit(&launch).await?;
    let again = trial.backend.submit(&launch).await?;
    trial.world.start(key).await?;
    let restarted = trial.world.open().await?;
    let later = restarted.submit(&launch).await?;
    expect(first == again && first == later, || {
        format!("{key} is submitted as {first}, then as {again} and {later}")
    })?;
    trial.listed(key).await?;
    trial.pauses(3).await;
    trial.started(key, 1).await?;
    trial.cleared(key).await
}

/// Two tasks that submit the same key at the same time get the same allocation.
pub(super) async fn a_key_submitted_twice_at_once_starts_once(trial: &Trial<'_>) -> Told {
    for generation in 1..=5 {
        let key = trial.key(generation);
        let launch = trial.world.launch(key);
        let (one, other, third) = tokio::join!(
            trial.backend.submit(&launch),
            trial.backend.submit(&launch),
            trial.backend.submit(&launch),
        );
        let ids = [one?, other?, third?];
        expect(ids.iter().all(|id| *id == ids[0]), || {
            format!("{key} submitted at once is {ids:?}")
        })?;
        trial.world.start(key).await?;
        trial.listed(key).await?;
        trial.started(key, 1).await?;
        trial.cleared(key).await?;
    }
    Ok(())
}

/// A key whose allocation is over is not started again.
pub(super) async fn a_key_submitted_after_its_end_starts_nothing(trial: &Trial<'_>) -> Told {
    let key = trial.running(1).await?;
    let id = trial.listed(key).await?.id;
    trial.world.end(key, 1).await?;
    trial.exited(key, 1).await?;
    let again = trial.backend.submit(&trial.world.launch(key)).await?;
    expect(again == id, || format!("{key} was {id} and is now {again}"))?;
    trial.pauses(3).await;
    trial.exited(key, 1).await?;
    trial.started(key, 1).await?;
    trial.forgotten(key).await
}

/// A submit whose caller went away, here after its first poll, may have happened: a listing tells,
/// and submitting again makes it one.
pub(super) async fn a_submit_that_nobody_waits_for_happens_once_or_not_at_all(
    trial: &Trial<'_>,
) -> Told {
    let key = trial.key(1);
    let launch = trial.world.launch(key);
    {
        let mut submit = trial.backend.submit(&launch);
        poll_fn(|context| {
            // What it says is lost with it.
            let _ = submit.as_mut().poll(context);
            Poll::Ready(())
        })
        .await;
    }
    trial.seen(&*trial.backend, key).await?;
    let id = trial.backend.submit(&launch).await?;
    let listed = trial.listed(key).await?;
    expect(listed.id == id, || {
        format!("{key} is submitted as {id}, but listed as {}", listed.id)
    })?;
    trial.world.start(key).await?;
    trial.pauses(3).await;
    trial.listed(key).await?;
    trial.started(key, 1).await?;
    trial.cleared(key).await
}

/// What can never be taken is refused as such, and nothing of it is left.
pub(super) async fn a_refused_submit_leaves_nothing(trial: &Trial<'_>) -> Told {
    let key = trial.key(1);
    let Some(launch) = trial.world.unfit(key) else {
        return Ok(());
    };
    let (_, failed_before) = trial.backend.calls();
    let told = trial.backend.submit(&launch).await;
    let is_refused = matches!(told, Err(BackendError::Rejected { .. }));
    expect(is_refused, || {
        format!("what never fits should be rejected, but {told:?}")
    })?;
    let (_, failed) = trial.backend.calls();
    expect(failed > failed_before, || {
        "a refused submit is not counted as failed".to_owned()
    })?;
    let seen = trial.seen(&*trial.backend, key).await?;
    expect(seen.is_none(), || {
        format!("{key} was refused, and is listed")
    })?;
    trial.started(key, 0).await
}

/// A coordinator never submits a key again once it had it forgotten. Where a back-end keeps records,
/// a mistake there cannot start anything either.
pub(super) async fn a_forgotten_key_is_not_used_again(trial: &Trial<'_>) -> Told {
    if !trial.world.keeps_records() {
        return Ok(());
    }
    let key = trial.running(1).await?;
    trial.cleared(key).await?;
    let restarted = trial.world.open().await.map_err(Fault::World)?;
    for backend in [&trial.backend, &restarted] {
        let told = backend.submit(&trial.world.launch(key)).await;
        expect(matches!(told, Err(BackendError::Rejected { .. })), || {
            format!("{key} was forgotten; submitted again: {told:?}")
        })?;
    }
    trial.pauses(3).await;
    trial.started(key, 1).await?;
    let seen = trial.seen(&*trial.backend, key).await?;
    expect(seen.is_none(), || format!("{key} is listed again"))
}
