//! The scripts in a real shell, against what the same questions give on this machine.

use std::path::Path;
use std::sync::Arc;

use schliff_agent::relay::folder::Folder;
use schliff_agent::report::{LastWord, Options, Reporter, To};
use schliff_registry::checkpoint::staging::Note;
use schliff_slurm::channel::LocalChannel;
use schliff_spec::exit::ExitCode;

use super::*;
use crate::relaying::{Folders, Stages};

/// What an agent leaves in its folder.
fn attempt(folder: &Path, key: &str) {
    let reporter = Reporter::start(Options {
        to: To::Spool(folder.join(key).join("spool")),
        key: key.parse().expect("a key"),
        node: 0,
        node_name: "n 0".into(),
        nodes: 1,
        ranks: 1,
        patience: std::time::Duration::from_secs(20),
    });
    let told = reporter
        .expect("a reporter")
        .end(Some(LastWord::of(ExitCode::Ok)));
    assert!(told.is_empty(), "{told:?}");
    std::fs::write(folder.join(key).join("token"), "secret\n").expect("a disk");
}

fn runtime() -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime")
}

#[test]
fn a_line_gives_what_is_there_to_the_byte() {
    let base = tempfile::tempdir().expect("a folder");
    let folder = base.path().join("it's a \"folder\"");
    let channel: Arc<dyn Channel> = Arc::new(LocalChannel::default());
    let mut line = Line::new(channel, folder.to_str().expect("UTF-8"));
    let runtime = runtime();
    let listed = runtime.block_on(line.list()).expect("a list");
    assert!(listed.is_empty(), "the folder is not there yet");
    std::fs::create_dir_all(&folder).expect("a disk");
    let listed = runtime.block_on(line.list()).expect("a list");
    assert!(listed.is_empty(), "nothing is in it yet");
    attempt(&folder, "schliff-7-2");
    attempt(&folder, "schliff-8-1");
    std::fs::write(folder.join("schliff-7-2/spool/notes.txt"), "").expect("a disk");
    let mut here = Folder::new(folder.clone());
    let listed = runtime.block_on(line.list()).expect("a list");
    assert_eq!(listed, runtime.block_on(here.list()).expect("a list"));
    assert_eq!(listed.len(), 2);
    let want = |at: usize, from: u64, most: u64| Want {
        file: listed[at].file,
        from,
        most,
    };
    let wants = [
        want(0, 0, 1 << 20),
        want(1, 0, 7),
        want(0, 30, 10),
        want(1, 1 << 40, 5),
    ];
    let read = runtime.block_on(line.read(&wants)).expect("an answer");
    assert_eq!(
        read,
        runtime.block_on(here.read(&wants)).expect("an answer")
    );
    assert!(
        read[0].bytes.len() > 50 && read[1].bytes.len() == 7,
        "{read:?}"
    );
    let marks = [(listed[0].file, 5), (listed[1].file, u64::MAX)];
    runtime.block_on(line.mark(&marks)).expect("marks");
    let read = runtime.block_on(line.read(&wants[..2])).expect("an answer");
    assert_eq!((read[0].taken, read[1].taken), (Some(5), Some(u64::MAX)));
    let key = listed[0].file.key;
    let token = runtime.block_on(line.token(key)).expect("an answer");
    assert_eq!(token.as_deref(), Some("secret\n"));
    std::fs::remove_dir_all(folder.join("schliff-7-2")).expect("a disk");
    assert_eq!(runtime.block_on(line.token(key)).expect("an answer"), None);
    runtime
        .block_on(line.mark(&marks))
        .expect("what is gone needs no mark");
    let read = runtime.block_on(line.read(&wants[..2])).expect("an answer");
    assert_eq!(read.len(), 1, "what is gone is left out");
}

#[test]
fn staged_checkpoints_are_seen_to_the_byte() {
    let base = tempfile::tempdir().expect("a folder");
    let runtime = runtime();
    let channel: Arc<dyn Channel> = Arc::new(LocalChannel::default());
    let text = base.path().to_str().expect("UTF-8");
    let mut far = FarFolders::new(channel, text, runtime.handle().clone());
    assert!(far.notes().expect("notes").is_empty());
    let note = Note {
        uri: "s3://b/p".into(),
        keep: 1,
    };
    note.leave(&base.path().join("one")).expect("a disk");
    let large: Vec<u8> = (0..3_000_000_u32)
        .map(|at| ((at * 31) >> 3) as u8)
        .collect();
    for (path, bytes) in [
        ("parts/large", &large[..]),
        ("manifests/1.json", b"{}"),
        ("parts/empty", b""),
    ] {
        let path = base.path().join("one").join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a disk");
        std::fs::write(path, bytes).expect("a disk");
    }
    let mut here = Folders::new(base.path().to_owned());
    assert_eq!(far.notes().expect("notes"), here.notes().expect("notes"));
    let mut stage = far.stage("one");
    assert_eq!(stage.manifests().expect("names"), ["manifests/1.json"]);
    assert!(
        stage
            .read("parts/large")
            .expect("bytes")
            .is_some_and(|it| it == large)
    );
    assert!(
        stage
            .read("parts/empty")
            .expect("bytes")
            .is_some_and(|it| it.is_empty())
    );
    assert_eq!(stage.read("parts/gone").expect("no bytes"), None);
}
