//! What the tests work with: states, writers, and the news that they report.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use bytes::Bytes;
use schliff_registry::checkpoint::{
    BackOff, Flushed, Part, Snapshot, Writer, WriterSettings, newest,
};
use schliff_registry::{JobDigest, Store};
use schliff_spec::event::CheckpointNews;
use schliff_tests::weed::Weed;
use serde_json::json;

/// No state that a test waits for takes so long, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn job() -> JobDigest {
    JobDigest::of(b"the job of these tests")
}

/// A state whose every byte follows from its step.
pub(crate) fn state(step: u64) -> Snapshot {
    state_of(step, 30_000)
}

/// The same with an adapter of `bytes`.
pub(crate) fn state_of(step: u64, bytes: usize) -> Snapshot {
    let filled = |seed: u64, bytes: usize| -> Bytes {
        let words = (0..bytes as u64).map(|at| {
            let mixed = (at ^ seed << 32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            (mixed >> 56) as u8
        });
        words.collect::<Vec<_>>().into()
    };
    Snapshot {
        step,
        job: job(),
        state: json!({"cursor": step * 8, "loss": 0.1 + step as f64}),
        parts: vec![
            Part {
                name: "adapter",
                bytes: filled(step, bytes),
            },
            Part {
                name: "moments",
                bytes: filled(step + 1_000_000, 2 * bytes),
            },
        ],
    }
}

/// A new and empty prefix on the server.
pub(crate) fn store_of(weed: &Weed) -> Store {
    let settings = weed.settings();
    let settings: Vec<_> = settings
        .iter()
        .map(|(name, value)| (name.to_lowercase(), value.as_str()))
        .collect();
    let settings: Vec<_> = settings
        .iter()
        .map(|(name, value)| (&**name, *value))
        .collect();
    Store::open_with(&weed.prefix(), &settings).expect("a store")
}

/// A writer and what it reports.
pub(crate) struct Desk {
    pub(crate) writer: Writer,
    pub(crate) news: Receiver<CheckpointNews>,
}

impl Desk {
    pub(crate) fn new(store: &Store, keep: usize) -> Self {
        Self::of_generation(store, keep, 1)
    }

    pub(crate) fn of_generation(store: &Store, keep: usize, generation: u64) -> Self {
        let (outbox, news) = channel();
        let settings = WriterSettings {
            keep,
            generation,
            back_off: BackOff {
                first: Duration::from_millis(50),
                longest: Duration::from_millis(500),
            },
        };
        let writer = Writer::start(store, settings, move |news| {
            outbox.send(news).ok();
        });
        Self {
            writer: writer.expect("a thread"),
            news,
        }
    }

    /// Commits each of these steps.
    pub(crate) fn commit(&self, steps: impl IntoIterator<Item = u64>) {
        for step in steps {
            self.commit_state(state(step));
        }
    }

    pub(crate) fn commit_state(&self, state: Snapshot) {
        let step = state.step;
        self.writer.offer(state);
        let committed = Some(step);
        assert_eq!(self.writer.flush(PATIENCE), Flushed::All { committed });
    }

    /// The next news, waited for.
    pub(crate) fn next(&self) -> CheckpointNews {
        self.news.recv_timeout(PATIENCE).expect("news")
    }

    /// All news so far.
    pub(crate) fn all_news(&self) -> Vec<CheckpointNews> {
        self.news.try_iter().collect()
    }
}

/// Asserts that the newest checkpoint is exactly the state of `step`.
#[track_caller]
pub(crate) fn assert_newest_is(store: &Store, step: u64) {
    let found = newest(store, Some(&job())).expect("a store that can be read");
    let checkpoint = found.checkpoint.expect("a checkpoint");
    assert_is_state(&checkpoint, &state(step));
}

#[track_caller]
pub(crate) fn assert_is_state(
    checkpoint: &schliff_registry::checkpoint::Checkpoint,
    expected: &Snapshot,
) {
    let manifest = &checkpoint.manifest;
    assert_eq!(
        (manifest.step, &manifest.state),
        (expected.step, &expected.state)
    );
    assert_eq!(checkpoint.parts.len(), expected.parts.len());
    for part in &expected.parts {
        assert!(checkpoint.parts[part.name] == part.bytes, "{}", part.name);
    }
}
