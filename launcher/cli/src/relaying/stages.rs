//! Where staged checkpoints are.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use schliff_registry::checkpoint::ship::{Bytes, Stage, StageError};
use schliff_registry::checkpoint::staging::NOTE;

/// Folders of staged checkpoints, one for each store.
pub(crate) trait Stages: Send {
    /// Their names, with the texts of their notes.
    fn notes(&mut self) -> Result<Vec<(String, Vec<u8>)>, StageError>;

    /// What is in one of them.
    fn stage<'a>(&'a mut self, name: &str) -> Box<dyn Stage + 'a>;
}

impl Stages for Box<dyn Stages> {
    fn notes(&mut self) -> Result<Vec<(String, Vec<u8>)>, StageError> {
        (**self).notes()
    }

    fn stage<'a>(&'a mut self, name: &str) -> Box<dyn Stage + 'a> {
        (**self).stage(name)
    }
}

/// Folders that this machine sees.
#[derive(Debug)]
pub(crate) struct Folders {
    base: PathBuf,
}

impl Folders {
    /// Below `base`, which need not be there yet.
    pub(crate) fn new(base: PathBuf) -> Self {
        Self { base }
    }
}

impl Stages for Folders {
    fn notes(&mut self) -> Result<Vec<(String, Vec<u8>)>, StageError> {
        let entries = match fs::read_dir(&self.base) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|error| cannot(&self.base, &error))?,
        };
        let note = |entry: fs::DirEntry| {
            let name = entry.file_name().into_string().ok()?;
            Some((name, fs::read(entry.path().join(NOTE)).ok()?))
        };
        Ok(entries.flatten().filter_map(note).collect())
    }

    fn stage<'a>(&'a mut self, name: &str) -> Box<dyn Stage + 'a> {
        Box::new(Folder {
            path: self.base.join(name),
        })
    }
}

#[derive(Debug)]
struct Folder {
    path: PathBuf,
}

impl Stage for Folder {
    fn manifests(&mut self) -> Result<Vec<String>, StageError> {
        let manifests = self.path.join("manifests");
        let entries = match fs::read_dir(&manifests) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|error| cannot(&manifests, &error))?,
        };
        let key = |entry: fs::DirEntry| {
            let name = entry.file_name().into_string().ok()?;
            Some(format!("manifests/{name}"))
        };
        Ok(entries.flatten().filter_map(key).collect())
    }

    fn read(&mut self, key: &str) -> Result<Option<Bytes>, StageError> {
        let path = self.path.join(key);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(cannot(&path, &error)),
        }
    }
}

fn cannot(path: &std::path::Path, error: &std::io::Error) -> StageError {
    StageError {
        place: path.display().to_string(),
        why: error.to_string(),
    }
}
