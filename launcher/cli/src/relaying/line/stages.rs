//! Staged checkpoints on another machine, over the line that leads to its batch system.
//!
//! Rules: read and written in pieces, so that others have their turn on the line in between. What is
//! written comes as text inside a script, since a line takes nothing else.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schliff_agent::relay::source::SourceError;
use schliff_registry::Sha256;
use schliff_registry::checkpoint::fetch::Landing;
use schliff_registry::checkpoint::ship::{Bytes, Stage, StageError};
use schliff_registry::checkpoint::staging::NOTE;
use schliff_slurm::channel::Channel;
use schliff_slurm::quote::QuoteError;
use tokio::runtime::Handle;

use super::{Line, answer, script};
use crate::relaying::Stages;
use crate::relaying::stages::{ARRIVING, arriving};

/// So much is read at a time.
const PIECE_BYTES: u64 = 1 << 20;
/// No part of a checkpoint has more; it is held in memory.
const MOST_BYTES: u64 = 16 << 30;

/// Folders behind a line. For threads that may wait.
pub(crate) struct FarFolders {
    line: Line,
    runtime: Handle,
}

impl FarFolders {
    /// Below `base`, absolute there, which need not be there yet.
    pub(crate) fn new(channel: Arc<dyn Channel>, base: &str, runtime: Handle) -> Self {
        Self {
            line: Line::new(channel, base),
            runtime,
        }
    }

    fn ask(&self, script: Result<String, QuoteError>) -> Result<Vec<u8>, StageError> {
        let asked = self.runtime.block_on(self.line.ask("read", script));
        asked.map_err(told)
    }

    fn order(&self, script: Result<String, QuoteError>) -> Result<Vec<u8>, StageError> {
        let ordered = self.runtime.block_on(self.line.ask("write", script));
        ordered.map_err(told)
    }

    fn not_understood(&self) -> StageError {
        told(self.line.not_understood("read"))
    }
}

fn told(error: SourceError) -> StageError {
    StageError {
        operation: error.operation,
        place: error.place,
        why: error.why,
    }
}

impl Stages for FarFolders {
    fn notes(&mut self) -> Result<Vec<(String, Vec<u8>)>, StageError> {
        let output = self.ask(script::notes(&self.line.folder, NOTE))?;
        answer::notes(&output).ok_or_else(|| self.not_understood())
    }

    fn stage<'a>(&'a mut self, name: &str) -> Box<dyn Landing + 'a> {
        Box::new(FarFolder {
            folders: self,
            name: name.to_owned(),
        })
    }
}

struct FarFolder<'a> {
    folders: &'a FarFolders,
    name: String,
}

impl FarFolder<'_> {
    fn path(&self, key: &str) -> String {
        format!("{}/{key}", self.name)
    }
}

impl Stage for FarFolder<'_> {
    fn manifests(&mut self) -> Result<Vec<String>, StageError> {
        let folder = format!("{}/manifests", self.name);
        let base = &self.folders.line.folder;
        let output = self.folders.ask(script::names(base, &folder))?;
        let names = String::from_utf8_lossy(&output);
        Ok(names
            .lines()
            .map(|name| format!("manifests/{name}"))
            .collect())
    }

    fn read(&mut self, key: &str) -> Result<Option<Bytes>, StageError> {
        let path = self.path(key);
        let base = &self.folders.line.folder;
        let mut read = Vec::new();
        loop {
            let from = read.len() as u64;
            let script = script::piece(base, &path, from, PIECE_BYTES);
            let output = self.folders.ask(script)?;
            if output.is_empty() {
                return Ok(None);
            }
            let (bytes, piece) =
                answer::piece(&output).ok_or_else(|| self.folders.not_understood())?;
            read.extend_from_slice(piece);
            if read.len() as u64 >= bytes {
                return Ok(Some(read.into()));
            }
            // Its writer puts it there whole, so that it never grows.
            if piece.is_empty() || bytes > MOST_BYTES {
                return Err(self.folders.not_understood());
            }
        }
    }
}

impl Landing for FarFolder<'_> {
    fn sizes(&mut self, keys: &[&str]) -> Result<Vec<Option<u64>>, StageError> {
        let paths: Vec<_> = keys.iter().map(|key| self.path(key)).collect();
        let script = script::sizes(&self.folders.line.folder, &paths);
        let output = self.folders.ask(script)?;
        // Nothing at all where no folder is there.
        if output.is_empty() {
            return Ok(vec![None; keys.len()]);
        }
        answer::sizes(&output, keys.len()).ok_or_else(|| self.folders.not_understood())
    }

    fn arrived(&mut self, key: &str) -> Result<u64, StageError> {
        let sizes = self.sizes(&[&arriving(key)])?;
        Ok(sizes.first().copied().flatten().unwrap_or(0))
    }

    fn add(&mut self, key: &str, from: u64, piece: &[u8]) -> Result<(), StageError> {
        let path = self.path(&arriving(key));
        let text = STANDARD.encode(piece);
        let to = from + piece.len() as u64;
        let script = script::add(&self.folders.line.folder, &path, (from, to), &text);
        self.folders.order(script).map(drop)
    }

    fn settle(&mut self, key: &str, sha256: &Sha256) -> Result<bool, StageError> {
        let (from, to) = (self.path(&arriving(key)), self.path(key));
        let digest = sha256.to_string();
        let script = script::settle(&self.folders.line.folder, (&from, &to), &digest);
        let output = self.folders.order(script)?;
        match output.as_slice() {
            b"settled\n" => Ok(true),
            b"other\n" => Ok(false),
            _ => Err(self.folders.not_understood()),
        }
    }

    fn clear(&mut self) -> Result<(), StageError> {
        let script = script::clear(&self.folders.line.folder, &self.path(ARRIVING));
        self.folders.order(script).map(drop)
    }
}
