//! Brings committed checkpoints from their store to shared storage, for nodes without a network to go
//! on from.
//!
//! Rules: the newest of each job, where nothing as new is there. Parts go first, verified against the
//! manifest's digests before they are sent and where they arrive, and the manifest last: a checkpoint
//! is there whole or not at all. What has arrived in part is gone on with. What is damaged in the store
//! is passed over with a reason, and the one before is taken. Each byte is paid for as the caller's
//! [`Pace`] says. Absent on purpose: whether to wait for it.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::ship::{Pace, ShipError, Stage, StageError};
use super::{Manifest, PartEntry, key, read};
use crate::{JobDigest, Sha256, Store, StoreError};

/// So much is sent at a time: others have their turn in between.
const PIECE_BYTES: usize = 512 << 10;

/// Shared storage that objects can be brought to.
///
/// An object arrives beside its place, in pieces, and takes its place whole.
pub trait Landing: Stage {
    /// Sizes of objects in their places; `None` for each that is not there.
    ///
    /// # Errors
    /// It cannot be seen.
    fn sizes(&mut self, keys: &[&str]) -> Result<Vec<Option<u64>>, StageError>;

    /// So much of an object has arrived and is not in its place yet.
    ///
    /// # Errors
    /// It cannot be seen.
    fn arrived(&mut self, key: &str) -> Result<u64, StageError>;

    /// Adds a piece from byte `from` on; what was there behind `from` is gone.
    ///
    /// # Errors
    /// It cannot be written.
    fn add(&mut self, key: &str, from: u64, piece: &[u8]) -> Result<(), StageError>;

    /// Puts what has arrived in its place, durably, if its digest is this; else it is removed. Says
    /// whether it is in its place.
    ///
    /// # Errors
    /// It cannot be written.
    fn settle(&mut self, key: &str, sha256: &Sha256) -> Result<bool, StageError>;

    /// Removes what has arrived and took no place.
    ///
    /// # Errors
    /// It cannot be written.
    fn clear(&mut self) -> Result<(), StageError>;
}

/// What was brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Steps of the checkpoints that are there now and were not before.
    pub steps: Vec<u64>,
    /// So many bytes were sent.
    pub bytes: u64,
    /// Checkpoints of the store that were passed over, and why.
    pub passed: Vec<String>,
}

/// The newest whole checkpoint of each job on shared storage, as far as manifests and sizes say.
///
/// # Errors
/// It cannot be read.
pub fn staged(landing: &mut dyn Landing) -> Result<BTreeMap<JobDigest, u64>, StageError> {
    let keys = landing.manifests()?;
    let mut steps: Vec<_> = keys
        .iter()
        .filter_map(|key| key::step_of_manifest(key))
        .collect();
    steps.sort_unstable();
    let mut newest = BTreeMap::new();
    for step in steps.into_iter().rev() {
        let Some(manifest) = manifest(landing, step)? else {
            continue;
        };
        if !newest.contains_key(&manifest.job) && missing(landing, &manifest)?.is_empty() {
            newest.insert(manifest.job, step);
        }
    }
    Ok(newest)
}

/// Brings the newest checkpoint of each job of `store` that shared storage lacks. `progress` hears of
/// the bytes that were sent and of all that are to be, of each checkpoint.
///
/// # Errors
/// Nothing can be read or written for now. What has arrived is gone on with by the next call.
pub fn fetch(
    store: &Store,
    landing: &mut dyn Landing,
    pace: &Pace,
    progress: &dyn Fn(u64, u64),
) -> Result<Fetched, ShipError> {
    let mut there = staged(landing)?;
    let from = store.clone();
    let steps = store.wait(async move { read::steps(&from).await })??;
    let mut fetched = Fetched::default();
    let mut carrier = Carrier {
        store,
        landing,
        pace,
        progress,
    };
    let mut done = Vec::new();
    for step in steps.into_iter().rev() {
        let manifest = match carrier.manifest(step)? {
            Ok(found) => found,
            Err(why) => {
                fetched.passed.push(why);
                continue;
            }
        };
        let job = manifest.0.job;
        if done.contains(&job) {
            continue;
        }
        if there.get(&job).is_some_and(|newest| *newest >= step) {
            done.push(job);
            continue;
        }
        match carrier.bring(&manifest.0, &manifest.1)? {
            Ok(bytes) => {
                fetched.bytes += bytes;
                fetched.steps.push(step);
                there.insert(job, step);
                done.push(job);
            }
            Err(why) => fetched
                .passed
                .push(format!("step {step} is not brought: {why}")),
        }
    }
    if !fetched.steps.is_empty() {
        carrier.landing.clear()?;
    }
    Ok(fetched)
}

