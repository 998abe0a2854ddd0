//! How often somebody may ask: a bucket of tokens each, filled at a steady rate.
//!
//! Rules: who is refused is told how long to wait; one who asks too often takes nothing from others.
//! The number of buckets is bounded: full ones are forgotten, which changes nothing.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use schliff_scheduler::time::Timestamp;

/// How much somebody may ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Requests a second, in the long run.
    pub per_second: f64,
    /// Requests at once.
    pub burst: f64,
}

/// Buckets that are remembered.
const MOST_BUCKETS: usize = 20_000;

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Timestamp,
}

impl Bucket {
    fn full(rate: Rate, at: Timestamp) -> Self {
        Self {
            tokens: rate.burst,
            at,
        }
    }

    fn fill(&mut self, rate: Rate, now: Timestamp) {
        let gained = now.since(self.at) as f64 / 1_000.0 * rate.per_second;
        self.tokens = (self.tokens + gained).min(rate.burst);
        self.at = now;
    }

    fn take(&mut self, rate: Rate, now: Timestamp) -> Result<(), u32> {
        self.fill(rate, now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        let wait_ms = (1.0 - self.tokens) / rate.per_second.max(1e-3) * 1_000.0;
        Err(wait_ms.ceil() as u32)
    }
}

/// A bucket for each who asks.
#[derive(Debug)]
pub(crate) struct Limiter<Who> {
    buckets: Mutex<HashMap<Who, Bucket>>,
}

impl<Who: Eq + Hash> Limiter<Who> {
    pub(crate) fn new() -> Self {
        Self {
            buckets: Mutex::new(HashMap::new()),
        }
    }

    /// Counts one request.
    ///
    /// # Errors
    /// Milliseconds to wait.
    pub(crate) fn take(&self, who: Who, rate: Rate, now: Timestamp) -> Result<(), u32> {
        // A panic elsewhere leaves counts that are as good as any.
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST_BUCKETS && !buckets.contains_key(&who) {
            forget_idle(&mut buckets, now);
        }
        let bucket = buckets
            .entry(who)
            .or_insert_with(|| Bucket::full(rate, now));
        bucket.take(rate, now)
    }
}

/// One that nobody used for a minute is as good as full.
fn forget_idle<Who: Eq + Hash>(buckets: &mut HashMap<Who, Bucket>, now: Timestamp) {
    const IDLE_MS: u64 = 60_000;
    buckets.retain(|_, bucket| now.since(bucket.at) < IDLE_MS);
    if buckets.len() >= MOST_BUCKETS {
        // So many are busy: being generous to all of them once beats growing without end.
        buckets.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        per_second: 10.0,
        burst: 3.0,
    };

    #[test]
    fn a_burst_goes_through_and_then_the_rate_holds() {
        let limiter = Limiter::new();
        let at = |ms| limiter.take("a", RATE, Timestamp(ms));
        assert_eq!([at(0), at(0), at(0)], [Ok(()); 3]);
        assert_eq!(at(0), Err(100));
        assert_eq!(at(50), Err(50));
        assert_eq!(at(100), Ok(()));
        assert_eq!(at(101), Err(99));
    }

    #[test]
    fn nobody_pays_for_others_and_clocks_may_jump_back() {
        let limiter = Limiter::new();
        for _ in 0..3 {
            assert_eq!(limiter.take("flood", RATE, Timestamp(9_000)), Ok(()));
        }
        assert!(limiter.take("flood", RATE, Timestamp(5_000)).is_err());
        assert_eq!(limiter.take("other", RATE, Timestamp(5_000)), Ok(()));
    }

    #[test]
    fn the_memory_of_who_asked_is_bounded() {
        let limiter = Limiter::new();
        for who in 0..3 * MOST_BUCKETS {
            assert_eq!(limiter.take(who, RATE, Timestamp(0)), Ok(()));
        }
        assert!(limiter.buckets.lock().unwrap().len() <= MOST_BUCKETS);
    }
}
