//! Scripts about how allocations end, are stopped and forgotten.

use schliff_scheduler::allocation::{AllocationEnd, AllocationStatus, StopHow};

use super::trial::{Told, Trial, expect};

/// The exit code of node 0 is told as it is.
pub(super) async fn exit_codes_are_told(trial: &Trial<'_>) -> Told {
    for (generation, code) in (1..).zip([0, 1, 2, 70, 75, 76]) {
        let key = trial.running(generation).await?;
        trial.world.end(key, code).await?;
        trial.exited(key, code).await?;
        trial.forgotten(key).await?;
    }
    Ok(())
}

/// What was killed has ended, and not well.
pub(super) async fn a_violent_end_is_told(trial: &Trial<'_>) -> Told {
    let key = trial.running(1).await?;
    trial.world.kill(key).await?;
    let end = trial.ended(key).await?;
    expect(is_violent(&end), || {
        format!("{key} was killed, but ended by {end:?}")
    })?;
    trial.forgotten(key).await
}

/// An end is told again and again, to every coordinator, until it is forgotten.
pub(super) async fn what_has_ended_stays_until_it_is_forgotten(trial: &Trial<'_>) -> Told {
    let key = trial.running(1).await?;
    trial.world.end(key, 75).await?;
    trial.exited(key, 75).await?;
    trial.pauses(3).await;
    trial.exited(key, 75).await?;
    let restarted = trial.world.open().await?;
    let seen = trial.seen(&*restarted, key).await?;
    let end = AllocationEnd::Exited { code: 75 };
    let wanted = AllocationStatus::Ended { end };
    expect(seen.as_ref().is_some_and(|it| it.status == wanted), || {
        format!("{key} has ended, but another coordinator is told {seen:?}")
    })?;
    restarted.forget(key).await?;
    // What is forgotten through one back-end is forgotten for all.
    trial.forgotten(key).await
}

/// Forgetting what is alive leaves it alone.
pub(super) async fn what_lives_is_not_forgotten(trial: &Trial<'_>) -> Told {
    let key = trial.running(1).await?;
    trial.backend.forget(key).await?;
    trial.pauses(3).await;
    let listed = trial.listed(key).await?;
    expect(listed.status == AllocationStatus::Running, || {
        format!("{key} was to be left alone, but is {:?}", listed.status)
    })?;
    trial.started(key, 1).await?;
    trial.cleared(key).await
}

/// A gentle stop reaches what runs, which ends with "more to do".
pub(super) async fn a_gentle_stop_ends_with_more_to_do(trial: &Trial<'_>) -> Told {
    let key = trial.running(1).await?;
    trial.backend.stop(key, StopHow::Gently).await?;
    trial.exited(key, 75).await?;
    trial.forgotten(key).await
}

/// A stop at once ends it without a word, also where another coordinator submitted it.
pub(super) async fn a_stop_at_once_ends_it(trial: &Trial<'_>) -> Told {
    let key = trial.running(1).await?;
    let restarted = trial.world.open().await?;
    restarted.stop(key, StopHow::Now).await?;
    let end = trial.ended(key).await?;
    expect(is_violent(&end), || {
        format!("{key} was stopped, but ended by {end:?}")
    })?;
    trial.forgotten(key).await
}

/// What was submitted and stopped before it did anything ends, too.
pub(super) async fn a_stop_before_the_start_ends_it(trial: &Trial<'_>) -> Told {
    for (generation, how) in (1..).zip([StopHow::Now, StopHow::Gently]) {
        let key = trial.key(generation);
        trial.backend.submit(&trial.world.launch(key)).await?;
        trial.backend.stop(key, how).await?;
        let end = trial.ended(key).await?;
        let is_done = end == AllocationEnd::Exited { code: 0 };
        expect(!is_done, || {
            format!("{key} was stopped, and is told as done")
        })?;
        let starts = trial.world.starts(key).await?;
        expect(starts < 2, || format!("{key} was started {starts} times"))?;
        trial.forgotten(key).await?;
    }
    Ok(())
}

/// A stop that comes too late does not change how it ended.
pub(super) async fn a_stop_of_what_has_ended_changes_nothing(trial: &Trial<'_>) -> Told {
    let key = trial.running(1).await?;
    trial.world.end(key, 1).await?;
    trial.exited(key, 1).await?;
    for how in [StopHow::Gently, StopHow::Now] {
        trial.backend.stop(key, how).await?;
        trial.exited(key, 1).await?;
    }
    trial.forgotten(key).await
}

/// Stopping and forgetting are done with where there is nothing.
pub(super) async fn what_nobody_knows_is_neither_stopped_nor_forgotten(trial: &Trial<'_>) -> Told {
    let key = trial.key(1);
    for how in [StopHow::Gently, StopHow::Now] {
        trial.backend.stop(key, how).await?;
    }
    trial.backend.forget(key).await?;
    let seen = trial.seen(&*trial.backend, key).await?;
    expect(seen.is_none(), || {
        format!("{key} is listed, and was never submitted")
    })?;
    // Neither of them uses the key up.
    let key = trial.running(1).await?;
    trial.cleared(key).await?;
    trial.backend.forget(key).await?;
    trial.backend.stop(key, StopHow::Now).await?;
    Ok(())
}

/// Two allocations, even of one job, end each in its own way and time.
pub(super) async fn allocations_leave_each_other_alone(trial: &Trial<'_>) -> Told {
    let (one, other) = (trial.running(1).await?, trial.running(2).await?);
    let ids = [trial.listed(one).await?.id, trial.listed(other).await?.id];
    expect(ids[0] != ids[1], || {
        format!("{one} and {other} are both {}", ids[0])
    })?;
    trial.backend.stop(one, StopHow::Gently).await?;
    trial.exited(one, 75).await?;
    let next = trial.running(3).await?;
    trial.backend.stop(next, StopHow::Now).await?;
    trial.ended(next).await?;
    trial.forgotten(one).await?;
    trial.forgotten(next).await?;
    let listed = trial.listed(other).await?;
    expect(listed.status == AllocationStatus::Running, || {
        format!("{other} was left alone, but is {:?}", listed.status)
    })?;
    trial.started(other, 1).await?;
    trial.world.end(other, 1).await?;
    trial.exited(other, 1).await?;
    trial.forgotten(other).await
}

/// Neither done nor more to do, nor something that never ran.
fn is_violent(end: &AllocationEnd) -> bool {
    match end {
        AllocationEnd::Exited { code } => *code != 0 && *code != 75,
        AllocationEnd::NeverStarted { .. } | AllocationEnd::TimedOut => false,
        AllocationEnd::Killed { .. }
        | AllocationEnd::Preempted
        | AllocationEnd::NodesLost { .. }
        | AllocationEnd::Cancelled
        | AllocationEnd::OutOfMemory => true,
    }
}
