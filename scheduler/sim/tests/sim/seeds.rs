use schliff_sim::scenario::Scenario;
use schliff_sim::trace::Trace;
use schliff_sim::{World, seeds};

/// Seeds that found something once: each is clean now, and stays so.
const FOUND: &[u64] = &[
    // A job that waited behind one in a smaller shape was said to be next.
    48, 84,
    120, // A batch system was asked to avoid a node that it needed, and the job waited for ever.
    46, 99, 176, 197, 200,
    // A job whose place in a queue always went to one ahead of it was said to be next.
    822,
];

#[test]
fn seeds_that_found_something_stay_clean() {
    for seed in FOUND {
        let run = World::new(Scenario::drawn(*seed), Trace::default());
        let run = run.expect("a world").run();
        assert_eq!(run.breach, None, "seed {seed}");
    }
}

#[test]
fn a_few_seeds_are_clean_and_full_of_faults() {
    let summary = seeds(1, 20, 2).expect("worlds");
    assert_eq!(summary.runs, 20);
    assert!(summary.failures.is_empty(), "{:?}", summary.failures);
    let unseen = summary.coverage.missing();
    assert!(unseen.len() < 10, "{unseen:?}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    let trace = |trace| {
        let run = World::new(Scenario::drawn(7), trace)
            .expect("a world")
            .run();
        (run.events, run.world_ms, run.coverage, run.trace)
    };
    let (one, other) = (trace(Trace::kept()), trace(Trace::kept()));
    assert_eq!(one.3.lines(), other.3.lines());
    assert!(one.3.lines().len() > 100);
    // Nobody's reading changes what happens.
    let unread = trace(Trace::default());
    assert_eq!((one.0, one.1, one.2), (unread.0, unread.1, unread.2));
}
