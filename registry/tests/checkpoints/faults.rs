//! Stores that fail, fill up, die and come back, or do not keep their word.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path as FilePath;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use schliff_registry::checkpoint::{Flushed, list, newest};
use schliff_registry::{Conditional, Store};
use schliff_spec::event::CheckpointNews;
use schliff_tests::weed::Weed;

use crate::desk::{Desk, PATIENCE, assert_newest_is, state, store_of};
use crate::suite::conforms;

/// A store that ignores create-only puts, as some S3 servers do.
#[derive(Debug, Default)]
struct Careless(InMemory);

impl fmt::Display for Careless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("careless")
    }
}

#[async_trait]
impl ObjectStore for Careless {
    async fn put_opts(
        &self,
        at: &Path,
        what: PutPayload,
        mut opts: PutOptions,
    ) -> Result<PutResult> {
        opts.mode = PutMode::Overwrite;
        self.0.put_opts(at, what, opts).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(at, opts).await
    }

    async fn get_opts(&self, at: &Path, opts: GetOptions) -> Result<GetResult> {
        self.0.get_opts(at, opts).await
    }

    fn delete_stream(
        &self,
        which: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(which)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, opts: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, opts).await
    }
}

#[test]
fn a_store_without_create_only_puts_is_found_out_and_conforms_all_the_same() {
    let open = || {
        let objects = Arc::new(Careless::default());
        Store::over(objects, Path::from("some/prefix"), "careless:").expect("a store")
    };
    conforms(open, Conditional::Ignored);
    let warning = Conditional::Ignored.warning().expect("a warning");
    assert!(warning.contains("overwrites"), "{warning}");
}

#[test]
fn an_s3_that_dies_loses_nothing_and_is_caught_up_with() {
    let Some(mut weed) = Weed::start() else {
        return;
    };
    let store = store_of(&weed);
    let desk = Desk::new(&store, 100);
    desk.commit(1..=3);
    let mut told: BTreeSet<usize> = committed(&desk.all_news());
    assert_eq!(told, BTreeSet::from([1, 2, 3]));

    weed.kill();
    for step in 4..=20 {
        desk.writer.offer(state(step));
    }
    match desk.next() {
        CheckpointNews::Delayed {
            committed, reason, ..
        } => {
            assert_eq!(committed, Some(3));
            assert!(reason.contains("s3://"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    let Flushed::Missing {
        step,
        committed: safe,
        ..
    } = desk.writer.flush(Duration::from_secs(2))
    else {
        panic!("committed into a dead store");
    };
    assert_eq!((step, safe), (20, Some(3)));
    desk.writer.offer(state(21));
    // To pass over what cannot be read for now would throw away work.
    let unread = newest(&store, None).expect_err("a dead store");
    assert!(
        unread
            .hint()
            .is_some_and(|hint| hint.contains("AWS_ENDPOINT_URL"))
    );

    weed.run();
    let all = Flushed::All {
        committed: Some(21),
    };
    assert_eq!(desk.writer.flush(PATIENCE), all);
    let since = desk.all_news();
    let delays = since
        .iter()
        .filter(|news| matches!(news, CheckpointNews::Delayed { .. }));
    assert_eq!(delays.count(), 0, "told once only: {since:?}");
    told.extend(committed(&since));
    let found: BTreeSet<_> = list(&store, true)
        .expect("a list")
        .iter()
        .filter(|line| line.verdict.is_good())
        .map(|line| line.step as usize)
        .collect();
    assert!(told.is_subset(&found), "told {told:?}, found {found:?}");
    assert_newest_is(&store, 21);
}

fn committed(news: &[CheckpointNews]) -> BTreeSet<usize> {
    let steps = news.iter().filter_map(|news| match news {
        CheckpointNews::Committed { step, .. } => Some(*step),
        _ => None,
    });
    steps.collect()
}

#[test]
fn a_full_disk_loses_nothing_and_is_caught_up_with() {
    let folder = tempfile::tempdir().expect("a folder");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            if has_own_small_disk(folder.path()) {
                fill_and_free(folder.path());
            } else {
                eprintln!("SKIPPED: mounting a small disk needs root");
            }
        });
    });
}

fn fill_and_free(disk: &FilePath) {
    let uri = disk.join("checkpoints");
    let store = Store::open(&uri.display().to_string()).expect("a store");
    let desk = Desk::new(&store, 2);
    desk.commit([1, 2]);
    assert_eq!(committed(&desk.all_news()), BTreeSet::from([1, 2]));
    let ballast = disk.join("ballast");
    let full = std::fs::write(&ballast, vec![0; 2 << 20]);
    assert_eq!(
        full.expect_err("a full disk").kind(),
        std::io::ErrorKind::StorageFull
    );

    desk.writer.offer(state(3));
    let CheckpointNews::Delayed {
        step: 3,
        committed: Some(2),
        reason,
    } = desk.next()
    else {
        panic!("committed onto a full disk");
    };
    assert!(reason.to_lowercase().contains("no space"), "{reason}");
    assert_newest_is(&store, 2);

    std::fs::remove_file(&ballast).expect("removed");
    desk.commit([4]);
    assert_newest_is(&store, 4);
}

/// Mounts a disk of 1 MB on `folder` for this thread and those that it starts, and for nobody else:
/// it is gone with them.
fn has_own_small_disk(folder: &FilePath) -> bool {
    // SAFETY: only this thread's view of the mounts changes, and it holds no place in them.
    if unsafe { libc::unshare(libc::CLONE_NEWNS) } != 0 {
        return false;
    }
    let run = |program: &str, args: &[&str]| {
        let status = Command::new(program).args(args).status();
        status.is_ok_and(|status| status.success())
    };
    let place = folder.display().to_string();
    run("mount", &["--make-rprivate", "/"])
        && run(
            "mount",
            &["-t", "tmpfs", "-o", "size=1m", "schliff-test", &place],
        )
}

#[test]
fn a_folder_that_cannot_be_written_delays_and_is_caught_up_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "in the way").expect("a file");
    let uri = file.join("below").display().to_string();
    let store = Store::open(&uri).expect("a store");
    let desk = Desk::new(&store, 1);
    desk.writer.offer(state(1));
    assert!(matches!(
        desk.next(),
        CheckpointNews::Delayed {
            step: 1,
            committed: None,
            ..
        }
    ));
    std::fs::remove_file(&file).expect("removed");
    let committed = Some(1);
    assert_eq!(desk.writer.flush(PATIENCE), Flushed::All { committed });
    assert_newest_is(&store, 1);
}

#[test]
fn s3_conforms() {
    if let Some(weed) = Weed::start() {
        conforms(|| store_of(&weed), Conditional::Holds);
    }
}
