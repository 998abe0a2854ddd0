//! The scripts, as a real shell runs them.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::slurm::folder::Facts;
use crate::slurm::folder::read;
use crate::slurm::folder::script;
use crate::slurm::folder::tests::sh;
use schliff_scheduler::allocation::StopHow;

struct Storage {
    folder: tempfile::TempDir,
    shelf: Shelf,
    place: Place,
}

fn key() -> SubmitKey {
    "schliff-42-1".parse().unwrap()
}

impl Storage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let submitted = folder.path().join("it's $HOME");
        fs::create_dir(&submitted).unwrap();
        let submitted = submitted.display().to_string();
        Self {
            shelf: Shelf {
                folder: format!("{}/shared", folder.path().display()),
                instance: "word".into(),
            },
            place: Place {
                id: JobId(7),
                out: format!("{submitted}/runs/a b"),
                folder: submitted,
            },
            folder,
        }
    }

    fn of(&self, instance: &str) -> Shelf {
        Shelf {
            instance: instance.into(),
            ..self.shelf.clone()
        }
    }

    fn out(&self, name: &str) -> PathBuf {
        PathBuf::from(&self.place.out).join(name)
    }

    fn attempt(&self, name: &str) -> PathBuf {
        PathBuf::from(self.shelf.place(key())).join(name)
    }

    fn scene(&self) -> Scene {
        scene(&sh(&look(&self.place).unwrap())).unwrap()
    }

    fn claim(&self, shelf: &Shelf) -> Result<Claimed, ReadError> {
        let files = [TextFile {
            name: "token".into(),
            text: "secret\n".into(),
        }];
        let this = Claim {
            key: key(),
            place: &self.place,
            files: &files,
            made_at: 1_000,
            mark: "ab12",
        };
        claimed(&sh(&claim(shelf, &this).unwrap()))
    }

    fn facts(&self) -> Facts {
        let output = sh(&script::look(&self.shelf, &[key()]).unwrap());
        read::facts(&output).unwrap().remove(&key()).unwrap()
    }
}

#[test]
fn a_look_tells_what_is_there_and_changes_nothing() {
    let storage = Storage::new();
    let seen = storage.scene();
    let nothing = Scene {
        is_visible: true,
        ..Scene::default()
    };
    assert_eq!(seen, nothing);
    assert!(!storage.out("").exists());
    fs::create_dir_all(storage.out("")).unwrap();
    fs::write(storage.out("job.toml"), "name = \"a\"\nend\n").unwrap();
    fs::write(storage.out("starts"), "70 0 1\n").unwrap();
    assert_eq!(storage.scene().document, None, "of another job");
    fs::write(storage.out("starts"), "70 0 1\n7 0 2\n").unwrap();
    assert_eq!(
        storage.scene().document.as_deref(),
        Some("name = \"a\"\nend\n")
    );
    fs::write(storage.out("done"), "0\n").unwrap();
    assert!(storage.scene().is_done);
    let nowhere = Place {
        folder: "/no/such/folder".into(),
        ..storage.place.clone()
    };
    let seen = scene(&sh(&look(&nowhere).unwrap())).unwrap();
    assert_eq!(seen, Scene::default());
}

#[test]
fn one_of_several_claims_it_and_any_number_of_times() {
    let storage = Storage::new();
    for _ in 0..2 {
        assert_eq!(storage.claim(&storage.shelf), Ok(Claimed::Ours));
    }
    let adopted = fs::read_to_string(storage.out("adopted")).unwrap();
    assert_eq!(adopted, "word schliff-42-1\n7\n");
    let who = ("word".to_owned(), "schliff-42-1".to_owned());
    assert_eq!(storage.scene().adopted, Some(who));
    // Of another coordinator with a folder of its own.
    let other = Shelf {
        folder: format!("{}/other", storage.folder.path().display()),
        instance: "else".into(),
    };
    let theirs = Claimed::Theirs("word schliff-42-1".into());
    assert_eq!(storage.claim(&other), Ok(theirs));
    let shared = storage.claim(&storage.of("else"));
    assert_eq!(shared, Ok(Claimed::Theirs("word".into())));
    assert_eq!(fs::read_to_string(storage.out("adopted")).unwrap(), adopted);
    let names = fs::read_dir(storage.out("")).unwrap();
    assert_eq!(names.count(), 1, "nothing is left besides");
}

