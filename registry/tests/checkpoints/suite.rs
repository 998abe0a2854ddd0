//! What every kind of store must do.

use schliff_registry::checkpoint::{Flushed, Verdict, list, newest, remove_all};
use schliff_registry::{Conditional, JobDigest, Store};
use schliff_spec::event::CheckpointNews;

use crate::desk::{Desk, PATIENCE, assert_is_state, assert_newest_is, job, state, state_of};

/// Runs the whole suite; `open` gives a new and empty store at every call.
pub(crate) fn conforms(open: impl Fn() -> Store, expected: Conditional) {
    an_empty_store_has_nothing(&open());
    the_probe_says(&open(), expected);
    what_is_committed_is_found(&open());
    large_parts_are_written_in_pieces(&open());
    the_newest_ones_are_kept(&open());
    the_same_state_again_is_fine_and_another_is_a_conflict(&open());
    other_jobs_are_passed_over_and_left_alone(&open());
    all_can_be_removed(&open());
}

fn an_empty_store_has_nothing(store: &Store) {
    let found = newest(store, None).expect("a store that can be read");
    assert_eq!((found.checkpoint, found.skipped), (None, vec![]));
    assert_eq!(list(store, true).expect("a list"), []);
}

fn the_probe_says(store: &Store, expected: Conditional) {
    assert_eq!(store.probe().expect("a probe"), expected);
    assert_eq!(store.probe().expect("the same again"), expected);
}

fn what_is_committed_is_found(store: &Store) {
    let desk = Desk::new(store, 3);
    assert_eq!(desk.writer.committed(), None);
    desk.commit([5, 6]);
    assert_eq!(desk.writer.committed(), Some(6));
    assert_newest_is(store, 6);
    let news = desk.all_news();
    let steps: Vec<_> = news
        .iter()
        .map(|news| match news {
            CheckpointNews::Committed { step, bytes, .. } => (*step, *bytes),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(steps, [(5, 90_000), (6, 90_000)]);
    let listed = list(store, true).expect("a list");
    assert!(listed.iter().all(|line| line.verdict == Verdict::Good));
    assert_eq!(
        listed.iter().map(|line| line.step).collect::<Vec<_>>(),
        [6, 5]
    );
}

fn large_parts_are_written_in_pieces(store: &Store) {
    let large = state_of(1, 20 << 20);
    Desk::new(store, 1).commit_state(large.clone());
    let found = newest(store, None).expect("a store that can be read");
    assert_is_state(&found.checkpoint.expect("a checkpoint"), &large);
}

fn the_newest_ones_are_kept(store: &Store) {
    Desk::new(store, 5).commit(1..=3);
    // A new attempt knows what an older one left.
    let desk = Desk::of_generation(store, 2, 2);
    desk.commit(4..=6);
    // Old ones are removed after the news of the commit.
    drop(desk);
    let listed = list(store, true).expect("a list");
    let steps: Vec<_> = listed.iter().map(|line| line.step).collect();
    assert_eq!(steps, [6, 5]);
    assert!(listed.iter().all(|line| line.verdict.is_good()));
    assert_newest_is(store, 6);
}

fn the_same_state_again_is_fine_and_another_is_a_conflict(store: &Store) {
    Desk::new(store, 3).commit([7]);
    let second = Desk::of_generation(store, 3, 2);
    second.commit([7]);
    assert!(matches!(
        second.next(),
        CheckpointNews::Committed { step: 7, .. }
    ));
    let mut other = state(7);
    other.parts[0].bytes = b"other bits".as_slice().into();
    second.writer.offer(other);
    let Flushed::Missing {
        step: 7, reason, ..
    } = second.writer.flush(PATIENCE)
    else {
        panic!("another content of the same step was taken");
    };
    assert!(reason.contains("another content"), "{reason}");
    assert!(matches!(
        second.next(),
        CheckpointNews::Delayed { step: 7, .. }
    ));
    // It goes on with the next one, and the first content is the one that counts.
    assert_newest_is(store, 7);
    second.commit([8]);
    assert_newest_is(store, 8);
}

fn other_jobs_are_passed_over_and_left_alone(store: &Store) {
    let mut other = state(9);
    other.job = JobDigest::of(b"another job");
    Desk::new(store, 1).commit_state(other.clone());
    let desk = Desk::new(store, 1);
    desk.commit([1, 2]);
    drop(desk);
    let found = newest(store, Some(&job())).expect("a store that can be read");
    assert_eq!(found.checkpoint.expect("a checkpoint").manifest.step, 2);
    let reasons: Vec<_> = found.skipped.iter().map(ToString::to_string).collect();
    assert_eq!(
        reasons,
        [format!("step 9 is of another job: {}", other.job.short())]
    );
    let any = newest(store, None).expect("a store that can be read");
    assert_is_state(&any.checkpoint.expect("a checkpoint"), &other);
}

fn all_can_be_removed(store: &Store) {
    let desk = Desk::new(store, 3);
    desk.commit([1, 2]);
    drop(desk);
    assert_eq!(remove_all(store).expect("removed"), 2);
    assert_eq!(list(store, true).expect("a list"), []);
    assert_eq!(remove_all(store).expect("removed"), 0);
}

#[test]
fn a_folder_conforms() {
    let folder = tempfile::tempdir().expect("a folder");
    let count = std::cell::Cell::new(0);
    let open = || {
        count.set(count.get() + 1);
        let place = folder.path().join(format!("not/yet/there {}", count.get()));
        Store::open(&place.display().to_string()).expect("a store")
    };
    conforms(open, Conditional::Holds);
}

#[test]
fn memory_conforms() {
    conforms(
        || Store::open("memory:").expect("a store"),
        Conditional::Holds,
    );
}
