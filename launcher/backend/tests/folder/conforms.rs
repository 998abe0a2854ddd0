//! The suite over pretended clusters of each kind.

use schliff_backend::Backend;
use schliff_backend::conformance::{self, World};
use schliff_backend::folder::{FolderOptions, FolderWorld};
use schliff_scheduler::allocation::{AllocationEnd, AllocationStatus, StopHow};
use schliff_scheduler::cluster::{Queue, Terms};
use schliff_spec::id::{Generation, JobId, SubmitKey};

/// A cluster of four nodes with one core each.
pub(crate) fn world(change: impl FnOnce(&mut FolderOptions)) -> (tempfile::TempDir, FolderWorld) {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = "pretended".parse().expect("a name");
    let mut options = FolderOptions::new(cluster, folder.path().join("cluster"));
    change(&mut options);
    let world = FolderWorld::open(options).expect("a world");
    world.set_equal_nodes(4, 0, 1).expect("nodes");
    (folder, world)
}

pub(crate) fn key(job: u64, generation: u64) -> SubmitKey {
    SubmitKey {
        job: JobId(job),
        generation: Generation(generation),
    }
}

pub(crate) fn queue_is_theirs(options: &mut FolderOptions) {
    options.terms = Terms {
        max_waiting: Some(3),
        ..Terms::of(Queue::Theirs)
    };
    options.starts_at_once = false;
}

#[tokio::test]
async fn a_queue_of_ours_conforms() {
    let (_folder, world) = world(|_| ());
    conformance::all(&world).await.expect("conforms");
}

#[tokio::test]
async fn a_queue_of_theirs_conforms() {
    let (_folder, world) = world(queue_is_theirs);
    conformance::all(&world).await.expect("conforms");
}

#[tokio::test]
async fn slow_calls_conform() {
    let (_folder, world) = world(|options| options.call_delay_ms = 2);
    conformance::all(&world).await.expect("conforms");
}

#[tokio::test]
async fn what_is_held_is_not_granted_again() {
    let (_folder, world) = world(|_| ());
    let backend = world.backend().unwrap();
    for job in 1..=4 {
        backend
            .submit(&World::launch(&world, key(job, 1)))
            .await
            .unwrap();
    }
    let other = world.backend().unwrap();
    let launch = World::launch(&world, key(5, 1));
    let error = other.submit(&launch).await.unwrap_err();
    assert_eq!(
        schliff_backend::chain(&error),
        "cannot submit schliff-5-1 to pretended: no 1 core on 1 node is free"
    );
    world.end(key(2, 1), AllocationEnd::Preempted).unwrap();
    other.submit(&launch).await.unwrap();
    let listing = backend.observe().await.unwrap();
    let of = |job| {
        listing
            .allocations
            .iter()
            .find(|it| it.key == key(job, 1))
            .unwrap()
    };
    assert_eq!(of(5).nodes, of(2).nodes);
    assert_eq!(
        of(2).status,
        AllocationStatus::Ended {
            end: AllocationEnd::Preempted
        }
    );
}

#[tokio::test]
async fn a_queue_of_theirs_starts_what_waited_longest() {
    let (_folder, world) = world(|options| {
        queue_is_theirs(options);
        options.starts_at_once = true;
    });
    world.set_equal_nodes(1, 0, 1).unwrap();
    let backend = world.backend().unwrap();
    for job in 1..=3 {
        backend
            .submit(&World::launch(&world, key(job, 1)))
            .await
            .unwrap();
    }
    let running = || async {
        let listing = backend.observe().await.unwrap().allocations;
        let running = listing
            .into_iter()
            .filter(|it| it.status == AllocationStatus::Running);
        running.map(|it| it.key.job.0).collect::<Vec<_>>()
    };
    assert_eq!(running().await, [1]);
    world.end(key(1, 1), AllocationEnd::TimedOut).unwrap();
    assert_eq!(running().await, [2]);
}

#[tokio::test]
async fn a_stop_that_is_not_obeyed_is_told_to_the_world() {
    let (_folder, world) = world(|options| options.obeys_stops = false);
    let backend = world.backend().unwrap();
    backend
        .submit(&World::launch(&world, key(1, 1)))
        .await
        .unwrap();
    backend
        .submit(&World::launch(&world, key(2, 1)))
        .await
        .unwrap();
    backend.stop(key(1, 1), StopHow::Gently).await.unwrap();
    assert_eq!(world.stops().unwrap(), [(key(1, 1), StopHow::Gently)]);
    assert_eq!(world.live().unwrap(), [key(1, 1), key(2, 1)]);
    world
        .end(key(1, 1), AllocationEnd::Exited { code: 75 })
        .unwrap();
    assert_eq!(world.stops().unwrap(), []);
}
