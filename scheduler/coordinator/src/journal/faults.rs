//! Crashes at a chosen commit, so that tests can walk through all of them.
//!
//! Rules: off unless a caller asks. Counted are the commits of facts, of what agents told and of
//! snapshots, in their order, from 1; not those of leases, which come by the clock.

use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a journal does wrong on purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Where the process is aborted.
    pub crash_at: Option<CrashPoint>,
}

/// Where the process is aborted; read from `before:3` or `after:3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashPoint {
    /// Right before this commit, with everything else of its transaction done.
    Before(u64),
    /// Right after it.
    After(u64),
}

/// A text that is no crash point.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read `{text}` as a crash point: expected before:N or after:N, from 1")]
pub struct CrashPointError {
    text: String,
}

impl FromStr for CrashPoint {
    type Err = CrashPointError;

    fn from_str(text: &str) -> Result<Self, CrashPointError> {
        let read = || {
            let (side, count) = text.split_once(':')?;
            let count = count.parse().ok().filter(|count| *count > 0)?;
            match side {
                "before" => Some(Self::Before(count)),
                "after" => Some(Self::After(count)),
                _ => None,
            }
        };
        read().ok_or_else(|| CrashPointError {
            text: text.to_owned(),
        })
    }
}

/// Counts commits and crashes at the chosen one.
#[derive(Debug, Default)]
pub(super) struct Commits {
    faults: Faults,
    begun: AtomicU64,
}

impl Commits {
    pub(super) fn new(faults: Faults) -> Self {
        Self {
            faults,
            begun: AtomicU64::new(0),
        }
    }

    /// A commit is about to be made; gives its number.
    pub(super) fn before(&self) -> u64 {
        let number = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
        self.crash_if(CrashPoint::Before(number));
        number
    }

    /// That commit was made.
    pub(super) fn after(&self, number: u64) {
        self.crash_if(CrashPoint::After(number));
    }

    fn crash_if(&self, here: CrashPoint) {
        if self.faults.crash_at == Some(here) {
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crash_points_are_read() {
        assert_eq!("before:3".parse(), Ok(CrashPoint::Before(3)));
        assert_eq!("after:1".parse(), Ok(CrashPoint::After(1)));
        for text in ["", "before", "after:0", "within:1", "after:-1"] {
            assert!(text.parse::<CrashPoint>().is_err(), "{text}");
        }
    }
}
