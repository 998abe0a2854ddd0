//! Removes old checkpoints.
//!
//! Rules: only those of the same job that are known to be good go, only when `keep` newer good ones
//! are there, and the manifest goes before its parts, so that a half-removed one is no checkpoint.
//! What a run that was killed left without a manifest goes too, once it lies behind all that is kept.

use std::collections::BTreeSet;

use super::{Manifest, key, read};
use crate::{JobDigest, Store, StoreError};

/// Steps among `good` that may go when `keep` newest are to stay.
pub(super) fn surplus(good: &BTreeSet<u64>, keep: usize) -> Vec<u64> {
    let stay = keep.max(1);
    good.iter().rev().skip(stay).copied().collect()
}

/// Steps of `job` that are good as far as manifests and sizes say.
pub(super) async fn good_steps(
    store: &Store,
    job: &JobDigest,
) -> Result<BTreeSet<u64>, StoreError> {
    let mut good = BTreeSet::new();
    for step in read::steps(store).await? {
        if let Ok(manifest) = read::manifest(store, step).await?
            && manifest.job == *job
            && read::sizes(store, &manifest).await?.is_ok()
        {
            good.insert(step);
        }
    }
    Ok(good)
}

/// Removes the checkpoint of `step`, if it is of `job`.
pub(super) async fn remove_one(
    store: &Store,
    job: &JobDigest,
    step: u64,
) -> Result<(), StoreError> {
    let Ok(Manifest {
        job: found, parts, ..
    }) = read::manifest(store, step).await?
    else {
        return Ok(());
    };
    if found != *job {
        return Ok(());
    }
    store.remove(vec![key::manifest(step)]).await?;
    let keys = parts
        .into_iter()
        .map(|part| part.key)
        .filter(|part| is_of(part, job, |own| own == step))
        .collect();
    store.remove(keys).await
}

/// Removes parts of `job` from before the step `oldest` that no manifest names.
pub(super) async fn sweep(store: &Store, job: &JobDigest, oldest: u64) -> Result<(), StoreError> {
    let with_manifest: BTreeSet<u64> = read::steps(store).await?.into_iter().collect();
    let left_over = |own: u64| own < oldest && !with_manifest.contains(&own);
    let entries = store.list(key::PARTS).await?;
    let keys = entries
        .into_iter()
        .map(|entry| entry.key)
        .filter(|part| is_of(part, job, left_over))
        .collect();
    store.remove(keys).await
}

fn is_of(part: &str, job: &JobDigest, fits: impl Fn(u64) -> bool) -> bool {
    key::job_and_step_of_part(part).is_some_and(|(own, step)| own == job.short() && fits(step))
}

/// Removes every checkpoint under the store's prefix, of whatever job; objects that are not parts of
/// a checkpoint stay. Returns how many checkpoints it were.
pub fn remove_all(store: &Store) -> Result<usize, StoreError> {
    let store = store.clone();
    store.clone().wait(async move {
        let manifests = keys(&store, key::MANIFESTS, |key| {
            key::step_of_manifest(key).is_some()
        });
        let manifests = manifests.await?;
        let count = manifests.len();
        store.remove(manifests).await?;
        let parts = keys(&store, key::PARTS, |key| {
            key::job_and_step_of_part(key).is_some()
        });
        store.remove(parts.await?).await?;
        Ok(count)
    })?
}

async fn keys(
    store: &Store,
    folder: &str,
    is_ours: impl Fn(&str) -> bool,
) -> Result<Vec<String>, StoreError> {
    let entries = store.list(folder).await?;
    Ok(entries
        .into_iter()
        .map(|entry| entry.key)
        .filter(|key| is_ours(key))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_stay() {
        let good = BTreeSet::from([2, 4, 6, 8]);
        assert_eq!(surplus(&good, 2), [4, 2]);
        assert_eq!(surplus(&good, 4), Vec::<u64>::new());
        assert_eq!(surplus(&good, 9), Vec::<u64>::new());
        assert_eq!(surplus(&good, 0), [6, 4, 2], "one always stays");
        assert!(surplus(&BTreeSet::new(), 1).is_empty());
    }
}