/// The manifest of a step on shared storage; `None` where there is none that can be read.
fn manifest(landing: &mut dyn Landing, step: u64) -> Result<Option<Manifest>, StageError> {
    let file = landing.read(&key::manifest(step))?;
    Ok(file.and_then(|file| Manifest::decode(&file, step).ok()))
}

/// Parts of a manifest that are not there in the right size.
fn missing(landing: &mut dyn Landing, manifest: &Manifest) -> Result<Vec<PartEntry>, StageError> {
    let keys: Vec<_> = manifest
        .parts
        .iter()
        .map(|part| part.key.as_str())
        .collect();
    let sizes = landing.sizes(&keys)?;
    let found = manifest.parts.iter().zip(sizes);
    let missing = found.filter(|(part, size)| *size != Some(part.bytes));
    Ok(missing.map(|(part, _)| part.clone()).collect())
}

/// One store, one place, and the way between them.
struct Carrier<'a> {
    store: &'a Store,
    landing: &'a mut dyn Landing,
    pace: &'a Pace,
    progress: &'a dyn Fn(u64, u64),
}

impl Carrier<'_> {
    /// The store's manifest of a step with its file; inside, why it is none.
    fn manifest(&self, step: u64) -> Result<Result<(Manifest, Bytes), String>, StoreError> {
        let Some(file) = self.get(&key::manifest(step))? else {
            return Ok(Err(format!("step {step} was removed meanwhile")));
        };
        let decoded = Manifest::decode(&file, step);
        Ok(decoded
            .map(|manifest| (manifest, file))
            .map_err(|verdict| format!("step {step} is not brought: {verdict}")))
    }

    /// Brings one checkpoint; inside, the bytes that were sent, or why it cannot ever be.
    fn bring(
        &mut self,
        manifest: &Manifest,
        file: &Bytes,
    ) -> Result<Result<u64, String>, ShipError> {
        let step = manifest.step;
        if let Some(there) = self::manifest(&mut *self.landing, step)?
            && !there.has_the_state_of(manifest)
        {
            let other = there.job.short();
            let why = format!("another checkpoint of that step is there, of job {other}");
            return Ok(Err(why));
        }
        let missing = missing(&mut *self.landing, manifest)?;
        let whole = missing.iter().map(|part| part.bytes).sum::<u64>() + file.len() as u64;
        let mut sent = 0;
        for part in &missing {
            let Some(bytes) = self.get(&part.key)? else {
                return Ok(Err(format!("its part {} is missing", part.name)));
            };
            if Sha256::of(&bytes) != part.sha256 {
                let why = format!("its part {} is not what its digest says", part.name);
                return Ok(Err(why));
            }
            sent = self.send(&part.key, &bytes, &part.sha256, (sent, whole))?;
        }
        let sent = self.send(&key::manifest(step), file, &Sha256::of(file), (sent, whole))?;
        Ok(Ok(sent))
    }

    /// Sends what has not arrived of an object, and has it take its place. Of all that is to be sent,
    /// `sent` was before; gives what is then.
    fn send(
        &mut self,
        key: &str,
        bytes: &Bytes,
        sha256: &Sha256,
        (mut sent, whole): (u64, u64),
    ) -> Result<u64, ShipError> {
        let arrived = usize::try_from(self.landing.arrived(key)?).unwrap_or(usize::MAX);
        let mut from = if arrived <= bytes.len() { arrived } else { 0 };
        if bytes.is_empty() {
            self.landing.add(key, 0, &[])?;
        }
        while from < bytes.len() {
            let piece = bytes.slice(from..bytes.len().min(from + PIECE_BYTES));
            self.landing.add(key, from as u64, &piece)?;
            from += piece.len();
            sent += piece.len() as u64;
            (self.progress)(sent, whole);
            self.wait_for(piece.len() as u64)?;
        }
        if self.landing.settle(key, sha256)? {
            return Ok(sent);
        }
        Err(ShipError::Stage(StageError {
            operation: "write",
            place: key.to_owned(),
            why: "it did not arrive as it was sent; it is sent anew".to_owned(),
        }))
    }

    fn wait_for(&self, bytes: u64) -> Result<(), StoreError> {
        let pause = (self.pace)(bytes);
        match pause.is_zero() {
            true => Ok(()),
            false => self
                .store
                .wait(async move { tokio::time::sleep(pause).await }),
        }
    }

    fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        let (store, key) = (self.store.clone(), key.to_owned());
        self.store.wait(async move { store.get(&key).await })?
    }
}
