//! Locks that tell who lives.
//!
//! A lock of this kind belongs to an opened file, which children inherit: it is held until the last
//! of them has ended, however it ends. Whoever looks takes it shared and for a moment, and so never
//! makes another one believe that it is held.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

/// Opens a lock's file, which is made where it is missing, and waits for the lock.
pub(super) fn wait_for(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?;
    file.lock()?;
    Ok(file)
}

/// Whether somebody holds it alone.
pub(super) fn is_held(path: &Path) -> io::Result<bool> {
    match File::open(path)?.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_by_its_file_and_by_nobody_who_looks() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lock");
        let lock = wait_for(&path).unwrap();
        assert!(is_held(&path).unwrap());
        let inherited = lock.try_clone().unwrap();
        drop(lock);
        assert!(is_held(&path).unwrap());
        drop(inherited);
        let looking = File::open(&path).unwrap();
        looking.try_lock_shared().unwrap();
        assert!(!is_held(&path).unwrap());
    }
}
