//! The conformance suite over TCP, in threads.

use schliff_collective::conformance;

use crate::group::{LIMITS, Meeting};

#[test]
fn groups_of_every_size_conform() {
    let meeting = Meeting::new();
    for (generation, world_size) in [(1, 1), (2, 2), (3, 4), (4, 8)] {
        meeting.run((generation, world_size), LIMITS, |rank, group| {
            let mut group = group.expect("joined");
            assert_eq!((group.rank(), group.world_size()), (rank, world_size));
            conformance::healthy(group.as_mut()).expect("healthy");
        });
    }
}

#[test]
fn ranks_out_of_step_are_told() {
    let meeting = Meeting::new();
    for (generation, world_size) in [(1, 2), (2, 4), (3, 8)] {
        meeting.run((generation, world_size), LIMITS, |_, group| {
            conformance::out_of_step(group.expect("joined")).expect("told");
        });
    }
}

#[test]
fn a_rank_that_leaves_is_heard_by_all() {
    let meeting = Meeting::new();
    for (generation, world_size) in [(1, 2), (2, 4), (3, 8)] {
        meeting.run((generation, world_size), LIMITS, |_, group| {
            conformance::abort(group.expect("joined")).expect("heard");
        });
    }
}
