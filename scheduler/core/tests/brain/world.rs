//! What is to be done, and what the journal gives back.

use schliff_scheduler::action::{Action, SubmitTry, Try};
use schliff_scheduler::allocation::{AllocationEnd, AllocationStatus, StopHow};
use schliff_scheduler::cluster::{Queue, Strikes, Terms};
use schliff_scheduler::input::News;
use schliff_scheduler::policy::STRIKES_OUT;

use crate::desk::{Desk, alive, ask, of_shape};

fn submits(desk: &Desk) -> usize {
    let actions = desk.actions();
    let submits = actions.iter().filter(|a| matches!(a, Action::Submit(_)));
    submits.count()
}

#[test]
fn an_attempt_is_submitted_once_and_again_only_when_that_had_no_effect() {
    let mut desk = Desk::with_nodes(1);
    let job = desk.submit(ask("job"));
    desk.tick();
    let key = desk.key(job);
    assert_eq!(submits(&desk), 1);
    desk.observed.in_flight.insert(key);
    assert_eq!(submits(&desk), 0, "its answer is awaited");
    desk.observed.in_flight.clear();
    let unknown = SubmitTry {
        ended_at: desk.now,
        is_unknown: true,
        count: 1,
    };
    let tried = Try {
        submit: Some(unknown),
        ..Try::default()
    };
    desk.observed.tries.insert(key, tried);
    assert_eq!(submits(&desk), 0, "it may have had its effect");
    desk.list_all(&[]);
    assert_eq!(submits(&desk), 0, "the batch system may show it late");
    desk.now = desk.now.plus(1_000);
    desk.list_all(&[]);
    assert_eq!(submits(&desk), 1, "it had none");
}

#[test]
fn after_a_restart_a_listing_is_needed_before_an_attempt_is_submitted() {
    let mut desk = Desk::with_nodes(1);
    let job = desk.submit(ask("job"));
    desk.tick();
    desk.now = desk.now.plus(10);
    desk.observed.since = desk.now;
    desk.state = desk.replayed();
    assert_eq!(submits(&desk), 0);
    desk.now = desk.now.plus(1_000);
    desk.list_all(&[(job, AllocationStatus::Running)]);
    assert_eq!(submits(&desk), 0, "it had been submitted");
    assert!(desk.job(job).live().is_some_and(|a| a.allocation.is_some()));
}

#[test]
fn allocations_of_older_attempts_are_ended_and_forgotten() {
    let mut desk = Desk::with_nodes(1);
    let job = desk.submit(ask("job"));
    desk.tick();
    desk.run(job);
    let alive = desk.listing(&[(job, AllocationStatus::Running)], true);
    desk.end(job, AllocationEnd::Preempted);
    desk.tick();
    desk.observed
        .listings
        .insert(alive.cluster.clone(), alive.into());
    let actions = desk.actions();
    let stops = |a: &Action| matches!(a, Action::Stop { how: StopHow::Now, key, .. } if key.generation.0 == 1);
    assert!(actions.iter().any(stops), "{actions:?}");
}

#[test]
fn the_journal_gives_the_same_state() {
    let mut desk = Desk::with_nodes(2);
    let jobs: Vec<_> = (0..3).map(|_| desk.submit(ask("job"))).collect();
    desk.tick();
    desk.run(jobs[0]);
    desk.report(jobs[0], &[News::Joined, alive(3, 9)]);
    desk.commit(jobs[0], 3);
    desk.run(jobs[1]);
    desk.end(jobs[1], AllocationEnd::OutOfMemory);
    desk.cancel(jobs[2]);
    let replayed = desk.replayed();
    for (own, other) in desk.state.jobs.values().zip(replayed.jobs.values()) {
        let mut own = own.clone();
        own.attempts
            .iter_mut()
            .for_each(|a| a.vitals = Default::default());
        let mut other = other.clone();
        other
            .attempts
            .iter_mut()
            .for_each(|a| a.vitals = Default::default());
        assert_eq!(own, other);
    }
    assert_eq!(desk.state.live, replayed.live);
    assert_eq!(desk.state.queue, replayed.queue);
}

/// What waits in a batch system keeps the nodes that it was told to avoid, whatever becomes of them.
#[test]
fn a_batch_system_is_not_asked_to_avoid_nodes_that_it_needs() {
    let avoided = |wanted: u32| {
        let mut desk = Desk::with_terms(Terms::of(Queue::Theirs));
        desk.list_nodes(4);
        let bad = desk.state.clusters.values_mut().next().expect("a cluster");
        let strikes = Strikes {
            count: STRIKES_OUT,
            last_at: desk.now,
        };
        bad.strikes.insert("n2".parse().expect("a name"), strikes);
        desk.submit(of_shape(wanted, 4));
        desk.tick();
        let actions = desk.actions();
        let [Action::Submit(order)] = actions.as_slice() else {
            panic!("not one submit: {actions:?}");
        };
        order.avoid.len()
    };
    assert_eq!(avoided(3), 1);
    assert_eq!(avoided(4), 0);
}
