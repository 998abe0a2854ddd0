//! What is brought, over each kind of line, and what an attempt waits for.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use schliff_registry::JobDigest;
use schliff_registry::checkpoint::staging::Note;
use schliff_registry::checkpoint::{Flushed, Part, Snapshot, Writer, WriterSettings, newest};
use schliff_slurm::channel::{Channel, LocalChannel};

use super::*;
use crate::relaying::{FarFolders, Folders};

/// A store, and a cluster's folder of staged checkpoints.
struct Scene {
    base: tempfile::TempDir,
}

fn commit(place: &Path, steps: std::ops::RangeInclusive<u64>) {
    let store = Store::open(&place.display().to_string()).expect("a store");
    let settings = WriterSettings {
        keep: 9,
        generation: 1,
        back_off: Default::default(),
    };
    let writer = Writer::start(&store, settings, |_| {}).expect("a thread");
    for step in steps {
        let bytes: Vec<u8> = (0..700_000_u64)
            .map(|at| ((at * 31 + step) >> 3) as u8)
            .collect();
        writer.offer(Snapshot {
            step,
            job: JobDigest::of(b"job"),
            state: serde_json::json!({}),
            parts: vec![Part {
                name: "adapter",
                bytes: bytes.into(),
            }],
        });
        let committed = Some(step);
        let flushed = writer.flush(Duration::from_secs(60));
        assert_eq!(flushed, Flushed::All { committed });
    }
}

impl Scene {
    fn new() -> Self {
        Self {
            base: tempfile::tempdir().expect("a folder"),
        }
    }

    fn store(&self) -> PathBuf {
        self.base.path().join("store")
    }

    fn stages(&self) -> Folders {
        Folders::new(self.base.path().join("cluster/checkpoints"))
    }

    fn sought(&self, committed: Option<u64>) -> Sought {
        Sought {
            uri: self.store().display().to_string(),
            committed,
        }
    }

    fn bring(&self, committed: Option<u64>) -> Result<Brought, String> {
        self.bring_by(&mut self.stages(), &self.sought(committed))
    }

    fn bring_by(&self, stages: &mut impl Stages, sought: &Sought) -> Result<Brought, String> {
        bring(stages, sought, &Bandwidth::new(None), &|_, _| {})
    }

    /// Where they are staged.
    fn place(&self) -> PathBuf {
        let base = self.base.path().join("cluster/checkpoints");
        staging::folder(&base, &self.sought(None).uri)
    }

    /// The step that a rank there would go on from, every byte of it verified.
    fn resumed(&self) -> Option<u64> {
        let store = Store::open(&self.place().display().to_string()).expect("a store");
        let found = newest(&store, None).expect("a folder");
        assert!(found.skipped.is_empty(), "{:?}", found.skipped);
        found.checkpoint.map(|found| found.manifest.step)
    }
}

#[test]
fn the_newest_is_brought_once() {
    let scene = Scene::new();
    let nothing = scene.bring(None).expect("an answer");
    assert_eq!(nothing, Brought::default());
    commit(&scene.store(), 1..=3);
    let brought = scene.bring(Some(2)).expect("an answer");
    assert_eq!(brought.step, Some(3));
    assert!(brought.bytes > 700_000, "{brought:?}");
    assert_eq!(scene.resumed(), Some(3));
    assert!(!scene.place().join("arriving").exists());
    let again = scene.bring(None).expect("an answer");
    assert_eq!((again.step, again.bytes), (Some(3), 0));
}

#[test]
fn a_line_brings_the_same_bytes() {
    let scene = Scene::new();
    commit(&scene.store(), 1..=2);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let channel: Arc<dyn Channel> = Arc::new(LocalChannel::default());
    let base = scene.base.path().join("cluster/checkpoints");
    let base = base.to_str().expect("UTF-8");
    let mut far = FarFolders::new(channel, base, runtime.handle().clone());
    let heard = Mutex::new(Vec::new());
    let progress = |sent, whole| heard.lock().expect("no panic").push((sent, whole));
    let bandwidth = Bandwidth::new(None);
    let brought = bring(&mut far, &scene.sought(Some(2)), &bandwidth, &progress);
    let brought = brought.expect("an answer");
    assert_eq!(scene.resumed(), Some(2));
    let heard = heard.lock().expect("no panic");
    assert_eq!(heard.last(), Some(&(brought.bytes, brought.bytes)));
    assert!(heard.len() >= 3, "in pieces: {heard:?}");
    // And it is seen that it is there.
    let again = scene.bring_by(&mut far, &scene.sought(Some(2)));
    assert_eq!(again.map(|it| (it.step, it.bytes)), Ok((Some(2), 0)));
}

#[test]
fn what_has_arrived_in_part_is_gone_on_with_and_what_arrived_otherwise_is_sent_anew() {
    let scene = Scene::new();
    commit(&scene.store(), 1..=1);
    let parts = scene.store().join("parts");
    let part = std::fs::read_dir(parts).expect("parts").flatten().next();
    let part = part.expect("a part").path();
    let arriving = scene.place().join("arriving");
    let arriving = arriving.join(part.file_name().expect("a name"));
    std::fs::create_dir_all(arriving.parent().expect("a folder")).expect("a disk");
    let whole = std::fs::read(&part).expect("a part");
    std::fs::write(&arriving, vec![7; 1_000]).expect("a disk");
    let error = scene.bring(None).expect_err("it is damaged");
    assert!(error.contains("sent anew"), "{error}");
    assert_eq!(scene.resumed(), None);
    std::fs::write(&arriving, &whole[..600_000]).expect("a disk");
    let brought = scene.bring(None).expect("an answer");
    assert!(brought.bytes < 150_000, "{brought:?}");
    assert_eq!(scene.resumed(), Some(1));
}

#[test]
fn an_attempt_waits_for_what_is_known_to_be_committed() {
    let scene = Scene::new();
    commit(&scene.store(), 1..=3);
    let error = scene.bring(Some(5)).expect_err("it is not there");
    assert!(error.contains("step 5"), "{error}");
    assert!(error.contains("step 3"), "{error}");
    // A damaged one is none.
    let manifest = scene.store().join("manifests/0000000003.json");
    std::fs::write(manifest, "{}").expect("a disk");
    std::fs::remove_dir_all(scene.place()).expect("a disk");
    let error = scene.bring(Some(3)).expect_err("it is damaged");
    assert!(
        error.contains("newest that can be had is step 2"),
        "{error}"
    );
    assert_eq!(scene.bring(Some(2)).map(|it| it.step), Ok(Some(2)));
}

#[test]
fn a_store_that_cannot_be_asked_holds_up_what_was_never_there() {
    let scene = Scene::new();
    let sought = |committed| Sought {
        uri: "ftp://nowhere".to_owned(),
        committed,
    };
    let place = staging::folder(
        &scene.base.path().join("cluster/checkpoints"),
        "ftp://nowhere",
    );
    let bring = |committed| scene.bring_by(&mut scene.stages(), &sought(committed));
    for committed in [None, Some(1)] {
        let error = bring(committed).expect_err("it cannot be asked");
        assert!(error.contains("ftp://"), "{error}");
    }
    // Somebody has been there.
    let note = Note {
        uri: "ftp://nowhere".into(),
        keep: 3,
    };
    note.leave(&place).expect("a disk");
    let brought = bring(None).expect("an answer");
    assert_eq!((brought.step, brought.unasked.is_some()), (None, true));
    bring(Some(1)).expect_err("a step is known");
    commit(&place, 1..=1);
    let brought = bring(Some(1)).expect("it is there");
    assert_eq!((brought.step, brought.unasked), (Some(1), None));
}
