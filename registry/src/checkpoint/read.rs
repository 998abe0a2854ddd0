//! Finds checkpoints and looks whether they are good.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use serde::Serialize;

use super::{Checkpoint, Manifest, PartEntry, Verdict, key};
use crate::{JobDigest, Sha256, Store, StoreError};

/// Parts that are read at once.
const READS_AT_ONCE: usize = 4;

/// What [`newest`] found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The newest good one.
    pub checkpoint: Option<Checkpoint>,
    /// Newer ones that are not good, the newest first.
    pub skipped: Vec<Skipped>,
}

/// A checkpoint that was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its step.
    pub step: u64,
    /// Why.
    pub reason: Verdict,
}

impl std::fmt::Display for Skipped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "step {} is {}", self.step, self.reason)
    }
}

/// A line of [`list`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Listed {
    /// Optimizer steps that it holds.
    pub step: u64,
    /// What its manifest says; absent where that cannot be read.
    #[serde(flatten)]
    pub said: Option<Said>,
    /// What a look at it says.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What a manifest says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Said {
    /// Generation of the attempt that wrote it.
    pub generation: u64,
    /// The job it belongs to.
    pub job: JobDigest,
    /// Size of its parts.
    pub bytes: u64,
    /// When it was written, in milliseconds since 1970.
    pub written_at_unix_ms: u64,
    /// Version of the program that wrote it.
    pub writer: String,
}

impl Said {
    /// Time since it was written.
    pub fn age(&self, now: SystemTime) -> Duration {
        let written = UNIX_EPOCH + Duration::from_millis(self.written_at_unix_ms);
        now.duration_since(written).unwrap_or_default()
    }
}

/// The newest good checkpoint, of `job` where that is given. All its bytes are verified.
///
/// A damaged one is passed over; a store that cannot be read is an error.
pub fn newest(store: &Store, job: Option<&JobDigest>) -> Result<Found, StoreError> {
    let (store, job) = (store.clone(), job.copied());
    store
        .clone()
        .wait(async move { find_newest(&store, job).await })?
}

async fn find_newest(store: &Store, job: Option<JobDigest>) -> Result<Found, StoreError> {
    let mut skipped = Vec::new();
    for step in steps(store).await?.into_iter().rev() {
        match load(store, step, job).await? {
            Ok(checkpoint) => {
                return Ok(Found {
                    checkpoint: Some(checkpoint),
                    skipped,
                });
            }
            Err(reason) => skipped.push(Skipped { step, reason }),
        }
    }
    Ok(Found {
        checkpoint: None,
        skipped,
    })
}

/// All checkpoints, the newest first. With `verify` every byte is read; without, only manifests are,
/// and sizes are compared.
pub fn list(store: &Store, verify: bool) -> Result<Vec<Listed>, StoreError> {
    let store = store.clone();
    store
        .clone()
        .wait(async move { list_all(&store, verify).await })?
}

async fn list_all(store: &Store, verify: bool) -> Result<Vec<Listed>, StoreError> {
    let mut listed = Vec::new();
    for step in steps(store).await?.into_iter().rev() {
        let (said, verdict) = match manifest(store, step).await? {
            Err(verdict) => (None, verdict),
            Ok(manifest) => {
                let looked = if verify {
                    parts(store, &manifest).await?.err()
                } else {
                    sizes(store, &manifest).await?.err()
                };
                let said = Said {
                    generation: manifest.generation,
                    job: manifest.job,
                    bytes: manifest.bytes(),
                    written_at_unix_ms: manifest.written_at_unix_ms,
                    writer: manifest.writer,
                };
                (Some(said), looked.unwrap_or(Verdict::Good))
            }
        };
        listed.push(Listed {
            step,
            said,
            verdict,
        });
    }
    Ok(listed)
}

/// Steps that have a manifest, the oldest first.
pub(super) async fn steps(store: &Store) -> Result<Vec<u64>, StoreError> {
    let entries = store.list(key::MANIFESTS).await?;
    let mut steps: Vec<_> = entries
        .iter()
        .filter_map(|entry| key::step_of_manifest(&entry.key))
        .collect();
    steps.sort_unstable();
    Ok(steps)
}

/// The manifest of a step; inside, why it is none.
pub(super) async fn manifest(
    store: &Store,
    step: u64,
) -> Result<Result<Manifest, Verdict>, StoreError> {
    let file = store.get(&key::manifest(step)).await?;
    let gone = || Verdict::Torn {
        reason: "its manifest is gone".into(),
    };
    Ok(file
        .ok_or_else(gone)
        .and_then(|file| Manifest::decode(&file, step)))
}

/// The checkpoint of a step, verified; inside, why it cannot be taken.
async fn load(
    store: &Store,
    step: u64,
    job: Option<JobDigest>,
) -> Result<Result<Checkpoint, Verdict>, StoreError> {
    let manifest = match manifest(store, step).await? {
        Ok(manifest) => manifest,
        Err(verdict) => return Ok(Err(verdict)),
    };
    if job.is_some_and(|job| job != manifest.job) {
        return Ok(Err(Verdict::OtherJob { job: manifest.job }));
    }
    let parts = parts(store, &manifest).await?;
    Ok(parts.map(|parts| Checkpoint { manifest, parts }))
}

/// The parts of a manifest, verified; inside, what is wrong with them.
async fn parts(
    store: &Store,
    manifest: &Manifest,
) -> Result<Result<BTreeMap<String, Bytes>, Verdict>, StoreError> {
    let reads = manifest.parts.clone().into_iter().map(|entry| async move {
        let found = store.get(&entry.key).await?;
        let looked = examine(&entry, found.as_ref().map(|bytes| bytes.len() as u64));
        Ok(looked.and_then(|()| {
            let bytes = found.unwrap_or_default();
            if Sha256::of(&bytes) == entry.sha256 {
                Ok((entry.name, bytes))
            } else {
                Err(Verdict::Tampered {
                    reason: format!("its part {} is not what its digest says", entry.name),
                })
            }
        }))
    });
    let read: Vec<_> = futures_util::stream::iter(reads)
        .buffered(READS_AT_ONCE)
        .try_collect()
        .await?;
    Ok(read.into_iter().collect())
}

/// Whether the parts of a manifest are there in the right sizes.
pub(super) async fn sizes(
    store: &Store,
    manifest: &Manifest,
) -> Result<Result<(), Verdict>, StoreError> {
    for entry in &manifest.parts {
        let looked = examine(entry, store.bytes_of(&entry.key).await?);
        if looked.is_err() {
            return Ok(looked);
        }
    }
    Ok(Ok(()))
}

/// Compares what was found of a part with what its manifest says.
fn examine(entry: &PartEntry, found: Option<u64>) -> Result<(), Verdict> {
    let PartEntry { name, bytes, .. } = entry;
    match found {
        None => Err(Verdict::Torn {
            reason: format!("its part {name} is missing"),
        }),
        Some(found) if found != *bytes => Err(Verdict::Torn {
            reason: format!("its part {name} has {found} of {bytes} bytes"),
        }),
        Some(_) => Ok(()),
    }
}
