//! A point in time, as the caller tells it. The brain has no clock of its own.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970 (UTC).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// So much later.
    #[must_use]
    pub fn plus(self, span_ms: u64) -> Self {
        Self(self.0.saturating_add(span_ms))
    }

    /// Milliseconds from `earlier` to this; 0 where that lies ahead, as after a clock jumped back.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}ms", self.0)
    }
}

/// A span as people read it: `40 s`, `12 min`, `3 h 05 min`, `2 d 4 h`.
pub fn span(span_ms: u64) -> String {
    let seconds = span_ms / 1_000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match () {
        () if seconds < 120 => format!("{seconds} s"),
        () if minutes < 120 => format!("{minutes} min"),
        () if hours < 48 => format!("{hours} h {:02} min", minutes % 60),
        () => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_as_exact_as_people_want_them() {
        let spans = [0, 119_000, 120_000, 7_199_000, 7_200_000, 172_800_000].map(span);
        assert_eq!(
            spans,
            ["0 s", "119 s", "2 min", "119 min", "2 h 00 min", "2 d 0 h"]
        );
    }

    #[test]
    fn a_clock_that_jumped_back_makes_no_huge_spans() {
        assert_eq!(Timestamp(5).since(Timestamp(9)), 0);
    }
}
