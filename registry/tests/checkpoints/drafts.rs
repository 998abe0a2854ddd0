//! States that are made into snapshots on the writer's thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;

use schliff_registry::Store;
use schliff_registry::checkpoint::Flushed;
use schliff_spec::event::CheckpointNews;

use crate::desk::{Desk, PATIENCE, assert_newest_is, state};

#[test]
fn a_draft_that_a_newer_one_overtakes_is_never_made() {
    let store = Store::open("memory:").expect("a store");
    let desk = Desk::new(&store, 3);
    let (started, has_started) = channel();
    let (go_on, may_go_on) = channel::<()>();
    desk.writer.offer_draft(1, move || {
        started.send(()).expect("a listener");
        may_go_on.recv().expect("a word");
        Ok(state(1))
    });
    has_started
        .recv_timeout(PATIENCE)
        .expect("made on its thread");
    let made = Arc::new(AtomicU64::new(0));
    for step in 2..=4 {
        let made = Arc::clone(&made);
        desk.writer.offer_draft(step, move || {
            made.fetch_add(step, Ordering::Relaxed);
            Ok(state(step))
        });
    }
    go_on.send(()).expect("a listener");
    let committed = Some(4);
    assert_eq!(desk.writer.flush(PATIENCE), Flushed::All { committed });
    assert_eq!(made.load(Ordering::Relaxed), 4, "the newest alone is made");
    assert_newest_is(&store, 4);
}

#[test]
fn a_draft_that_cannot_be_made_is_told_and_the_next_one_is_taken() {
    let store = Store::open("memory:").expect("a store");
    let desk = Desk::new(&store, 3);
    desk.writer.offer_draft(1, || Err("no such tensor".into()));
    let Flushed::Missing {
        step: 1, reason, ..
    } = desk.writer.flush(PATIENCE)
    else {
        panic!("committed what was never made");
    };
    assert_eq!(reason, "step 1 cannot be written: no such tensor");
    assert!(matches!(
        desk.next(),
        CheckpointNews::Delayed { step: 1, .. }
    ));
    desk.commit([2]);
    assert_newest_is(&store, 2);
}
