//! Where checkpoints wait that nodes without a network cannot write to their store.
//!
//! Rules: a folder for each store's address, so that whoever goes on from that address finds them,
//! whatever job it is. In it a note says where they are to go; see [`super::ship`] for the way.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Sha256;

/// Folder of staged checkpoints beside the folders of attempts.
pub const CHECKPOINTS: &str = "checkpoints";
/// The note's name.
pub const NOTE: &str = "ship-to.json";
/// So much of an address's digest is in a folder's name.
const DIGITS: usize = 16;
/// So much of the address itself, for people.
const WORDS: usize = 40;

/// Where staged checkpoints are to go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The address of the store.
    pub uri: String,
    /// Newest checkpoints that stay there.
    pub keep: usize,
}

/// Whether an address needs a network.
pub fn is_remote(uri: &str) -> bool {
    let scheme = uri.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| scheme != "file" && scheme != "memory")
}

/// The folder below `base` in which checkpoints for `uri` wait.
pub fn folder(base: &Path, uri: &str) -> PathBuf {
    base.join(name(uri))
}

/// The name of that folder.
pub fn name(uri: &str) -> String {
    let digest = Sha256::of(uri.as_bytes()).to_string();
    let is_plain = |it: char| it.is_ascii_alphanumeric() || it == '.' || it == '_';
    let words = uri.split(|it| !is_plain(it)).filter(|it| !it.is_empty());
    let words: Vec<_> = words.collect();
    let words: String = words.join("-").chars().take(WORDS).collect();
    format!("{words}-{}", &digest[..DIGITS])
}

impl Note {
    /// Leaves the note in a folder, which is made where it is absent.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn leave(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let path = folder.join(NOTE);
        let text = serde_json::to_string_pretty(self)?;
        if fs::read_to_string(&path).is_ok_and(|found| found == text) {
            return Ok(());
        }
        let fresh = folder.join(format!(".{NOTE}.{}", std::process::id()));
        let mut file = fs::File::create(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, &path)
    }

    /// Reads the text of a note.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_folders_of_their_own() {
        let base = Path::new("/p/checkpoints");
        let one = name("s3://bucket/runs/a 1");
        assert_eq!(one, "s3-bucket-runs-a-1-94fd62ce92d20277");
        assert_eq!(folder(base, "s3://bucket/runs/a 1"), base.join(&one));
        assert_ne!(one, name("s3://bucket/runs/a-1"));
        assert!(name("s3://../..").starts_with("s3-..-..-"));
        assert_eq!(name(&format!("s3://{}", "x".repeat(900))).len(), 57);
    }

    #[test]
    fn only_stores_behind_a_network_are_staged() {
        for uri in ["s3://b/p", "az://c/p", "gs://b"] {
            assert!(is_remote(uri), "{uri}");
        }
        for uri in ["/p/x", "runs/a", "file:///p/x", "memory:"] {
            assert!(!is_remote(uri), "{uri}");
        }
    }

    #[test]
    fn a_note_is_left_and_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("deep/er");
        let mut note = Note {
            uri: "s3://b/p".into(),
            keep: 3,
        };
        for keep in [3, 3, 4] {
            note.keep = keep;
            note.leave(&place).expect("a disk");
            let text = fs::read(place.join(NOTE)).expect("a note");
            assert_eq!(Note::parse(&text).expect("a note"), note);
        }
        assert_eq!(fs::read_dir(&place).expect("a folder").count(), 1);
    }
}
