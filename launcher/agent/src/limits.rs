//! How long things may take.
//!
//! Rule: bounds on ranks are generous, for a slow machine is no failure; bounds on an end that was
//! asked for are short.

/// Time limits of supervision, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From a rank's start to its first sign of life.
    pub start_ms: u64,
    /// Between two signs of life.
    pub silent_ms: u64,
    /// A step may take so long, whatever steps took before.
    pub hang_ms: u64,
    /// A step may take so many times what recent steps took.
    pub hang_factor: u64,
    /// After a rank lost its peers, the rank that caused it may show itself for so long.
    pub grace_ms: u64,
    /// From the request to end to the kill.
    pub end_ms: u64,
    /// From a rank's last word to its end.
    pub linger_ms: u64,
    /// An absent node may return for so long.
    pub absent_ms: u64,
    /// A lost node may return for so long where the job can do without it.
    pub return_ms: u64,
}

/// Signs of life come about once a second.
const SILENT_MS: u64 = 15_000;
/// Longer than a short cut of the network: its node is the same one afterwards.
const RETURN_MS: u64 = 20_000;

impl Limits {
    /// Limits where a step may hang for `hang_ms` before it counts as lost.
    pub fn of_hang(hang_ms: u64) -> Self {
        Self {
            start_ms: 120_000,
            silent_ms: SILENT_MS.min(hang_ms),
            hang_ms,
            hang_factor: 10,
            grace_ms: 1_500,
            end_ms: 3_000,
            linger_ms: 10_000,
            absent_ms: 120_000,
            return_ms: RETURN_MS.min(hang_ms),
        }
    }

    /// No limits, for work that is no training: it takes as long as it takes.
    pub fn none() -> Self {
        Self {
            start_ms: u64::MAX,
            silent_ms: u64::MAX,
            hang_ms: u64::MAX,
            ..Self::default()
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::of_hang(120_000)
    }
}
