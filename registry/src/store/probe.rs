//! Finds out whether a store keeps its word about create-only puts.
//!
//! Some stores ignore the condition, answer that all is well, and overwrite. Two writers that both
//! rely on it would then both believe that they were first.

use std::hash::{BuildHasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::{Store, StoreError};

/// What a store makes of a create-only put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conditional {
    /// The second one was refused, as it should be.
    Holds,
    /// The second one overwrote the first.
    Ignored,
    /// The store refuses the request itself.
    Unsupported,
}

impl Conditional {
    /// What to tell the user, where the store does not guard against a second writer.
    pub fn warning(self) -> Option<&'static str> {
        match self {
            Self::Holds => None,
            Self::Ignored => Some(
                "the store ignores create-only puts and overwrites: checkpoints are checked by \
                 reading them back; keep two runs from writing under one prefix",
            ),
            Self::Unsupported => Some(
                "the store does not know create-only puts: checkpoints are checked by reading them \
                 back; keep two runs from writing under one prefix",
            ),
        }
    }
}

impl Store {
    /// The probe's answer, asked for once.
    pub(crate) async fn conditional(&self) -> Result<Conditional, StoreError> {
        if let Some(known) = self.inner.conditional.get() {
            return Ok(*known);
        }
        let key = format!("probe-{:016x}", nonce());
        let answer = self.try_twice(&key).await;
        // An object that is left over says nothing wrong and disturbs nobody.
        self.remove(vec![key]).await.ok();
        answer.inspect(|found| {
            self.inner.conditional.set(*found).ok();
        })
    }

    async fn try_twice(&self, key: &str) -> Result<Conditional, StoreError> {
        let first = Bytes::from_static(b"first");
        if let Err(refused) = self.create(key, first.clone()).await {
            // Is it the condition that the store does not take, or any write at all?
            return match self.put(key, first).await {
                Ok(()) => Ok(Conditional::Unsupported),
                Err(_) => Err(refused),
            };
        }
        match self.create(key, Bytes::from_static(b"second")).await {
            Ok(()) => Ok(Conditional::Ignored),
            // The refusal is believed only if the first one is still there.
            Err(error) if error.is_already_there() => match self.get(key).await? {
                Some(found) if found == first => Ok(Conditional::Holds),
                _ => Ok(Conditional::Ignored),
            },
            Err(error) => Err(error),
        }
    }
}

/// A number that no other process has.
fn nonce() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = since.map_or(0, |since| since.as_nanos());
    // The standard library seeds every one of these anew from the system's random numbers.
    RandomState::new().hash_one((now, std::process::id()))
}
