//! The wall clock: the one place of this crate that reads it.

use std::time::{SystemTime, UNIX_EPOCH};

use schliff_scheduler::time::Timestamp;

/// Now.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since_ms = since.map_or(0, |since| since.as_millis());
    Timestamp(u64::try_from(since_ms).unwrap_or(u64::MAX))
}

/// As the wire has it.
pub(crate) fn wire_ms(at: Timestamp) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}
