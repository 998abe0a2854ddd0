//! How many remote procedure calls to Slurm's controller were caused, for a metric: one machine
//! serves a whole site, and whoever asks too often is told so by its administrators.
//!
//! Rules: a command counts as the calls that it makes to `slurmctld` (`slurmdbd` is another program).

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of one client.
#[derive(Debug, Default)]
pub struct Calls {
    made: AtomicU64,
    failed: AtomicU64,
}

impl Calls {
    /// So many more are being made.
    pub fn add(&self, calls: u64) {
        self.made.fetch_add(calls, Ordering::Relaxed);
    }

    /// One got no answer, or an error.
    pub fn add_failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Made, and failed ones of those.
    pub fn counts(&self) -> (u64, u64) {
        let failed = self.failed.load(Ordering::Relaxed);
        (self.made.load(Ordering::Relaxed), failed)
    }
}
