//! Checkpoints on their way from their store to shared storage.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schliff_registry::Sha256;
use schliff_registry::Store;
use schliff_registry::checkpoint::fetch::{Fetched, Landing, fetch, staged};
use schliff_registry::checkpoint::ship::{Bytes, Pace, Stage, StageError};
use schliff_tests::weed::Weed;

use crate::desk::{Desk, job, state, state_of, store_of};

/// Shared storage in memory, of which so many calls succeed.
#[derive(Debug, Default)]
struct Shelf {
    placed: BTreeMap<String, Vec<u8>>,
    arriving: BTreeMap<String, Vec<u8>>,
    /// Calls that write, until one fails, after or before it had its effect.
    left: Option<usize>,
    /// Bytes that came.
    came: usize,
}

impl Shelf {
    fn lives(&mut self) -> Result<(), StageError> {
        let Some(left) = &mut self.left else {
            return Ok(());
        };
        *left = left.saturating_sub(1);
        match *left {
            0 => Err(StageError {
                operation: "write",
                place: "a shelf".into(),
                why: "it broke".into(),
            }),
            _ => Ok(()),
        }
    }
}

impl Stage for Shelf {
    fn manifests(&mut self) -> Result<Vec<String>, StageError> {
        let keys = self.placed.keys();
        let manifests = keys.filter(|key| key.starts_with("manifests/"));
        Ok(manifests.cloned().collect())
    }

    fn read(&mut self, key: &str) -> Result<Option<Bytes>, StageError> {
        Ok(self.placed.get(key).cloned().map(Bytes::from))
    }
}

impl Landing for Shelf {
    fn sizes(&mut self, keys: &[&str]) -> Result<Vec<Option<u64>>, StageError> {
        let size = |key: &&str| self.placed.get(*key).map(|it| it.len() as u64);
        Ok(keys.iter().map(size).collect())
    }

    fn arrived(&mut self, key: &str) -> Result<u64, StageError> {
        Ok(self.arriving.get(key).map_or(0, |it| it.len() as u64))
    }

    fn add(&mut self, key: &str, from: u64, piece: &[u8]) -> Result<(), StageError> {
        self.lives()?;
        let held = self.arriving.entry(key.to_owned()).or_default();
        held.truncate(usize::try_from(from).expect("a size"));
        held.extend_from_slice(piece);
        self.came += piece.len();
        self.lives()
    }

    fn settle(&mut self, key: &str, sha256: &Sha256) -> Result<bool, StageError> {
        self.lives()?;
        let arrived = self.arriving.remove(key).unwrap_or_default();
        let is_it = Sha256::of(&arrived) == *sha256;
        if is_it {
            self.placed.insert(key.to_owned(), arrived);
        }
        self.lives()?;
        Ok(is_it)
    }

    fn clear(&mut self) -> Result<(), StageError> {
        self.arriving.clear();
        Ok(())
    }
}

fn at_once() -> Pace {
    Arc::new(|_| Duration::ZERO)
}

fn brought(store: &Store, shelf: &mut Shelf) -> Fetched {
    fetch(store, shelf, &at_once(), &|_, _| {}).expect("a store")
}

/// The step that is whole there.
fn whole(shelf: &mut Shelf) -> Option<u64> {
    let found = staged(shelf).expect("a shelf");
    found.get(&job()).copied()
}

fn brings_the_newest(store: &Store) {
    let mut shelf = Shelf::default();
    assert_eq!(brought(store, &mut shelf), Fetched::default());
    let desk = Desk::new(store, 3);
    desk.commit(1..=3);
    assert_eq!(brought(store, &mut shelf).steps, [3]);
    assert_eq!(whole(&mut shelf), Some(3));
    assert_eq!(brought(store, &mut shelf), Fetched::default());
    desk.commit_state(state_of(4, 3 << 20));
    let fetched = brought(store, &mut shelf);
    assert_eq!(fetched.steps, [4]);
    assert!(fetched.bytes > 9 << 20, "{fetched:?}");
    assert_eq!(whole(&mut shelf), Some(4));
}

#[test]
fn the_newest_is_brought_and_what_is_there_is_left() {
    brings_the_newest(&Store::open("memory:").expect("a store"));
}

#[test]
fn an_s3_gives_what_it_has() {
    if let Some(weed) = Weed::start() {
        brings_the_newest(&store_of(&weed));
    }
}

#[test]
fn whatever_breaks_off_leaves_whole_checkpoints_and_is_gone_on_with() {
    let store = Store::open("memory:").expect("a store");
    Desk::new(&store, 3).commit_state(state_of(7, 700_000));
    let all = 3 * 700_000;
    let mut points = 0;
    for point in 1.. {
        let mut shelf = Shelf {
            left: Some(point),
            ..Shelf::default()
        };
        let first = fetch(&store, &mut shelf, &at_once(), &|_, _| {});
        shelf.left = None;
        let before = whole(&mut shelf);
        let is_whole = first.is_ok();
        assert!(!is_whole || before == Some(7), "point {point}");
        brought(&store, &mut shelf);
        assert_eq!(whole(&mut shelf), Some(7), "point {point}");
        // The manifest and nothing else may come twice.
        assert!(
            shelf.came < all + 10_000,
            "point {point}: {} bytes",
            shelf.came
        );
        if is_whole {
            break;
        }
        points += 1;
    }
    assert!(points >= 12, "{points} points");
}

#[test]
fn what_is_damaged_in_the_store_is_passed_over_for_the_one_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&folder.path().display().to_string()).expect("a store");
    Desk::new(&store, 3).commit(1..=3);
    let parts = std::fs::read_dir(folder.path().join("parts")).expect("parts");
    for part in parts.flatten() {
        let name = part.file_name().to_string_lossy().into_owned();
        if name.contains("-0000000003-adapter-") {
            std::fs::write(part.path(), vec![7; 30_000]).expect("a disk");
        }
    }
    let mut shelf = Shelf::default();
    let fetched = brought(&store, &mut shelf);
    assert_eq!(fetched.steps, [2]);
    assert!(
        fetched.passed[0].contains("not what its digest says"),
        "{fetched:?}"
    );
    assert_eq!(whole(&mut shelf), Some(2));
}

#[test]
fn another_jobs_checkpoint_of_that_step_is_left_alone() {
    let (store, other) = (
        Store::open("memory:").expect("a store"),
        Store::open("memory:").expect("a store"),
    );
    Desk::new(&store, 3).commit(2..=2);
    let mut theirs = state(2);
    theirs.job = schliff_registry::JobDigest::of(b"another");
    Desk::new(&other, 3).commit_state(theirs);
    let mut shelf = Shelf::default();
    assert_eq!(brought(&other, &mut shelf).steps, [2]);
    let fetched = brought(&store, &mut shelf);
    assert_eq!(fetched.steps, [0_u64; 0]);
    assert!(
        fetched.passed[0].contains("another checkpoint"),
        "{fetched:?}"
    );
}

#[test]
fn each_byte_is_paid_for_and_told_of() {
    let store = Store::open("memory:").expect("a store");
    Desk::new(&store, 1).commit_state(state_of(1, 1 << 20));
    let paid = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let counted = Arc::clone(&paid);
    let pace: Pace = Arc::new(move |bytes| {
        counted.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
        Duration::from_micros(100)
    });
    let told = std::cell::Cell::new((0, 0));
    let progress = |sent, whole| told.set((sent, whole));
    let mut shelf = Shelf::default();
    let fetched = fetch(&store, &mut shelf, &pace, &progress).expect("a store");
    let paid = paid.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(paid, fetched.bytes);
    assert_eq!(told.get(), (paid, paid));
}
