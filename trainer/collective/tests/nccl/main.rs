//! Groups over the real NCCL, in processes. Needs the feature `nccl`; `SCHLIFF_TEST_NCCL` names the
//! library (`make test-nccl` fetches it).
#![cfg(feature = "nccl")]

#[path = "../tcp/group.rs"]
#[allow(dead_code, reason = "groups of threads are of the other tests")]
mod group;
mod process;

use std::path::PathBuf;

use process::{Ended, Rank, run};

/// The library, where the tests were given one.
fn library() -> Option<PathBuf> {
    let named = std::env::var_os("SCHLIFF_TEST_NCCL").filter(|name| !name.is_empty());
    if named.is_none() {
        eprintln!("skipped: SCHLIFF_TEST_NCCL names no libnccl.so.2; make test-nccl does");
    }
    named.map(PathBuf::from)
}

/// Ranks for tests that need a GPU for each: the most that a tree can have.
fn gpus() -> Option<usize> {
    let found = std::fs::read_dir("/proc/driver/nvidia/gpus").map_or(0, Iterator::count);
    let ranks = (1..=3)
        .map(|power| 1 << power)
        .filter(|ranks| *ranks <= found)
        .max();
    if ranks.is_none() {
        eprintln!("skipped: two GPUs are needed, and this machine has {found}");
    }
    ranks
}

/// What a rank said after a word.
fn after<'a>(ended: &'a Ended, word: &str) -> &'a str {
    let said = ended
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix(word));
    said.unwrap_or_else(|| panic!("no `{word}` in {ended:?}"))
        .trim()
}

#[test]
fn the_id_reaches_every_rank_and_without_a_gpu_nccl_refuses_in_words() {
    let Some(library) = library() else { return };
    let ended = run(2, "rehearse-nccl", |command| {
        command
            .env("SCHLIFF_NCCL_LIBRARY", &library)
            .env("CUDA_VISIBLE_DEVICES", "");
    });
    for rank in &ended {
        assert!(rank.success, "{rank:?}");
        let version = after(rank, "version");
        let major = version.split('.').next();
        assert_eq!(major, Some("2"), "{version}");
        // It may say which of its calls failed; it must not say nothing.
        let refused = after(rank, "refused");
        assert!(
            refused.starts_with("NCCL: starting the group failed: "),
            "{refused}"
        );
    }
    let (first, second) = (after(&ended[0], "id"), after(&ended[1], "id"));
    assert_eq!(first, second);
    assert_eq!(first.len(), 2 * 128);
    assert!(first.chars().any(|digit| digit != '0'), "{first}");
    // Another group, another name.
    let other = run(2, "rehearse-nccl", |command| {
        command
            .env("SCHLIFF_NCCL_LIBRARY", &library)
            .env("CUDA_VISIBLE_DEVICES", "");
    });
    assert_ne!(after(&other[0], "id"), first);
}

#[test]
fn the_name_of_an_installed_library_is_enough() {
    let Some(library) = library() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let installed = folder.path().join("libnccl.so.2");
    std::os::unix::fs::symlink(&library, installed).expect("a link");
    let ended = run(1, "rehearse-nccl", |command| {
        command
            .env_remove("SCHLIFF_NCCL_LIBRARY")
            .env("LD_LIBRARY_PATH", folder.path())
            .env("CUDA_VISIBLE_DEVICES", "");
    });
    assert!(ended[0].success, "{ended:?}");
    assert!(after(&ended[0], "version").starts_with("2."));
}

#[test]
fn ranks_without_a_gpu_are_all_told_and_none_waits_for_another() {
    let Some(library) = library() else { return };
    let ended = run(2, "conformance", |command| {
        command
            .env("SCHLIFF_NCCL_LIBRARY", &library)
            .env("CUDA_VISIBLE_DEVICES", "");
    });
    for rank in ended {
        assert!(!rank.success && rank.stdout.is_empty(), "{rank:?}");
        assert!(rank.stderr.starts_with("error: NCCL: "), "{rank:?}");
        assert!(!rank.stderr.contains("panicked"), "{rank:?}");
    }
}

#[test]
fn a_missing_library_is_told_on_every_rank_with_a_way_out() {
    let ended = run(2, "conformance", |command| {
        command.env("SCHLIFF_NCCL_LIBRARY", "/nowhere/libnccl.so.2");
    });
    for rank in ended {
        assert!(!rank.success, "{rank:?}");
        for words in ["error: NCCL: ", "/nowhere/libnccl.so.2", "--collective tcp"] {
            assert!(rank.stderr.contains(words), "{rank:?}");
        }
        assert!(!rank.stderr.contains("panicked"), "{rank:?}");
    }
}

#[test]
fn a_library_of_one_rank_alone_is_told_to_the_other() {
    let Some(library) = library() else { return };
    let mut missing = false;
    let ended = run(2, "conformance", |command| {
        let named = match missing {
            true => PathBuf::from("/nowhere/libnccl.so.2"),
            false => library.clone(),
        };
        missing = true;
        command.env("SCHLIFF_NCCL_LIBRARY", named);
    });
    assert!(
        ended
            .iter()
            .all(|rank| rank.stderr.contains("error: NCCL: ")),
        "{ended:?}"
    );
}

#[test]
fn groups_of_gpus_conform() {
    let Some(ranks) = gpus() else { return };
    for rank in run(ranks, "conformance", |_| ()) {
        assert!(rank.success, "{rank:?}");
        assert_eq!(rank.stdout, "conforms\n");
    }
    let fast = run(ranks, "in-any-order", |command| {
        command.env("SCHLIFF_NCCL_SUMS", "fast");
    });
    assert!(fast.iter().all(|rank| rank.success), "{fast:?}");
    for script in ["out-of-step", "abort"] {
        let told = run(ranks, script, |_| ());
        assert!(told.iter().all(|rank| rank.success), "{script}: {told:?}");
    }
}

#[test]
fn gpus_of_two_opinions_on_the_order_are_told() {
    let Some(ranks) = gpus() else { return };
    let mut is_first = true;
    let ended = run(ranks, "conformance", |command| {
        let order = if is_first { "fixed" } else { "fast" };
        is_first = false;
        command.env("SCHLIFF_NCCL_SUMS", order);
    });
    assert!(
        ended
            .iter()
            .all(|rank| rank.stderr.contains("SCHLIFF_NCCL_SUMS")),
        "{ended:?}"
    );
}

#[test]
fn a_killed_rank_of_gpus_is_lost_to_all_others() {
    let Some(ranks) = gpus() else { return };
    let mut working = Rank::start_all(ranks, "work", |_| ());
    for rank in &mut working {
        assert_eq!(rank.line(), "sum");
    }
    let mut killed = working.remove(1);
    killed.kill();
    for mut rank in working {
        let told = std::iter::repeat_with(|| rank.line()).find(|line| line != "sum");
        let told = told.expect("a last line");
        assert!(told.starts_with("broken after "), "{told}");
        assert!(
            told.contains("PeerLost") || told.contains("Library"),
            "{told}"
        );
    }
}
