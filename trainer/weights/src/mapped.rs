//! A file seen as bytes, without reading it into memory.

use std::fs::File;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use crate::error::WeightsError;

/// A read-only memory map that remembers its path for messages.
#[derive(Debug)]
pub(crate) struct MappedFile {
    path: PathBuf,
    map: Mmap,
}

impl MappedFile {
    pub(crate) fn open(path: &Path) -> Result<Self, WeightsError> {
        let file = File::open(path).map_err(|e| WeightsError::io("open", path, e))?;
        let kind = file
            .metadata()
            .map_err(|e| WeightsError::io("inspect", path, e))?;
        if !kind.is_file() {
            return Err(WeightsError::malformed(path, "not a regular file"));
        }
        // SAFETY: the map is only read. Another process that truncates a model file while it is
        // in use can end this one; that is the accepted price of not copying gigabytes.
        let map = unsafe { Mmap::map(&file) }.map_err(|e| WeightsError::io("map", path, e))?;
        Ok(Self {
            path: path.to_owned(),
            map,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map
    }
}
