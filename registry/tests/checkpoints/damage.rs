//! Whatever happens to an object, no wrong checkpoint is ever given.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use schliff_registry::Store;
use schliff_registry::checkpoint::{Flushed, Verdict, list, newest};

use crate::desk::{Desk, PATIENCE, assert_is_state, assert_newest_is, job, state_of};

const STEPS: std::ops::RangeInclusive<u64> = 1..=3;
const BYTES: usize = 300;

/// What happens to a file.
#[derive(Clone, Debug)]
enum Damage {
    Flip { at: prop::sample::Index, bit: u8 },
    Cut { to: prop::sample::Index },
    Grow,
    Remove,
}

fn damages() -> impl Strategy<Value = Damage> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        4 => (index(), 0_u8..8).prop_map(|(at, bit)| Damage::Flip { at, bit }),
        3 => index().prop_map(|to| Damage::Cut { to }),
        1 => Just(Damage::Grow),
        1 => Just(Damage::Remove),
    ]
}

/// Files of a folder store, by name.
fn files(store: &Path) -> Vec<PathBuf> {
    let folders = ["manifests", "parts"].map(|name| store.join(name));
    let mut files: Vec<_> = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).expect("a folder"))
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
}

/// The step in a file's name.
fn step_of(file: &Path) -> u64 {
    let name = file
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    let field = name.split(['-', '.']).find(|field| field.len() == 10);
    field.expect("a step").parse().expect("a number")
}

fn damage(file: &Path, how: &Damage) {
    let mut bytes = std::fs::read(file).expect("bytes");
    match how {
        Damage::Flip { at, bit } => {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        Damage::Cut { to } => bytes.truncate(to.index(bytes.len())),
        Damage::Grow => bytes.push(0),
        Damage::Remove => return std::fs::remove_file(file).expect("removed"),
    }
    std::fs::write(file, bytes).expect("written");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_damage_is_seen_and_the_one_before_is_taken(
        hits in prop::collection::vec((any::<prop::sample::Index>(), damages()), 1..3),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().display().to_string()).expect("a store");
        let desk = Desk::new(&store, 9);
        STEPS.for_each(|step| desk.commit_state(state_of(step, BYTES)));
        let files = files(folder.path());
        // The same bit twice would be no damage.
        let mut hit = std::collections::BTreeMap::new();
        for (which, how) in &hits {
            hit.entry(which.index(files.len())).or_insert(how);
        }
        for (which, how) in &hit {
            damage(&files[*which], how);
        }
        let bad: Vec<_> = hit.keys().map(|which| step_of(&files[*which])).collect();
        let expected = STEPS.rev().find(|step| !bad.contains(step));
        let found = newest(&store, Some(&job())).expect("a store that can be read");
        prop_assert_eq!(found.checkpoint.as_ref().map(|good| good.manifest.step), expected);
        if let Some(good) = &found.checkpoint {
            assert_is_state(good, &state_of(good.manifest.step, BYTES));
        }
        for line in list(&store, true).expect("a list") {
            prop_assert_eq!(line.verdict == Verdict::Good, !bad.contains(&line.step), "{:?}", line);
        }
        // A run that goes on commits the damaged steps again.
        for step in STEPS {
            let committed = Some(step);
            desk.writer.offer(state_of(step, BYTES));
            desk.writer.flush(PATIENCE);
            let healed = newest(&store, Some(&job())).expect("a store that can be read");
            prop_assert!(healed.checkpoint.is_some_and(|good| Some(good.manifest.step) >= committed));
        }
    }
}

#[test]
fn the_newest_good_one_stays_when_newer_ones_are_damaged() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&folder.path().display().to_string()).expect("a store");
    Desk::new(&store, 9).commit(1..=4);
    for file in files(folder.path()) {
        if step_of(&file) > 2 {
            damage(&file, &Damage::Grow);
        }
    }
    // A new attempt goes on from step 2 and keeps only one: damaged ones do not count.
    let second = Desk::of_generation(&store, 1, 2);
    second.commit([3]);
    drop(second);
    assert_newest_is(&store, 3);
    let steps: Vec<_> = list(&store, true).expect("a list");
    let good: Vec<_> = steps.iter().filter(|line| line.verdict.is_good()).collect();
    assert_eq!(good.iter().map(|line| line.step).collect::<Vec<_>>(), [3]);
}

#[test]
fn what_a_killed_run_left_is_removed_and_what_is_not_ours_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&folder.path().display().to_string()).expect("a store");
    Desk::new(&store, 9).commit(1..=2);
    let manifest = files(folder.path())
        .into_iter()
        .find(|file| step_of(file) == 1);
    std::fs::remove_file(manifest.expect("a manifest")).expect("removed");
    let strangers = ["parts/notes.txt", "manifests/notes.json", "notes"];
    for name in strangers {
        std::fs::write(folder.path().join(name), "mine").expect("written");
    }
    let second = Desk::of_generation(&store, 1, 2);
    second.commit([3]);
    drop(second);
    for name in strangers {
        std::fs::remove_file(folder.path().join(name)).expect("still there");
    }
    let steps: Vec<_> = files(folder.path())
        .iter()
        .map(|file| step_of(file))
        .collect();
    assert_eq!(steps, [3, 3, 3], "a manifest and two parts");
}

#[test]
fn a_flush_of_nothing_is_done() {
    let store = Store::open("memory:").expect("a store");
    let flushed = Desk::new(&store, 1).writer.flush(PATIENCE);
    assert_eq!(flushed, Flushed::All { committed: None });
}
