//! The log of a pretended cluster: lines of JSON that are only ever appended.
//!
//! Rules: reading takes no lock and stops at the last whole line; writing reads to the end first,
//! and both happen under the file's lock. Half a line that a dying writer left is cut off by the
//! next one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::state::{Event, State};
use crate::error::BackendError;

/// Why a pretended cluster cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The file system.
    #[error("cannot {doing} {}", .path.display())]
    File {
        /// The failed operation.
        doing: &'static str,
        /// Its object.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Somebody else wrote into the log.
    #[error("cannot understand the log {} at byte {offset}", .path.display())]
    Line {
        /// The log.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// What a [`FolderWorld`](super::FolderWorld) was told cannot happen.
    #[error("cannot {doing}: {why}")]
    World {
        /// The failed operation and its object.
        doing: String,
        /// Why.
        why: String,
    },
}

impl FolderError {
    /// What it means for a call to the back-end.
    pub(super) fn of_call(self, doing: String) -> BackendError {
        // Some of it may have been written.
        let is_lost = matches!(self, Self::File { doing: WRITE, .. });
        let source = Box::new(self);
        match is_lost {
            true => BackendError::Lost { doing, source },
            false => BackendError::Transient { doing, source },
        }
    }
}

const WRITE: &str = "write";

/// The log, and what has been read of it.
pub(super) struct Log {
    path: PathBuf,
    file: File,
    read_bytes: u64,
    state: State,
}

impl Log {
    /// Opens and reads it.
    pub(super) fn open(folder: &Path) -> Result<Self, FolderError> {
        fs::create_dir_all(folder).map_err(failed("create", folder))?;
        let path = folder.join("log.jsonl");
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).open(&path);
        let mut log = Self {
            file: file.map_err(failed("open", &path))?,
            path,
            read_bytes: 0,
            state: State::default(),
        };
        log.catch_up()?;
        Ok(log)
    }

    /// What came of all that was read.
    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// Reads what others have written since.
    pub(super) fn catch_up(&mut self) -> Result<(), FolderError> {
        let bytes = self.file.metadata().map_err(self.failed("read"))?.len();
        let new = bytes.saturating_sub(self.read_bytes);
        if new == 0 {
            return Ok(());
        }
        let mut buffer = vec![0; usize::try_from(new).unwrap_or(usize::MAX)];
        // The writer of half a line may be cut off while it is read.
        let count = read_up_to(&self.file, &mut buffer, self.read_bytes);
        let count = count.map_err(self.failed("read"))?;
        let whole = buffer[..count].iter().rposition(|byte| *byte == b'\n');
        let whole = whole.map_or(0, |at| at + 1);
        for line in buffer[..whole].split_inclusive(|byte| *byte == b'\n') {
            let event = serde_json::from_slice(line).map_err(|source| FolderError::Line {
                path: self.path.clone(),
                offset: self.read_bytes,
                source,
            })?;
            self.state.apply(event);
            self.read_bytes += line.len() as u64;
        }
        Ok(())
    }

    /// Decides by all that was written what else happens, and writes that.
    pub(super) fn change<T>(
        &mut self,
        decide: impl FnOnce(&State) -> (Vec<Event>, T),
    ) -> Result<T, FolderError> {
        self.file.lock().map_err(self.failed("lock"))?;
        let told = self.change_alone(decide);
        // The lock ends with the process at the latest.
        let _ = self.file.unlock();
        told
    }

    fn change_alone<T>(
        &mut self,
        decide: impl FnOnce(&State) -> (Vec<Event>, T),
    ) -> Result<T, FolderError> {
        self.catch_up()?;
        let (events, told) = decide(&self.state);
        if events.is_empty() {
            return Ok(told);
        }
        let mut lines = Vec::new();
        for event in &events {
            serde_json::to_writer(&mut lines, event)
                .map_err(|error| self.failed("encode")(error.into()))?;
            lines.push(b'\n');
        }
        let bytes = self.file.metadata().map_err(self.failed("read"))?.len();
        if bytes > self.read_bytes {
            self.file
                .set_len(self.read_bytes)
                .map_err(self.failed("mend"))?;
        }
        self.file.write_all(&lines).map_err(self.failed(WRITE))?;
        self.read_bytes += lines.len() as u64;
        events.into_iter().for_each(|event| self.state.apply(event));
        Ok(told)
    }

    fn failed(&self, doing: &'static str) -> impl FnOnce(io::Error) -> FolderError + use<> {
        failed(doing, &self.path)
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError + use<> {
    let path = path.to_owned();
    move |source| FolderError::File {
        doing,
        path,
        source,
    }
}

fn read_up_to(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut count = 0;
    while count < buffer.len() {
        match file.read_at(&mut buffer[count..], offset + count as u64) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use schliff_scheduler::allocation::NodeReport;

    use super::*;

    fn nodes(count: u32) -> Event {
        let node = |number| NodeReport {
            name: format!("n{number}").parse().expect("a name"),
            is_up: true,
            gpus: 0,
            cpus: 1,
        };
        Event::Nodes {
            nodes: (0..count).map(node).collect(),
        }
    }

    #[test]
    fn half_a_line_is_neither_read_nor_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut one, mut other) = (
            Log::open(folder.path()).unwrap(),
            Log::open(folder.path()).unwrap(),
        );
        one.change(|_| (vec![nodes(2)], ())).unwrap();
        one.file.write_all(br#"{"event":"nodes","no"#).unwrap();
        other.catch_up().unwrap();
        assert_eq!(other.state().nodes().len(), 2);
        other.change(|_| (vec![nodes(3)], ())).unwrap();
        one.catch_up().unwrap();
        assert_eq!(one.state().nodes().len(), 3);
        assert_eq!(Log::open(folder.path()).unwrap().state().nodes().len(), 3);
    }

    #[test]
    fn a_foreign_line_is_told_with_its_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut log = Log::open(folder.path()).unwrap();
        log.change(|_| (vec![nodes(0)], ())).unwrap();
        log.file.write_all(b"hello\n").unwrap();
        let error = log.catch_up().unwrap_err();
        assert!(error.to_string().ends_with("at byte 29"), "{error}");
    }
}
