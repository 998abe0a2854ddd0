//! Where staged checkpoints are.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use schliff_registry::Sha256;
use schliff_registry::checkpoint::fetch::Landing;
use schliff_registry::checkpoint::ship::{Bytes, Stage, StageError};
use schliff_registry::checkpoint::staging::NOTE;

/// What is on its way into such a folder lies in this one of its own.
pub(super) const ARRIVING: &str = "arriving";

/// Folders of staged checkpoints, one for each store.
pub(crate) trait Stages: Send {
    /// Their names, with the texts of their notes.
    fn notes(&mut self) -> Result<Vec<(String, Vec<u8>)>, StageError>;

    /// One of them, which need not be there yet.
    fn stage<'a>(&'a mut self, name: &str) -> Box<dyn Landing + 'a>;
}

/// Where in its folder an object arrives.
pub(super) fn arriving(key: &str) -> String {
    let name = key.rsplit_once('/').map_or(key, |(_, name)| name);
    format!("{ARRIVING}/{name}")
}

impl Stages for Box<dyn Stages> {
    fn notes(&mut self) -> Result<Vec<(String, Vec<u8>)>, StageError> {
        (**self).notes()
    }

    fn stage<'a>(&'a mut self, name: &str) -> Box<dyn Landing + 'a> {
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

    fn stage<'a>(&'a mut self, name: &str) -> Box<dyn Landing + 'a> {
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

impl Landing for Folder {
    fn sizes(&mut self, keys: &[&str]) -> Result<Vec<Option<u64>>, StageError> {
        let size = |key: &&str| size(&self.path.join(key));
        keys.iter().map(size).collect()
    }

    fn arrived(&mut self, key: &str) -> Result<u64, StageError> {
        let size = size(&self.path.join(arriving(key)))?;
        Ok(size.unwrap_or(0))
    }

    fn add(&mut self, key: &str, from: u64, piece: &[u8]) -> Result<(), StageError> {
        let path = self.path.join(arriving(key));
        let add = || -> io::Result<()> {
            fs::create_dir_all(self.path.join(ARRIVING))?;
            let mut options = OpenOptions::new();
            let mut file = options
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)?;
            file.set_len(from)?;
            file.seek(SeekFrom::Start(from))?;
            file.write_all(piece)
        };
        add().map_err(|error| cannot_write(&path, &error))
    }

    fn settle(&mut self, key: &str, sha256: &Sha256) -> Result<bool, StageError> {
        let (from, to) = (self.path.join(arriving(key)), self.path.join(key));
        let settle = || -> io::Result<bool> {
            if Sha256::of(&fs::read(&from)?) != *sha256 {
                fs::remove_file(&from)?;
                return Ok(false);
            }
            File::open(&from)?.sync_all()?;
            to.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::rename(&from, &to)?;
            // The name itself, too.
            to.parent()
                .map_or(Ok(()), |folder| File::open(folder)?.sync_all())?;
            Ok(true)
        };
        settle().map_err(|error| cannot_write(&to, &error))
    }

    fn clear(&mut self) -> Result<(), StageError> {
        let path = self.path.join(ARRIVING);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(cannot_write(&path, &error)),
            _ => Ok(()),
        }
    }
}

fn size(path: &Path) -> Result<Option<u64>, StageError> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some(found.len())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(cannot(path, &error)),
    }
}

fn cannot(path: &Path, error: &io::Error) -> StageError {
    told("read", path, error)
}

fn cannot_write(path: &Path, error: &io::Error) -> StageError {
    told("write", path, error)
}

fn told(operation: &'static str, path: &Path, error: &io::Error) -> StageError {
    StageError {
        operation,
        place: path.display().to_string(),
        why: error.to_string(),
    }
}
