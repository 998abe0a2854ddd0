//! Spools in a folder that this machine sees, such as on the log-in node of a cluster.
//!
//! Rules: everything that may wait for a disk is done on threads for that. Attempts that cannot be
//! read, because they are just being removed or are somebody else's, are passed over.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use schliff_spec::id::SubmitKey;

use super::source::{Got, HEAD_BYTES, Listed, SPOOL, Source, SourceError, SpoolFile, Want};
use crate::report::spool::mark::{leave_mark, read_mark};

/// A folder of attempts.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder need not be there yet.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Does `work` where it may wait.
    async fn with<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, SourceError> {
        let (path, place) = (self.path.clone(), self.path.display().to_string());
        let done = tokio::task::spawn_blocking(move || work(&path)).await;
        let done = done.unwrap_or_else(|error| Err(io::Error::other(error)));
        done.map_err(|error| SourceError {
            operation,
            place,
            why: error.to_string(),
        })
    }
}

#[async_trait]
impl Source for Folder {
    async fn list(&mut self) -> Result<Vec<Listed>, SourceError> {
        self.with("list", list).await
    }

    async fn read(&mut self, wants: &[Want]) -> Result<Vec<Got>, SourceError> {
        let wants = wants.to_vec();
        let work = move |folder: &Path| {
            let got = wants.iter().filter_map(|want| read(folder, want).ok());
            Ok(got.collect())
        };
        self.with("read", work).await
    }

    async fn mark(&mut self, marks: &[(SpoolFile, u64)]) -> Result<(), SourceError> {
        let marks = marks.to_vec();
        let work = move |folder: &Path| {
            let left = marks.iter().map(|(file, taken)| {
                let left = leave_mark(&folder.join(file.mark()), *taken);
                left.or_else(|error| unless_gone(error, ()))
            });
            left.collect()
        };
        self.with("mark", work).await
    }

    async fn token(&mut self, key: SubmitKey) -> Result<Option<String>, SourceError> {
        let work = move |folder: &Path| {
            let text = fs::read_to_string(folder.join(SpoolFile::token(key)));
            text.map(Some).or_else(|error| unless_gone(error, None))
        };
        self.with("enter", work).await
    }
}

fn list(folder: &Path) -> io::Result<Vec<Listed>> {
    let attempts = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        attempts => attempts?,
    };
    let mut listed = Vec::new();
    for attempt in attempts {
        let name = attempt?.file_name();
        let key = name.to_str().and_then(|name| name.parse().ok());
        if let Some(key) = key
            && let Ok(files) = fs::read_dir(folder.join(name).join(SPOOL))
        {
            listed.extend(files.flatten().filter_map(|file| spool(&file, key)));
        }
    }
    listed.sort_by_key(|listed| listed.file);
    Ok(listed)
}

/// The spool file of `key` that an entry of the folder is.
fn spool(entry: &fs::DirEntry, key: SubmitKey) -> Option<Listed> {
    let file = SpoolFile::named(key, entry.file_name().to_str()?)?;
    let bytes = entry.metadata().ok()?.len();
    Some(Listed { file, bytes })
}

fn read(folder: &Path, want: &Want) -> io::Result<Got> {
    // Opened once: what takes its place meanwhile is another file.
    let mut file = File::open(folder.join(want.file.path()))?;
    let (mut head, mut bytes) = (Vec::new(), Vec::new());
    Read::by_ref(&mut file)
        .take(HEAD_BYTES as u64)
        .read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(want.from))?;
    file.take(want.most).read_to_end(&mut bytes)?;
    Ok(Got {
        want: *want,
        head,
        bytes,
        taken: read_mark(&folder.join(want.file.mark())),
    })
}

fn unless_gone<T>(error: io::Error, then: T) -> io::Result<T> {
    match error.kind() {
        ErrorKind::NotFound => Ok(then),
        _ => Err(error),
    }
}
