//! The time of day, for listings' dates.

use std::time::{SystemTime, UNIX_EPOCH};

use schliff_scheduler::time::Timestamp;

/// Now; 1970 where the clock is set before it.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let ms = since.map_or(0, |span| span.as_millis());
    Timestamp(u64::try_from(ms).unwrap_or(u64::MAX))
}
