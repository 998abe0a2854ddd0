//! Places for results: the folder of runs, and an object store for checkpoints.

use std::io;
use std::path::{Path, PathBuf};

use schliff_registry::{Conditional, Store, StoreError};
use schliff_spec::finding::{Area, Finding};

use crate::figures;

/// The folder of runs, as findings name it.
pub(super) const FOLDER: &str = "folder of runs";
/// Below this, a few checkpoints and a log may fill it.
const LEAST_FREE_BYTES: u64 = 1 << 30;

/// Whether `out` can be written, and how much room it has. Where it is not there, the folder that it
/// would be made in is looked at.
pub(super) fn folder(out: &Path) -> Finding {
    let named = out.display();
    let broken = |told: String, hint: &str| Finding::broken(Area::Storage, FOLDER, told).hint(hint);
    let existing = match existing(out) {
        Ok(folder) => folder,
        Err(error) => return broken(format!("{named}: {error}"), "name another folder by --out"),
    };
    if !existing.is_dir() {
        let told = format!("{} is no folder", existing.display());
        return broken(told, "name another folder by --out");
    }
    if let Err(error) = write(&existing) {
        let told = format!("{} cannot be written: {error}", existing.display());
        return broken(told, "name a folder that this user may write by --out");
    }
    match rustix::fs::statvfs(&existing) {
        Ok(system) => {
            let free = system.f_bavail.saturating_mul(system.f_frsize);
            let told = format!("{named}: writable, {} free", figures::bytes(free as f64));
            let finding = Finding::ok(Area::Storage, FOLDER, told).fact("free_bytes", free);
            match free {
                0..LEAST_FREE_BYTES => {
                    finding.hint("little room: a full disk stops a run's checkpoints")
                }
                _ => finding,
            }
        }
        Err(error) => Finding::ok(Area::Storage, FOLDER, format!("{named}: writable"))
            .hint(format!("its room is not known: {error}")),
    }
}

/// The folder, or the nearest one above that is there.
fn existing(out: &Path) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(out)?;
    let found = absolute.ancestors().find(|folder| folder.exists());
    Ok(found.unwrap_or(Path::new("/")).to_owned())
}

/// Makes a file of a name of its own, and removes it.
fn write(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!(".schliff-doctor-{}", std::process::id()));
    let written = std::fs::write(&path, b"may this be written?");
    let removed = std::fs::remove_file(&path);
    written.and(removed)
}

/// Whether an object store can be written, and keeps its word on create-only puts.
pub(super) fn store(uri: &str) -> Finding {
    let (area, name) = (Area::Storage, uri);
    match Store::open(uri).and_then(|store| store.probe()) {
        Ok(Conditional::Holds) => {
            let told = "writable, and create-only puts hold";
            Finding::ok(area, name, told).fact("create_only", true)
        }
        Ok(conditional) => {
            let finding = Finding::ok(area, name, "writable").fact("create_only", false);
            match conditional.warning() {
                Some(warning) => finding.hint(warning),
                None => finding,
            }
        }
        Err(error) => {
            let hint = match error {
                StoreError::Address { .. } => "give a folder, s3://, az:// or gs://",
                _ => error
                    .hint()
                    .unwrap_or("schliff checkpoints URI lists what is there"),
            };
            Finding::broken(area, name, error.in_words()).hint(hint)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schliff_spec::finding::Status;

    #[test]
    fn looking_at_a_folder_leaves_nothing_behind() {
        let place = tempfile::tempdir().expect("a folder");
        let new = place.path().join("runs/new");
        let fine = folder(&new);
        assert_eq!(fine.status, Status::Ok, "{fine:?}");
        assert!(fine.told.contains("free"), "{fine:?}");
        let left = std::fs::read_dir(place.path()).expect("readable").count();
        assert_eq!(left, 0);
        let file = place.path().join("file");
        std::fs::write(&file, "").expect("written");
        assert_eq!(folder(&file.join("runs")).status, Status::Broken);
        assert_eq!(folder(Path::new("/proc/runs")).status, Status::Broken);
    }

    #[test]
    fn a_store_is_tried_or_its_address_refused() {
        let place = tempfile::tempdir().expect("a folder");
        let fine = store(&place.path().display().to_string());
        assert_eq!(fine.told, "writable, and create-only puts hold");
        let wrong = store("ftp://host/prefix");
        assert_eq!(wrong.status, Status::Broken);
        assert!(wrong.hint.expect("a way out").contains("s3://"));
    }
}
