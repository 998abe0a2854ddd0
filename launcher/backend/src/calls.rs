//! How often a batch system was called: what a site's admins want to know of its guests.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::BackendError;

/// Calls made, and those of them that failed.
#[derive(Debug, Default)]
pub struct Calls {
    made: AtomicU64,
    failed: AtomicU64,
}

impl Calls {
    /// Counts a call by what came of it.
    ///
    /// # Errors
    /// The call's own.
    pub fn count<T>(&self, outcome: Result<T, BackendError>) -> Result<T, BackendError> {
        self.made.fetch_add(1, Ordering::Relaxed);
        if outcome.is_err() {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }

    /// All calls, and those that failed.
    pub fn so_far(&self) -> (u64, u64) {
        let failed = self.failed.load(Ordering::Relaxed);
        (self.made.load(Ordering::Relaxed), failed)
    }
}
