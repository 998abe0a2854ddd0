//! Thousands of allocations at a time.

use std::time::{Duration, Instant};

use schliff_backend::Backend;
use schliff_backend::conformance::World;
use schliff_scheduler::allocation::{AllocationEnd, AllocationStatus};

use crate::conforms::{key, queue_is_theirs, world};

const QUEUED: u64 = 10_000;
const RUNNING: u64 = 1_000;

#[tokio::test]
async fn a_listing_of_thousands_is_quick() {
    let (_folder, world) = world(|options| {
        queue_is_theirs(options);
        options.terms.max_waiting = None;
    });
    world.set_equal_nodes(1_000, 4, 1).unwrap();
    let backend = world.backend().unwrap();
    for job in 1..=QUEUED + RUNNING {
        backend
            .submit(&World::launch(&world, key(job, 1)))
            .await
            .unwrap();
    }
    for job in 1..=RUNNING {
        world.start(key(job, 1)).unwrap();
    }
    // The first listing of a restarted coordinator reads everything, the next ones what is new.
    let restarted = world.backend().unwrap();
    let mut quickest = Duration::MAX;
    for job in 1..=5 {
        world
            .end(key(job, 1), AllocationEnd::Exited { code: 0 })
            .unwrap();
        let begin = Instant::now();
        let listing = restarted.observe().await.unwrap();
        quickest = quickest.min(begin.elapsed());
        let count = |is_it: fn(&AllocationStatus) -> bool| {
            listing
                .allocations
                .iter()
                .filter(|it| is_it(&it.status))
                .count() as u64
        };
        assert_eq!(
            count(|it| matches!(it, AllocationStatus::Pending { .. })),
            QUEUED
        );
        assert_eq!(count(|it| *it == AllocationStatus::Running), RUNNING - job);
    }
    assert!(quickest < Duration::from_millis(100), "{quickest:?}");
}
