//! The scripts, as a real shell runs them.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use schliff_slurm::channel::Output;

use super::read::{self, Opened, ReadError};
use super::script::{self, Opening, TextFile};
use super::*;

struct Storage {
    folder: tempfile::TempDir,
    shelf: Shelf,
}

impl Storage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf {
            folder: format!("{}/it's $HOME", folder.path().display()),
            instance: "word".into(),
        };
        Self { folder, shelf }
    }

    fn of(&self, instance: &str) -> Shelf {
        Shelf {
            instance: instance.into(),
            ..self.shelf.clone()
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(self.shelf.place(key())).join(name)
    }

    fn look(&self) -> Facts {
        let output = sh(&script::look(&self.shelf, &[key()]).unwrap());
        read::facts(&output).unwrap().remove(&key()).unwrap()
    }
}

fn key() -> SubmitKey {
    "schliff-42-3".parse().unwrap()
}

pub(super) fn sh(script: &str) -> Output {
    let mut shell = Command::new("sh");
    shell
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = shell.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(script.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    Output {
        code: output.status.code().unwrap(),
        stdout: output.stdout,
        stderr: output.stderr,
    }
}

fn opened(shelf: &Shelf, submit: Option<&str>, is_again: bool) -> Result<Opened, ReadError> {
    let files = [TextFile {
        name: "token".into(),
        text: "it's `secret` $HOME\\\nEND\n".into(),
    }];
    let opening = Opening {
        key: key(),
        files: &files,
        made_at: 1_000,
        mark: "ab12",
        submit,
        is_again,
    };
    read::opened(&sh(&script::open(shelf, &opening).unwrap()))
}

#[test]
fn a_folder_is_made_once_with_its_files_and_its_number() {
    let storage = Storage::new();
    let submit = Some("echo hello >&2; echo Welcome; echo '7;juwels'");
    let Ok(Opened::Made(output)) = opened(&storage.shelf, submit, false) else {
        panic!("made");
    };
    assert_eq!(output.stdout, b"Welcome\n7;juwels\n");
    assert_eq!(
        (output.code, output.stderr.as_slice()),
        (0, &b"hello\n"[..])
    );
    let token = fs::read_to_string(storage.path("token")).unwrap();
    assert_eq!(token, "it's `secret` $HOME\\\nEND\n");
    let mode = fs::metadata(storage.path("token"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    for is_again in [false, true] {
        let again = opened(&storage.shelf, Some("echo 8"), is_again);
        assert_eq!(again, Ok(Opened::Known(JobId(7))));
    }
    let foreign = opened(&storage.of("other"), Some("echo 8"), true);
    assert_eq!(foreign, Ok(Opened::Foreign("word".into())));
    let facts = storage.look();
    assert_eq!(
        (facts.instance.as_str(), facts.made_at),
        ("word", Some(1_000))
    );
    assert_eq!(facts.ids, [JobId(7)]);
    drop(storage.folder);
}

#[test]
fn a_submit_that_was_cut_off_is_unsettled_until_somebody_has_looked() {
    let storage = Storage::new();
    let failed = opened(&storage.shelf, Some("echo busy >&2; exit 3"), false);
    let Ok(Opened::Made(output)) = failed else {
        panic!("{failed:?}");
    };
    assert_eq!((output.code, output.stderr.as_slice()), (3, &b"busy\n"[..]));
    let again = opened(&storage.shelf, Some("echo 8"), false);
    assert_eq!(again, Ok(Opened::Unsettled));
    let looked = opened(&storage.shelf, Some("echo 8"), true);
    assert!(matches!(looked, Ok(Opened::Made(_))), "{looked:?}");
    assert_eq!(storage.look().ids, [JobId(8)]);
}

#[test]
fn what_scripts_and_agents_leave_is_read() {
    let storage = Storage::new();
    let made = opened(&storage.shelf, None, false).unwrap();
    assert!(matches!(made, Opened::Made(_)), "{made:?}");
    for id in [7, 8] {
        let added = sh(&script::add_id(&storage.shelf, key(), JobId(id)).unwrap());
        assert_eq!(read::nothing(&added), Ok(()));
    }
    fs::write(storage.path(STARTS), "7 0 1000\n7 1 1200\n").unwrap();
    fs::write(
        storage.path(LOG),
        "first\nend\nattempt schliff-42-3\nthe last \\n word\n\n",
    )
    .unwrap();
    let stop = sh(&script::mark_stop(&storage.shelf, key(), StopHow::Now).unwrap());
    assert_eq!(read::nothing(&stop), Ok(()));
    let facts = storage.look();
    assert_eq!(facts.ids, [JobId(7), JobId(8)]);
    assert_eq!(
        (facts.starts, facts.stop),
        (vec![JobId(7); 2], Some(StopHow::Now))
    );
    assert_eq!((facts.done, facts.exit), (None, None));
    assert_eq!(facts.last_line, "the last \\n word");
    fs::write(storage.path(DONE), "75\n").unwrap();
    fs::write(storage.path(EXIT), "75\n").unwrap();
    let facts = storage.look();
    assert_eq!((facts.done, facts.exit), (Some(75), Some(75)));
    assert_eq!(facts.last_line, "", "what ended well needs no last line");
    let glances = read::glances(&sh(&script::glance(&storage.shelf).unwrap())).unwrap();
    let glance = Glance {
        key: key(),
        first: Some(JobId(7)),
    };
    assert_eq!(glances, Some(vec![glance]));
}

#[test]
fn a_folder_is_removed_by_its_owner_alone() {
    let storage = Storage::new();
    let nothing = sh(&script::glance(&storage.shelf).unwrap());
    assert_eq!(read::glances(&nothing), Ok(None));
    opened(&storage.shelf, None, false).unwrap();
    for (shelf, is_left) in [(storage.of("other"), true), (storage.shelf.clone(), false)] {
        let removed = sh(&script::remove(&shelf, key()).unwrap());
        assert_eq!(read::nothing(&removed), Ok(()));
        assert_eq!(storage.path(INSTANCE).exists(), is_left);
    }
    // What is not there is neither marked nor removed, and that is fine.
    for script in [
        script::mark_stop(&storage.shelf, key(), StopHow::Gently),
        script::remove(&storage.shelf, key()),
    ] {
        assert_eq!(read::nothing(&sh(&script.unwrap())), Ok(()));
    }
    let look = sh(&script::look(&storage.shelf, &[key()]).unwrap());
    assert_eq!(read::facts(&look).unwrap().len(), 0);
}

#[test]
fn an_answer_that_is_cut_off_is_no_shorter_answer() {
    let cut = |text: &str| Output {
        stdout: text.into(),
        ..Output::default()
    };
    for text in ["", "schliff-42-3 7\n", "schliff-42-3 7\nen", "friend\n"] {
        let told = read::glances(&cut(text));
        assert!(
            matches!(told, Err(ReadError::Garbled(_))),
            "{text:?}: {told:?}"
        );
    }
    let failed = Output {
        code: script::CANNOT,
        stderr: b"mkdir: cannot create directory: Permission denied\n".to_vec(),
        ..Output::default()
    };
    let told = read::opened(&failed).unwrap_err().to_string();
    assert!(told.contains("Permission denied"), "{told}");
}

#[test]
fn names_and_texts_that_are_none_are_refused() {
    let storage = Storage::new();
    for (name, text) in [
        ("a/b", ""),
        ("..", ""),
        ("", ""),
        ("a", "\0"),
        ("a", "x\nEND_m\n"),
    ] {
        let files = [TextFile {
            name: name.into(),
            text: text.into(),
        }];
        let opening = Opening {
            key: key(),
            files: &files,
            made_at: 0,
            mark: "m",
            submit: None,
            is_again: false,
        };
        assert!(
            script::open(&storage.shelf, &opening).is_err(),
            "{name:?} {text:?}"
        );
    }
}
