//! The job's secret: who knows it belongs to the job.
//!
//! It lives in a file of its owner alone, and never in arguments, logs or on the wire.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of a secret, and of everything that is derived from it.
pub(super) const BYTES: usize = 32;
/// Permission bits by which somebody else could read the file.
const READABLE_BY_OTHERS: u32 = 0o077;

/// A job's secret.
#[derive(Clone)]
pub struct Secret([u8; BYTES]);

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

impl Secret {
    /// A new one, from the operating system's source of randomness.
    ///
    /// # Errors
    /// The system gives none.
    pub fn generate() -> io::Result<Self> {
        random().map(Self)
    }

    /// Reads it from its file.
    ///
    /// # Errors
    /// The file cannot be read, somebody else can read it too, or it is no secret.
    pub fn read(path: &Path) -> io::Result<Self> {
        let refuse =
            |kind, reason: String| io::Error::new(kind, format!("{}: {reason}", path.display()));
        let file = File::open(path).map_err(|error| refuse(error.kind(), error.to_string()))?;
        let mode = file.metadata()?.mode();
        if mode & READABLE_BY_OTHERS != 0 {
            let reason = format!(
                "others may read this secret (mode {:03o}); chmod 600 it",
                mode & 0o777
            );
            return Err(refuse(io::ErrorKind::PermissionDenied, reason));
        }
        let mut bytes = Vec::with_capacity(BYTES);
        file.take(BYTES as u64 + 1).read_to_end(&mut bytes)?;
        let found = bytes.len();
        bytes.try_into().map(Self).map_err(|_| {
            let reason = format!("a secret has {BYTES} bytes, this file has {}", words(found));
            refuse(io::ErrorKind::InvalidData, reason)
        })
    }

    /// Writes it to a new file that its owner alone can read.
    ///
    /// # Errors
    /// The file is there already, or cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(&self.0)?;
        file.sync_all()
    }

    /// An authentication code over `parts`, each with its length, so that no two lists of parts
    /// give the same.
    fn code(&self, parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
        // A key of any length is taken, so there is always one.
        let mut code = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        for part in parts {
            code.update(&(part.len() as u64).to_le_bytes());
            code.update(part);
        }
        Some(code)
    }

    /// Proves knowledge of the secret over `parts`.
    pub(super) fn prove(&self, parts: &[&[u8]]) -> [u8; BYTES] {
        self.code(parts)
            .map_or([0; BYTES], |code| code.finalize().into_bytes().into())
    }

    /// Whether `proof` is one over `parts`; takes the same time for every wrong one.
    pub(super) fn is_proof(&self, parts: &[&[u8]], proof: &[u8; BYTES]) -> bool {
        self.code(parts)
            .is_some_and(|code| code.verify_slice(proof).is_ok())
    }
}

/// Bytes that nobody can foretell.
pub(super) fn random() -> io::Result<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A number of bytes read, where one more than wanted stands for any number.
fn words(found: usize) -> String {
    if found > BYTES {
        "more".into()
    } else {
        found.to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_secret_is_written_once_for_its_owner_alone_and_read_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        let secret = Secret::generate().expect("randomness");
        secret.write(&path).expect("written");
        let mode = std::fs::metadata(&path).expect("there").mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(Secret::read(&path).expect("read").0, secret.0);
        let again = secret.write(&path).expect_err("there already");
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        Secret::generate()
            .expect("randomness")
            .write(&path)
            .expect("written");
        for mode in [0o640, 0o604, 0o660, 0o644] {
            set_permissions(&path, Permissions::from_mode(mode)).expect("set");
            let refused = Secret::read(&path).expect_err("open to others").to_string();
            assert!(refused.contains("chmod 600"), "{refused}");
        }
    }

    #[test]
    fn files_of_another_length_and_missing_ones_are_told() {
        let folder = tempfile::tempdir().expect("a folder");
        for (bytes, told) in [(31, "has 31"), (33, "has more"), (0, "has 0")] {
            let path = folder.path().join(bytes.to_string());
            std::fs::write(&path, vec![0; bytes]).expect("written");
            set_permissions(&path, Permissions::from_mode(0o600)).expect("set");
            let refused = Secret::read(&path).expect_err("no secret").to_string();
            assert!(refused.contains(told), "{refused}");
        }
        let missing = folder.path().join("missing");
        let refused = Secret::read(&missing).expect_err("missing").to_string();
        assert!(refused.contains("missing"), "{refused}");
    }

    #[test]
    fn its_bytes_are_not_shown() {
        assert_eq!(format!("{:?}", Secret([7; BYTES])), "Secret(..)");
    }

    #[test]
    fn parts_are_kept_apart() {
        let secret = Secret([7; BYTES]);
        let proof = secret.prove(&[b"ab", b"c"]);
        assert!(secret.is_proof(&[b"ab", b"c"], &proof));
        assert!(!secret.is_proof(&[b"a", b"bc"], &proof));
        assert!(!Secret([8; BYTES]).is_proof(&[b"ab", b"c"], &proof));
    }
}
