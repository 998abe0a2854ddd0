//! Staged checkpoints on their way to their store.

use std::fmt;
use std::path::Path as FilePath;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use schliff_registry::Store;
use schliff_registry::checkpoint::list;
use schliff_registry::checkpoint::ship::{Pace, Shipped, Shipper};
use schliff_tests::weed::Weed;

use crate::desk::{Desk, assert_newest_is, state, state_of, store_of};

/// A store whose writes fail from a given one on, that one before or after it had its effect.
#[derive(Debug)]
struct Mortal {
    held: Arc<InMemory>,
    /// Writes that are left, twice: before and after the effect.
    left: AtomicUsize,
}

impl fmt::Display for Mortal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("mortal")
    }
}

impl Mortal {
    fn lives(&self) -> Result<()> {
        let left = self.left.load(Ordering::Relaxed).saturating_sub(1);
        self.left.store(left, Ordering::Relaxed);
        let dead = || object_store::Error::Generic {
            store: "mortal",
            source: "it died".into(),
        };
        if left > 0 { Ok(()) } else { Err(dead()) }
    }
}

#[async_trait]
impl ObjectStore for Mortal {
    async fn put_opts(&self, at: &Path, what: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.lives()?;
        let put = self.held.put_opts(at, what, opts).await;
        self.lives()?;
        put
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.lives()?;
        self.held.put_multipart_opts(at, opts).await
    }

    async fn get_opts(&self, at: &Path, opts: GetOptions) -> Result<GetResult> {
        self.held.get_opts(at, opts).await
    }

    fn delete_stream(
        &self,
        which: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.held.delete_stream(which)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.held.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.held.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, opts: CopyOptions) -> Result<()> {
        self.held.copy_opts(from, to, opts).await
    }
}

fn stage(folder: &FilePath) -> Store {
    Store::open(&folder.display().to_string()).expect("a store")
}

fn at_once() -> Pace {
    Arc::new(|_| Duration::ZERO)
}

/// Steps that are shipped until nothing is left.
fn shipped(shipper: &mut Shipper, stage: &mut Store) -> Vec<u64> {
    let next = || shipper.next(stage).expect("a store");
    let each = std::iter::from_fn(next).map(|it| match it {
        Shipped::Committed { step, .. } => step,
        passed @ Shipped::Passed { .. } => panic!("{passed:?}"),
    });
    each.collect()
}

fn steps(store: &Store) -> Vec<u64> {
    let listed = list(store, true).expect("a list");
    assert!(listed.iter().all(|line| line.verdict.is_good()));
    listed.iter().map(|line| line.step).collect()
}

/// The newest first, each once, and as many as are to stay.
fn ships_to(store: &Store) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut stage = stage(folder.path());
    let desk = Desk::new(&stage, 3);
    desk.commit(1..=3);
    let mut shipper = Shipper::new(store.clone(), 2, at_once());
    assert_eq!(shipped(&mut shipper, &mut stage), [3, 2]);
    assert_newest_is(store, 3);
    assert_eq!(shipped(&mut shipper, &mut stage), [0_u64; 0]);
    desk.commit([4]);
    assert_eq!(shipped(&mut shipper, &mut stage), [4]);
    assert_eq!(steps(store), [4, 3]);
    // Another one finds that all is there.
    let mut another = Shipper::new(store.clone(), 2, at_once());
    assert_eq!(shipped(&mut another, &mut stage), [0_u64; 0]);
    desk.commit_state(state_of(5, 10 << 20));
    assert_eq!(shipped(&mut another, &mut stage), [5]);
    assert_eq!(steps(store), [5, 4]);
}

#[test]
fn what_is_staged_reaches_its_store() {
    ships_to(&Store::open("memory:").expect("a store"));
}

#[test]
fn what_is_staged_reaches_an_s3() {
    if let Some(weed) = Weed::start() {
        ships_to(&store_of(&weed));
    }
}

#[test]
fn whoever_dies_at_any_write_leaves_whole_checkpoints_and_is_gone_on_from() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut stage = stage(folder.path());
    Desk::new(&stage, 3).commit(1..=2);
    let mut points = 0;
    for point in 1.. {
        let held = Arc::new(InMemory::new());
        let mortal = |left: usize| {
            let (held, left) = (Arc::clone(&held), AtomicUsize::new(left));
            let objects = Arc::new(Mortal { held, left });
            Store::over(objects, Path::from("prefix"), "mortal:").expect("a store")
        };
        let mut first = Shipper::new(mortal(point), 3, at_once());
        let is_whole = loop {
            match first.next(&mut stage) {
                Ok(Some(_)) => {}
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        let left = mortal(usize::MAX);
        // What is there without a manifest is no checkpoint: the list has whole ones only.
        steps(&left);
        let sent = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&sent);
        let pace: Pace = Arc::new(move |bytes| {
            counted.fetch_add(bytes, Ordering::Relaxed);
            Duration::ZERO
        });
        let mut second = Shipper::new(left.clone(), 3, pace);
        shipped(&mut second, &mut stage);
        assert_eq!(steps(&left), [2, 1], "point {point}");
        let all = 2 * 90_000;
        let sent = sent.load(Ordering::Relaxed);
        assert!(sent <= all, "{sent} bytes");
        if is_whole {
            assert_eq!(sent, 0, "nothing is sent again");
            break;
        }
        points += 1;
    }
    assert!(points >= 12, "{points} points");
}

#[test]
fn what_is_damaged_or_another_runs_is_passed_over_and_told_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut stage = stage(folder.path());
    Desk::new(&stage, 3).commit(1..=3);
    let parts = std::fs::read_dir(folder.path().join("parts")).expect("parts");
    let of_step = |step: u64| format!("-{step:010}-adapter-");
    for part in parts.flatten() {
        if part.file_name().to_string_lossy().contains(&of_step(3)) {
            std::fs::write(part.path(), vec![7; 30_000]).expect("a disk");
        }
    }
    let store = Store::open("memory:").expect("a store");
    let mut other = state(2);
    other.parts[0].bytes = b"other bits".as_slice().into();
    Desk::new(&store, 3).commit_state(other);
    let mut shipper = Shipper::new(store.clone(), 3, at_once());
    let mut told = Vec::new();
    while let Some(next) = shipper.next(&mut stage).expect("a store") {
        told.push(match next {
            Shipped::Committed { step, .. } => format!("{step}"),
            Shipped::Passed { step, why } => format!("{step}: {why}"),
        });
    }
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].contains("3: its part adapter"), "{told:?}");
    assert!(told[1].contains("another content"), "{told:?}");
    assert_eq!(told[2], "1");
}

#[test]
fn each_byte_is_paid_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut stage = stage(folder.path());
    Desk::new(&stage, 1).commit_state(state_of(1, 10 << 20));
    let pieces = Arc::new(Mutex::new(Vec::new()));
    let paid = Arc::clone(&pieces);
    let pace: Pace = Arc::new(move |bytes| {
        paid.lock().expect("no panic").push(bytes);
        Duration::from_millis(1)
    });
    let mut shipper = Shipper::new(Store::open("memory:").expect("a store"), 1, pace);
    assert_eq!(shipped(&mut shipper, &mut stage), [1]);
    let pieces = pieces.lock().expect("no panic");
    assert_eq!(pieces.iter().sum::<u64>(), 30 << 20);
    assert!(pieces.iter().all(|&bytes| bytes <= 8 << 20), "{pieces:?}");
}
