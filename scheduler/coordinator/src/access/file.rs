//! Files that hold one secret each.
//!
//! Rules: made whole or not at all, so that two coordinators that start together agree; refused where
//! others may read them.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::{SECRET_BYTES, hex};

/// Rights of everybody but the owner.
const OTHERS: u32 = 0o077;

/// A secret that is not to be had.
#[derive(Debug, Error)]
pub enum AccessError {
    /// No randomness.
    #[error("cannot draw a secret")]
    Random(#[source] getrandom::Error),
    /// The file cannot be made.
    #[error("cannot write the secret {}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file cannot be read.
    #[error("cannot read the secret {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others may read it.
    #[error("others may read the secret {}: take that right away with chmod 600", .0.display())]
    Open(PathBuf),
    /// It holds no secret.
    #[error("{} holds no secret: remove it, and a new one is made", .0.display())]
    Damaged(PathBuf),
}

/// The secret in a file, which is made where it is missing.
pub(super) fn secret(path: &Path) -> Result<String, AccessError> {
    if !path.exists() {
        make(path)?;
    }
    let unreadable = |source| AccessError::Read {
        path: path.to_owned(),
        source,
    };
    let mode = fs::metadata(path).map_err(unreadable)?.permissions().mode();
    if mode & OTHERS != 0 {
        return Err(AccessError::Open(path.to_owned()));
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let secret = text.trim();
    let is_whole = secret.len() >= SECRET_BYTES && secret.chars().all(|c| c.is_ascii_graphic());
    match is_whole {
        true => Ok(secret.to_owned()),
        false => Err(AccessError::Damaged(path.to_owned())),
    }
}

fn make(path: &Path) -> Result<(), AccessError> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(AccessError::Random)?;
    let draft = path.with_extension(format!("{}.draft", hex(&bytes[..8])));
    // The name may have been drawn from the secret's bytes: draw the secret anew.
    getrandom::fill(&mut bytes).map_err(AccessError::Random)?;
    let made = write(&draft, &hex(&bytes)).and_then(|()| fs::hard_link(&draft, path));
    let _ = fs::remove_file(&draft);
    match made {
        // Another coordinator was first: its secret is as good.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(AccessError::Write {
            path: path.to_owned(),
            source,
        }),
        Ok(()) => Ok(()),
    }
}

fn write(path: &Path, secret: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{secret}")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_made_once_and_kept_from_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let first = secret(&path).unwrap();
        assert_eq!(first.len(), 2 * SECRET_BYTES);
        assert_eq!(secret(&path).unwrap(), first);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "no draft is left"
        );
    }

    #[test]
    fn an_open_or_empty_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "x".repeat(64)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(secret(&path), Err(AccessError::Open(_))));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "short\n").unwrap();
        assert!(matches!(secret(&path), Err(AccessError::Damaged(_))));
    }

    #[test]
    fn those_who_start_together_agree() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let started: Vec<_> = (0..8)
            .map(|_| {
                let path = path.clone();
                std::thread::spawn(move || secret(&path).unwrap())
            })
            .collect();
        let secrets: Vec<_> = started.into_iter().map(|it| it.join().unwrap()).collect();
        assert!(secrets.iter().all(|secret| *secret == secrets[0]));
    }
}
