//! Puts one snapshot into a store: parts first, manifest last, then looks whether it is there.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use thiserror::Error;

use super::{Manifest, Snapshot, key};
use crate::{Conditional, Store, StoreError};

/// Parts that are written at once.
const WRITES_AT_ONCE: usize = 4;

/// A snapshot could not be committed.
#[derive(Debug, Error)]
pub(super) enum CommitError {
    /// The store failed: another try may help.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The step is taken: another try cannot help.
    #[error(
        "step {step} is in {uri} already with another content, written by generation {generation} \
         of job {job}; two runs must not share one prefix"
    )]
    Conflict {
        step: u64,
        uri: String,
        generation: u64,
        job: String,
    },
    /// The snapshot is not one that can be written.
    #[error("step {step} cannot be written: {reason}")]
    Unfit { step: u64, reason: String },
}

/// Commits `snapshot`, whose manifest is `manifest`. When this is well, the checkpoint was found in
/// the store.
pub(super) async fn commit(
    store: &Store,
    snapshot: &Snapshot,
    manifest: &Manifest,
) -> Result<(), CommitError> {
    let step = snapshot.step;
    fitness(snapshot)?;
    let file = manifest.encode().map_err(|error| CommitError::Unfit {
        step,
        reason: error.to_string(),
    })?;
    let conditional = store.conditional().await?;
    let keys = manifest.parts.iter().map(|entry| entry.key.clone());
    let bytes = snapshot.parts.iter().map(|part| part.bytes.clone());
    // Owned values, because the stream below outlives what a closure may borrow.
    let writes: Vec<(String, Bytes)> = keys.zip(bytes).collect();
    let writes = writes
        .into_iter()
        .map(|(key, bytes)| write_part(store, key, bytes));
    futures_util::stream::iter(writes)
        .buffer_unordered(WRITES_AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    write_manifest(store, conditional, manifest, file.into()).await
}

/// Whether the names of the parts can be keys.
fn fitness(snapshot: &Snapshot) -> Result<(), CommitError> {
    let mut names = BTreeSet::new();
    let bad = snapshot
        .parts
        .iter()
        .find(|part| !key::is_part_name(part.name) || !names.insert(part.name));
    bad.map_or(Ok(()), |part| {
        Err(CommitError::Unfit {
            step: snapshot.step,
            reason: format!("the name of part {:?} is none or is there twice", part.name),
        })
    })
}

/// Writes a part even where it is there already, which heals one that was damaged.
async fn write_part(store: &Store, key: String, bytes: Bytes) -> Result<(), StoreError> {
    let written = bytes.len() as u64;
    store.put(&key, bytes).await?;
    let found = store.bytes_of(&key).await?;
    if found == Some(written) {
        return Ok(());
    }
    Err(StoreError::NotAsWritten {
        key,
        uri: store.uri().to_owned(),
        found: found.map_or("nothing".into(), |found| {
            format!("{found} of {written} bytes")
        }),
    })
}

/// Writes a manifest whose parts are there, and looks whether it is there then.
pub(super) async fn write_manifest(
    store: &Store,
    conditional: Conditional,
    manifest: &Manifest,
    file: Bytes,
) -> Result<(), CommitError> {
    let key = key::manifest(manifest.step);
    if let Some(found) = store.get(&key).await? {
        match Manifest::decode(&found, manifest.step) {
            Ok(found) => return compare(store, manifest, &found),
            // A damaged manifest commits nothing, and it would bar this step for ever.
            Err(_) => store.remove(vec![key.clone()]).await?,
        }
    }
    let written = match conditional {
        Conditional::Holds => store.create(&key, file).await,
        Conditional::Ignored | Conditional::Unsupported => store.put(&key, file).await,
    };
    match written {
        Ok(()) => {}
        // Somebody was faster, or an answer was lost on the way and this is our own.
        Err(error) if error.is_already_there() => {}
        Err(error) => return Err(error.into()),
    }
    let not_as_written = |found: &str| StoreError::NotAsWritten {
        key: key.clone(),
        uri: store.uri().to_owned(),
        found: found.to_owned(),
    };
    let found = store.get(&key).await?;
    let found = found.ok_or_else(|| not_as_written("nothing"))?;
    let found = Manifest::decode(&found, manifest.step)
        .map_err(|verdict| not_as_written(&verdict.to_string()))?;
    compare(store, manifest, &found)
}

/// Whether the manifest that is in the store commits our state.
fn compare(store: &Store, ours: &Manifest, found: &Manifest) -> Result<(), CommitError> {
    if found.has_the_state_of(ours) {
        return Ok(());
    }
    Err(CommitError::Conflict {
        step: ours.step,
        uri: store.uri().to_owned(),
        generation: found.generation,
        job: found.job.short(),
    })
}
