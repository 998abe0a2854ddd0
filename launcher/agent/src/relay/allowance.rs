//! How fast may be sent.
//!
//! Rules: what is sent is paid for afterwards, by waiting; a second's worth may be sent at once after
//! a quiet time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So much of the allowance is kept while nothing is sent.
const KEPT_MS: f64 = 1_000.0;

/// An allowance that several spend from.
#[derive(Clone, Debug)]
pub struct Bandwidth {
    allowance: Arc<Mutex<Allowance>>,
    begun: Instant,
}

impl Bandwidth {
    /// `most` bytes a second; as many as there are where absent.
    pub fn new(most: Option<u64>) -> Self {
        Self {
            allowance: Arc::new(Mutex::new(Allowance::new(most))),
            begun: Instant::now(),
        }
    }

    /// So many bytes went out; the next may go after this.
    pub fn spend(&self, bytes: u64) -> Duration {
        let now_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let allowance = self.allowance.lock();
        let mut allowance = allowance.unwrap_or_else(PoisonError::into_inner);
        Duration::from_millis(allowance.spend(bytes, now_ms))
    }
}

/// An allowance of so many bytes a second.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    bytes_a_ms: f64,
    /// All that was sent so far is paid for then.
    paid_ms: f64,
}

impl Allowance {
    fn new(most: Option<u64>) -> Self {
        let bytes_a_ms = most.map_or(f64::INFINITY, |most| most.max(1) as f64 / 1_000.0);
        let paid_ms = f64::NEG_INFINITY;
        Self {
            bytes_a_ms,
            paid_ms,
        }
    }

    /// So many bytes go out at `now_ms`; the next may go so many milliseconds later.
    fn spend(&mut self, bytes: u64, now_ms: u64) -> u64 {
        let now_ms = now_ms as f64;
        let from_ms = self.paid_ms.max(now_ms - KEPT_MS);
        self.paid_ms = from_ms + bytes as f64 / self.bytes_a_ms;
        (self.paid_ms - now_ms).max(0.0).ceil() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_second_at_once_and_then_at_the_pace() {
        let mut allowance = Allowance::new(Some(1_000));
        assert_eq!(allowance.spend(1_000, 50_000), 0);
        assert_eq!(allowance.spend(500, 50_000), 500);
        assert_eq!(allowance.spend(500, 50_500), 500);
        assert_eq!(allowance.spend(2_000, 60_000), 1_000);
        assert_eq!(Allowance::new(None).spend(u64::MAX, 0), 0);
    }

    proptest! {
        #[test]
        fn never_more_than_the_allowance(
            sends in proptest::collection::vec((0..50_000_u64, 0..3_000_u64), 1..50),
            most in 1..100_000_u64,
        ) {
            let mut allowance = Allowance::new(Some(most));
            let (mut now, mut sent) = (10_000, 0);
            for (bytes, idle) in sends {
                sent += bytes;
                now += idle + allowance.spend(bytes, now);
            }
            // A second's worth was free at the beginning.
            let allowed = (now - 10_000 + 1_000) as f64 * most as f64 / 1_000.0;
            prop_assert!(sent as f64 <= allowed + 1.0, "{sent} of {allowed}");
        }
    }
}
