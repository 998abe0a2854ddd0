//! Ships committed checkpoints from shared storage, where nodes without a network write them, to the
//! store that they are meant for.
//!
//! Rules: parts go first, verified against the manifest's digests, and the manifest last, as where it
//! is written: a checkpoint is there whole or not at all. The newest goes first. What is there is not
//! sent again, so that whoever is killed and started again goes on where it was. Each byte is paid
//! for as the caller's [`Pace`] says. Absent on purpose: when to look again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

pub use bytes::Bytes;
use thiserror::Error;

use super::commit::{self, CommitError};
use super::{Manifest, key, read, retention};
use crate::{Sha256, Store, StoreError};

/// How long to wait after so many bytes were sent.
pub type Pace = Arc<dyn Fn(u64) -> Duration + Send + Sync>;

/// Shared storage with checkpoints, here or behind a line of the caller's.
pub trait Stage: Send {
    /// Keys of all manifests.
    ///
    /// # Errors
    /// It cannot be seen.
    fn manifests(&mut self) -> Result<Vec<String>, StageError>;

    /// The bytes of an object; `None` where there is none, any more or at all.
    ///
    /// # Errors
    /// It cannot be read.
    fn read(&mut self, key: &str) -> Result<Option<Bytes>, StageError>;
}

/// Shared storage cannot be read, or not be written.
#[derive(Debug, Error)]
#[error("cannot {operation} staged checkpoints in {place}: {why}")]
pub struct StageError {
    /// `read` or `write`.
    pub operation: &'static str,
    /// Where.
    pub place: String,
    /// Why, in the words of what failed.
    pub why: String,
}

impl Stage for Store {
    fn manifests(&mut self) -> Result<Vec<String>, StageError> {
        let store = self.clone();
        let listed = self.wait(async move { store.list(key::MANIFESTS).await });
        let entries = listed.and_then(|listed| listed);
        let entries = entries.map_err(|error| stage_error(self, &error))?;
        Ok(entries.into_iter().map(|entry| entry.key).collect())
    }

    fn read(&mut self, key: &str) -> Result<Option<Bytes>, StageError> {
        let (store, key) = (self.clone(), key.to_owned());
        let got = self.wait(async move { store.get(&key).await });
        got.and_then(|got| got)
            .map_err(|error| stage_error(self, &error))
    }
}

fn stage_error(store: &Store, error: &StoreError) -> StageError {
    StageError {
        operation: "read",
        place: store.uri().to_owned(),
        why: error.in_words(),
    }
}

/// Nothing can be shipped or brought for now.
#[derive(Debug, Error)]
pub enum ShipError {
    /// Shared storage cannot be read, or not be written.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// The store takes or gives nothing.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ShipError {
    /// The message with its cause, in one line.
    pub fn in_words(&self) -> String {
        match self {
            Self::Stage(error) => error.to_string(),
            Self::Store(error) => error.in_words(),
        }
    }
}

/// What became of a staged checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shipped {
    /// It is in the store.
    Committed {
        /// Its step.
        step: u64,
        /// So many bytes were sent.
        bytes: u64,
    },
    /// It was passed over, for good.
    Passed {
        /// Its step.
        step: u64,
        /// Why.
        why: String,
    },
}

/// Ships the checkpoints of one job.
pub struct Shipper {
    to: Store,
    keep: usize,
    pace: Pace,
    /// Steps that need no look any more.
    done: BTreeSet<u64>,
    is_swept: bool,
}

impl std::fmt::Debug for Shipper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shipper")
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}

impl Shipper {
    /// Ships to a store, where the newest `keep` stay.
    pub fn new(to: Store, keep: usize, pace: Pace) -> Self {
        Self {
            to,
            keep: keep.max(1),
            pace,
            done: BTreeSet::new(),
            is_swept: false,
        }
    }

    /// Ships the newest checkpoint that is not in the store; `None` where all is.
    ///
    /// # Errors
    /// Nothing can be read or written for now. What was sent is not sent again.
    pub fn next(&mut self, stage: &mut dyn Stage) -> Result<Option<Shipped>, ShipError> {
        let keys = stage.manifests()?;
        let mut steps: Vec<_> = keys
            .iter()
            .filter_map(|key| key::step_of_manifest(key))
            .collect();
        steps.sort_unstable();
        for step in steps.into_iter().rev().take(self.keep) {
            if self.done.contains(&step) {
                continue;
            }
            match self.ship(stage, step)? {
                Some(Shipped::Committed { bytes: 0, .. }) | None => {}
                shipped => return Ok(shipped),
            }
        }
        Ok(None)
    }

