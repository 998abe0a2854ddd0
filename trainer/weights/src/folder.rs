//! Folders that appear whole or not at all.
//!
//! Files are written into a hidden sibling, synced, and the sibling is renamed into place. An
//! earlier folder is moved aside just for that moment and comes back if the rename fails. It is
//! replaced only when all in it is of the same kind: nobody's other files are ever deleted.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::WeightsError;

/// Numbers the hidden siblings of this process.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A folder in the making; dropped without [`Self::commit`], it is gone.
pub(crate) struct StagedFolder {
    target: PathBuf,
    temporary: PathBuf,
    aside: PathBuf,
}

/// Makes and removes a staged folder, to find out early that it cannot be made.
pub(crate) fn check_destination(
    target: &Path,
    is_ours: impl Fn(&str) -> bool,
) -> Result<(), WeightsError> {
    StagedFolder::create(target, is_ours).map(drop)
}

impl StagedFolder {
    /// Begins a folder; `is_ours` names the files that may be replaced with it.
    pub(crate) fn create(
        target: &Path,
        is_ours: impl Fn(&str) -> bool,
    ) -> Result<Self, WeightsError> {
        let target = resolve(target)?;
        refuse_foreign(&target, is_ours)?;
        let no_name = || WeightsError::malformed(&target, "not a folder that can be made");
        let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
            return Err(no_name());
        };
        fs::create_dir_all(parent).map_err(|e| WeightsError::io("create folder", parent, e))?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let sibling = |kind: &str| {
            let process = std::process::id();
            parent.join(format!(
                ".{}.{kind}-{process}-{number}",
                name.to_string_lossy()
            ))
        };
        let (temporary, aside) = (sibling("partial"), sibling("earlier"));
        fs::create_dir(&temporary).map_err(|e| WeightsError::io("create folder", &temporary, e))?;
        Ok(Self {
            target,
            temporary,
            aside,
        })
    }

    /// Writes one file and syncs it.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), WeightsError> {
        self.write_with(name, |out| out.write_all(bytes))
    }

    /// Writes one file piece by piece and syncs it.
    pub(crate) fn write_with(
        &self,
        name: &str,
        fill: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
    ) -> Result<(), WeightsError> {
        let path = self.temporary.join(name);
        let write = || {
            let mut out = BufWriter::new(File::create(&path)?);
            fill(&mut out)?;
            out.into_inner()?.sync_all()
        };
        // The name that the file will have says more than the hidden one.
        write().map_err(|e| WeightsError::io("write", &self.target.join(name), e))
    }

    /// Where a file of this name is being made.
    pub(crate) fn path_of(&self, name: &str) -> PathBuf {
        self.temporary.join(name)
    }

    /// Puts the folder in place.
    pub(crate) fn commit(self) -> Result<(), WeightsError> {
        let replace = |e| WeightsError::io("put in place", &self.target, e);
        sync(&self.temporary).map_err(replace)?;
        let replaces = self.target.exists();
        if replaces {
            fs::rename(&self.target, &self.aside).map_err(replace)?;
        }
        if let Err(error) = fs::rename(&self.temporary, &self.target) {
            if replaces {
                // Should this fail too, the earlier folder still lies aside, whole.
                let _ = fs::rename(&self.aside, &self.target);
            }
            return Err(replace(error));
        }
        if let Some(parent) = self.target.parent() {
            sync(parent).map_err(replace)?;
        }
        Ok(())
    }
}

impl Drop for StagedFolder {
    /// Best effort: what cannot be removed is hidden and harmless.
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.temporary);
        if self.target.exists() {
            let _ = fs::remove_dir_all(&self.aside);
        }
    }
}

/// The path with links and dots resolved, so that a rename replaces the folder and not a link.
fn resolve(target: &Path) -> Result<PathBuf, WeightsError> {
    let resolved = if target.exists() {
        fs::canonicalize(target)
    } else {
        std::path::absolute(target)
    };
    resolved.map_err(|e| WeightsError::io("find", target, e))
}

fn refuse_foreign(target: &Path, is_ours: impl Fn(&str) -> bool) -> Result<(), WeightsError> {
    if !target.exists() {
        return Ok(());
    }
    let entries = fs::read_dir(target).map_err(|e| WeightsError::io("list", target, e))?;
    for entry in entries {
        let entry = entry.map_err(|e| WeightsError::io("list", target, e))?;
        let name = entry.file_name();
        let plain_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !plain_file || !name.to_str().is_some_and(&is_ours) {
            let name = name.to_string_lossy();
            let problem = format!("holds {name}, which would be lost; choose another folder");
            return Err(WeightsError::malformed(target, problem));
        }
    }
    Ok(())
}

fn sync(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}