#[test]
fn what_was_adopted_is_read_and_stopped_where_it_is() {
    let storage = Storage::new();
    storage.claim(&storage.shelf).unwrap();
    let glances = read::glances(&sh(&script::glance(&storage.shelf).unwrap()));
    assert_eq!(
        glances.unwrap().unwrap()[0].first,
        None,
        "not ours to list yet"
    );
    for _ in 0..2 {
        let noted = sh(&note(&storage.shelf, key(), JobId(7)).unwrap());
        assert_eq!(nothing(&noted), Ok(()));
    }
    fs::write(storage.out("starts"), "6 0 1\n7 0 1000\n").unwrap();
    fs::write(storage.out("exit"), "75\n").unwrap();
    fs::write(
        format!("{}/schliff-7.log", storage.place.folder),
        "oh\nno\n",
    )
    .unwrap();
    let facts = storage.facts();
    assert_eq!(
        (facts.instance.as_str(), facts.ids),
        ("word", vec![JobId(7)])
    );
    assert_eq!((facts.exit, facts.done), (Some(75), None));
    assert_eq!(facts.starts, [JobId(6), JobId(7)]);
    assert_eq!(facts.last_line, "no");
    let stop = sh(&script::mark_stop(&storage.shelf, key(), StopHow::Gently).unwrap());
    assert_eq!(nothing(&stop), Ok(()));
    assert_eq!(fs::read_to_string(storage.out("stop")).unwrap(), "gently\n");
    assert_eq!(storage.facts().stop, Some(StopHow::Gently));
}

#[test]
fn forgetting_it_leaves_what_is_the_users() {
    let storage = Storage::new();
    storage.claim(&storage.shelf).unwrap();
    fs::create_dir(storage.out("spool")).unwrap();
    fs::write(storage.out("spool/x"), "x").unwrap();
    assert!(storage.attempt("spool/x").exists(), "by its link");
    sh(&script::mark_stop(&storage.shelf, key(), StopHow::Now).unwrap());
    let removed = sh(&script::remove(&storage.shelf, key()).unwrap());
    assert_eq!(nothing(&removed), Ok(()));
    assert!(!storage.attempt("").exists());
    assert!(storage.out("spool/x").exists());
    assert!(storage.out("adopted").exists() && !storage.out("stop").exists());
}

#[test]
fn a_claim_is_taken_back_by_whoever_made_it() {
    let storage = Storage::new();
    storage.claim(&storage.shelf).unwrap();
    let take_back = |shelf: &Shelf| sh(&unclaim(shelf, key(), &storage.place).unwrap());
    assert_eq!(nothing(&take_back(&storage.of("else"))), Ok(()));
    assert!(storage.out("adopted").exists() && storage.attempt("token").exists());
    for _ in 0..2 {
        assert_eq!(nothing(&take_back(&storage.shelf)), Ok(()));
        assert!(!storage.out("adopted").exists() && !storage.attempt("").exists());
    }
    assert!(storage.out("").exists());
}

#[test]
fn an_answer_that_is_cut_off_is_none() {
    let cut = |text: &str| Output {
        stdout: text.into(),
        ..Output::default()
    };
    for text in ["", "visible\n", "visible\ndocument\nname = 1\nen"] {
        assert!(scene(&cut(text)).is_err(), "{text:?}");
    }
    for text in ["", "our", "friend 7"] {
        assert!(claimed(&cut(text)).is_err(), "{text:?}");
    }
}