    /// Ships one step; `None` where it has just been removed.
    fn ship(&mut self, stage: &mut dyn Stage, step: u64) -> Result<Option<Shipped>, ShipError> {
        let Some(file) = stage.read(&key::manifest(step))? else {
            return Ok(None);
        };
        let manifest = match Manifest::decode(&file, step) {
            Ok(manifest) => manifest,
            Err(verdict) => return Ok(Some(self.pass(step, verdict.to_string()))),
        };
        if self.is_there(&manifest)? {
            self.done.insert(step);
            return Ok(None);
        }
        let mut sent = file.len() as u64;
        for part in &manifest.parts {
            if self.has_part(&part.key, part.bytes)? {
                continue;
            }
            let Some(bytes) = stage.read(&part.key)? else {
                // Its writer removes old checkpoints.
                return Ok(None);
            };
            if Sha256::of(&bytes) != part.sha256 {
                let why = format!("its part {} is not what its digest says", part.name);
                return Ok(Some(self.pass(step, why)));
            }
            sent += part.bytes;
            self.send(part.key.clone(), bytes)?;
        }
        if let Some(conflict) = self.commit(&manifest, file)? {
            return Ok(Some(self.pass(step, conflict)));
        }
        self.done.insert(step);
        self.tidy(&manifest)?;
        Ok(Some(Shipped::Committed { step, bytes: sent }))
    }

    fn pass(&mut self, step: u64, why: String) -> Shipped {
        self.done.insert(step);
        Shipped::Passed { step, why }
    }

    /// Whether the store has it, whole as far as sizes say.
    fn is_there(&self, manifest: &Manifest) -> Result<bool, StoreError> {
        let (to, ours) = (self.to.clone(), manifest.clone());
        self.to.wait(async move {
            let Ok(found) = read::manifest(&to, ours.step).await? else {
                return Ok(false);
            };
            let is_same = found.has_the_state_of(&ours);
            Ok(is_same && read::sizes(&to, &found).await?.is_ok())
        })?
    }

    /// A part's key holds its digest: one that is there in its size is that part.
    fn has_part(&self, key: &str, bytes: u64) -> Result<bool, StoreError> {
        let (to, key) = (self.to.clone(), key.to_owned());
        let found = self.to.wait(async move { to.bytes_of(&key).await })??;
        Ok(found == Some(bytes))
    }

    fn send(&self, key: String, bytes: Bytes) -> Result<(), StoreError> {
        let (to, pace) = (self.to.clone(), Arc::clone(&self.pace));
        self.to
            .wait(async move { to.put_paced(&key, bytes, &*pace).await })?
    }

    /// Writes the manifest; gives why it cannot ever be.
    fn commit(&self, manifest: &Manifest, file: Bytes) -> Result<Option<String>, StoreError> {
        let (to, manifest) = (self.to.clone(), manifest.clone());
        let committed = self.to.wait(async move {
            let conditional = to.conditional().await?;
            commit::write_manifest(&to, conditional, &manifest, file).await
        })?;
        match committed {
            Ok(()) => Ok(None),
            Err(CommitError::Store(error)) => Err(error),
            Err(error) => Ok(Some(error.to_string())),
        }
    }

    /// Removes what is surplus in the store, as the writer does where it writes.
    fn tidy(&mut self, manifest: &Manifest) -> Result<(), StoreError> {
        let (to, job, keep) = (self.to.clone(), manifest.job, self.keep);
        let is_first = !std::mem::replace(&mut self.is_swept, true);
        self.to.wait(async move {
            let mut good = retention::good_steps(&to, &job).await?;
            for old in retention::surplus(&good, keep) {
                retention::remove_one(&to, &job, old).await?;
                good.remove(&old);
            }
            match good.first().filter(|_| is_first) {
                Some(oldest) => retention::sweep(&to, &job, *oldest).await,
                None => Ok(()),
            }
        })?
    }
}
