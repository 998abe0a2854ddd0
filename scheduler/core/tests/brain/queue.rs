use schliff_scheduler::allocation::AllocationStatus;
use schliff_scheduler::ask::Ask;
use schliff_scheduler::cluster::{Queue, Terms};
use schliff_scheduler::policy::{SHRINK_MS, STARVE_MS};

use crate::desk::{Desk, ask, of_shape, phases, shape};

#[test]
fn urgent_jobs_go_first_then_older_ones() {
    let mut desk = Desk::with_nodes(1);
    let slow = desk.submit(of_shape(1, 4));
    let old = desk.submit(of_shape(1, 4));
    let urgent = desk.submit(Ask {
        priority: 90,
        ..of_shape(1, 4)
    });
    desk.tick();
    assert!(desk.job(urgent).live().is_some());
    insta::assert_snapshot!(desk.why(slow), @"needs 4 GPUs on 1 node; c has 0 such free");
    insta::assert_snapshot!(desk.why(old), @"needs 4 GPUs on 1 node; c has 0 such free; ahead: job 1");
}

#[test]
fn a_small_job_overtakes_until_the_large_one_has_waited_long() {
    let mut desk = Desk::with_nodes(2);
    let running = desk.submit(of_shape(1, 4));
    desk.tick();
    desk.run(running);
    let large = desk.submit(of_shape(2, 4));
    let small = desk.submit(of_shape(1, 1));
    desk.tick();
    assert!(desk.job(small).live().is_some(), "it overtakes");
    desk.run(small);
    desk.exit(small, 0);
    desk.after_ms(STARVE_MS);
    desk.list(&[(running, AllocationStatus::Running)]);
    let late = desk.submit(of_shape(1, 1));
    desk.tick();
    assert!(desk.job(late).live().is_none());
    insta::assert_snapshot!(desk.why(late), @"job 2 has waited long for c and goes first");
    desk.exit(running, 0);
    desk.tick();
    assert!(desk.job(large).live().is_some());
}

#[test]
fn a_job_takes_a_smaller_shape_when_the_wanted_one_is_not_to_be_had() {
    let mut desk = Desk::with_nodes(2);
    let other = desk.submit(of_shape(1, 4));
    desk.tick();
    desk.run(other);
    let elastic = desk.submit(Ask {
        shapes: vec![shape(2, 4), shape(1, 4)],
        ..ask("elastic")
    });
    desk.tick();
    assert!(desk.job(elastic).live().is_none());
    desk.after_ms(SHRINK_MS);
    let live = desk.job(elastic).live().expect("it runs");
    assert_eq!(live.shape, shape(1, 4));
}

#[test]
fn a_cluster_with_its_own_queue_gets_so_many_and_no_more() {
    let mut desk = Desk::with_terms(Terms {
        max_waiting: Some(2),
        ..Terms::of(Queue::Theirs)
    });
    let jobs: Vec<_> = (0..3).map(|_| desk.submit(ask("job"))).collect();
    desk.list(&[]);
    desk.tick();
    let words: Vec<_> = phases(&desk.state).into_values().collect();
    assert_eq!(words, ["allocating", "allocating", "queued"]);
    insta::assert_snapshot!(desk.why(jobs[2]), @"2 jobs wait in c already, the most that may");
    desk.run(jobs[0]);
    desk.tick();
    assert!(desk.job(jobs[2]).live().is_some());
}

#[test]
fn the_wall_time_is_cut_to_the_cap_and_the_next_link_gets_the_rest() {
    const HOUR: u64 = 3_600_000;
    let mut desk = Desk::with_terms(Terms {
        max_time_ms: Some(24 * HOUR),
        ..Terms::of(Queue::Theirs)
    });
    let job = desk.submit(Ask {
        time_ms: Some(30 * HOUR),
        ..ask("long")
    });
    desk.tick();
    insta::assert_snapshot!(desk.why(job), @"c has not answered yet");
    desk.list(&[]);
    desk.tick();
    desk.run(job);
    desk.commit(job, 100);
    desk.now = desk.now.plus(24 * HOUR);
    desk.exit(job, 75);
    desk.tick();
    let links = &desk.job(job).attempts;
    let limits: Vec<_> = links.iter().map(|link| link.time_limit_ms).collect();
    assert_eq!(limits, [Some(24 * HOUR), Some(6 * HOUR)]);
    assert_eq!(desk.job(job).failures, 0);
}

#[test]
fn who_waits_behind_a_job_that_could_shrink_is_told_so() {
    let mut desk = Desk::with_nodes(2);
    let (one, other) = (desk.submit(of_shape(1, 3)), desk.submit(of_shape(1, 3)));
    desk.tick();
    desk.run(one);
    desk.run(other);
    // Its wanted shape is larger than the cluster's nodes in number; the smaller one is not to be had now.
    let elastic = desk.submit(Ask {
        shapes: vec![shape(4, 4), shape(1, 4)],
        ..ask("elastic")
    });
    desk.after_ms(STARVE_MS);
    let running = [one, other].map(|job| (job, AllocationStatus::Running));
    desk.list(&running);
    let late = desk.submit(of_shape(1, 1));
    desk.tick();
    assert!(desk.job(elastic).live().is_none());
    assert!(desk.job(late).live().is_none());
    insta::assert_snapshot!(desk.why(late), @"job 3 has waited long for c and goes first");
}

#[test]
fn the_places_of_a_queue_go_to_those_ahead() {
    let mut desk = Desk::with_terms(Terms {
        max_waiting: Some(1),
        ..Terms::of(Queue::Theirs)
    });
    desk.list(&[]);
    let (first, second) = (desk.submit(ask("first")), desk.submit(ask("second")));
    insta::assert_snapshot!(desk.why(first), @"starts with the next look at the queue");
    insta::assert_snapshot!(desk.why(second), @"1 jobs wait in c already, the most that may");
}

#[test]
fn a_cap_below_a_minute_is_a_cap() {
    let mut desk = Desk::with_terms(Terms {
        max_time_ms: Some(30_000),
        ..Terms::of(Queue::Theirs)
    });
    let job = desk.submit(Ask {
        time_ms: Some(3_600_000),
        ..ask("short")
    });
    desk.list(&[]);
    desk.tick();
    let live = desk.job(job).live().expect("it is handed over");
    assert_eq!(live.time_limit_ms, Some(30_000));
}
