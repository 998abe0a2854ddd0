//! The folder in which a coordinator keeps its state, and what its clients find there.
//!
//! Rules: `$SCHLIFF_STATE`, else `$XDG_STATE_HOME/schliff`, else `~/.local/state/schliff`. In it,
//! `coordinator.json` says where the coordinator of this machine listens, and `token` is what it
//! wants to be shown. A token that everybody on the machine could read is no secret and is refused.
//! Absent on purpose: the journal, which only the coordinator opens.

use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest token; real ones are far shorter.
const LONGEST_TOKEN_BYTES: u64 = 4096;
/// Longest `coordinator.json`.
const LONGEST_NOTE_BYTES: u64 = 64 << 10;

/// The folder; it need not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StateFolder(PathBuf);

/// Where the coordinator of this machine listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Running {
    /// Such as `http://127.0.0.1:7411`.
    pub(crate) url: String,
    /// Its process.
    pub(crate) pid: u32,
}

/// What is wrong with the state folder.
#[derive(Debug, Error)]
pub(crate) enum StateError {
    /// No variable says where it is.
    #[error(
        "cannot tell where the state folder is: SCHLIFF_STATE, XDG_STATE_HOME and HOME are unset"
    )]
    NoHome,
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// `coordinator.json` is something else.
    #[error("{} does not say where a coordinator listens", path.display())]
    Note {
        /// Where it is.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// Others can read or write the token.
    #[error("{} can be read by everybody on this machine (mode {mode:03o})", path.display())]
    Open {
        /// Where it is.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The token's file holds no token.
    #[error("{} holds no token: one line of visible characters is expected", path.display())]
    NoToken {
        /// Where it is.
        path: PathBuf,
    },
}

impl StateFolder {
    /// The folder at a path that somebody named.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// The folder that this process's environment names.
    pub(crate) fn of_environment() -> Result<Self, StateError> {
        Self::find(|name| std::env::var_os(name))
    }

    /// As [`Self::of_environment`], in another environment. An empty variable counts as unset, and
    /// so does a relative `XDG_STATE_HOME`, as its specification demands.
    fn find(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, StateError> {
        let set = |name| {
            variable(name)
                .filter(|it| !it.is_empty())
                .map(PathBuf::from)
        };
        let of_xdg = || set("XDG_STATE_HOME").filter(|path| path.is_absolute());
        let of_home = || set("HOME").map(|home| home.join(".local/state"));
        let base = || of_xdg().or_else(of_home).map(|base| base.join("schliff"));
        let folder = set("SCHLIFF_STATE").or_else(base);
        folder.map(Self).ok_or(StateError::NoHome)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The file with the token of this machine's user.
    pub(crate) fn token_file(&self) -> PathBuf {
        self.0.join("token")
    }

    /// The file that says where the coordinator listens.
    pub(crate) fn note_file(&self) -> PathBuf {
        self.0.join("coordinator.json")
    }

    /// Where the coordinator of this machine listens; `None` where none was started.
    pub(crate) fn running(&self) -> Result<Option<Running>, StateError> {
        let path = self.note_file();
        let Some(text) = read_if_there(&path, LONGEST_NOTE_BYTES)? else {
            return Ok(None);
        };
        match serde_json::from_str(&text) {
            Ok(running) => Ok(Some(running)),
            Err(source) => Err(StateError::Note { path, source }),
        }
    }

    /// Tells clients where the coordinator listens; they see the old note or the new one, never half.
    pub(crate) fn announce(&self, running: &Running) -> Result<(), StateError> {
        let path = self.note_file();
        let draft = self.0.join(format!("coordinator.json.{}", running.pid));
        let written = serde_json::to_vec(running)
            .map_err(std::io::Error::from)
            .and_then(|note| {
                let mut options = std::fs::OpenOptions::new();
                let mut file = options
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .mode(0o600)
                    .open(&draft)?;
                file.write_all(&note)?;
                file.sync_all()?;
                std::fs::rename(&draft, &path)
            });
        written.map_err(|source| StateError::Write { path, source })
    }
}

/// The token in a file; `None` where there is no such file.
pub(crate) fn token(path: &Path) -> Result<Option<String>, StateError> {
    let Some(text) = read_if_there(path, LONGEST_TOKEN_BYTES)? else {
        return Ok(None);
    };
    let unreadable = |source| StateError::Read {
        path: path.to_owned(),
        source,
    };
    let mode = std::fs::metadata(path).map_err(unreadable)?.mode() & 0o777;
    if mode & 0o007 != 0 {
        let path = path.to_owned();
        return Err(StateError::Open { path, mode });
    }
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let path = path.to_owned();
        return Err(StateError::NoToken { path });
    }
    Ok(Some(token.to_owned()))
}

fn read_if_there(path: &Path, most_bytes: u64) -> Result<Option<String>, StateError> {
    let read = || {
        let file = std::fs::File::open(path)?;
        if file.metadata()?.len() > most_bytes {
            return Err(std::io::Error::new(
                ErrorKind::FileTooLarge,
                "it is too large",
            ));
        }
        std::io::read_to_string(file)
    };
    match read() {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StateError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn found(variables: &[(&str, &str)]) -> Option<PathBuf> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(own, _)| *own == name);
            found.map(|(_, value)| OsString::from(value))
        };
        StateFolder::find(variable).ok().map(|folder| folder.0)
    }

    #[test]
    fn the_folder_is_found_by_three_variables() {
        let all = [
            ("SCHLIFF_STATE", "s"),
            ("XDG_STATE_HOME", "/x"),
            ("HOME", "/h"),
        ];
        assert_eq!(found(&all), Some("s".into()));
        assert_eq!(found(&all[1..]), Some("/x/schliff".into()));
        assert_eq!(found(&all[2..]), Some("/h/.local/state/schliff".into()));
        let relative = [
            ("SCHLIFF_STATE", ""),
            ("XDG_STATE_HOME", "x"),
            ("HOME", "/h"),
        ];
        assert_eq!(found(&relative), Some("/h/.local/state/schliff".into()));
        assert_eq!(found(&[]), None);
    }

    #[test]
    fn what_is_announced_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = StateFolder(folder.path().to_owned());
        assert_eq!(state.running().expect("nothing there"), None);
        for pid in [1, 2] {
            let running = Running {
                url: "http://127.0.0.1:1".into(),
                pid,
            };
            state.announce(&running).expect("written");
            assert_eq!(state.running().expect("read"), Some(running));
        }
        assert_eq!(
            std::fs::read_dir(state.path()).expect("a folder").count(),
            1
        );
        std::fs::write(state.note_file(), "[]").expect("written");
        let error = state.running().expect_err("no note").to_string();
        assert!(error.contains("does not say where"), "{error}");
    }

    #[test]
    fn a_token_is_one_line_that_not_everybody_can_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = StateFolder(folder.path().to_owned()).token_file();
        assert_eq!(token(&path).expect("absent"), None);
        let write = |text: &str, mode: u32| {
            std::fs::write(&path, text).expect("written");
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&path, mode).expect("a mode");
        };
        write("secret\n", 0o600);
        assert_eq!(token(&path).expect("a token").as_deref(), Some("secret"));
        write("secret\n", 0o640);
        assert_eq!(token(&path).expect("a token").as_deref(), Some("secret"));
        write("secret\n", 0o644);
        let error = token(&path).expect_err("open").to_string();
        assert!(error.ends_with("(mode 644)"), "{error}");
        for text in ["", "two words", "two\nlines", "\u{e4}"] {
            write(text, 0o600);
            token(&path).expect_err(text);
        }
        write(&"x".repeat(5000), 0o600);
        token(&path).expect_err("too long");
    }
}
