//! How often one may log in.
//!
//! Rules: LG-1 never more than so many log-ins in any 60 s. LG-2 after a failed one the next waits,
//! twice as long each time, up to a minute: a site that is down, or that locks accounts out after some
//! failures, is left in peace. Pure: whoever asks brings the time.

use std::collections::VecDeque;
use std::time::Duration;

const WINDOW: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Lets log-ins through, or tells how long to wait. Times count from any fixed moment.
#[derive(Clone, Debug)]
pub struct LoginGate {
    per_minute: usize,
    /// Log-ins of the last minute, oldest first.
    recent: VecDeque<Duration>,
    /// Failures in a row.
    failures: u32,
    /// No log-in before.
    closed_until: Duration,
}

impl LoginGate {
    /// At least one log-in a minute is let through.
    pub fn new(per_minute: u32) -> Self {
        Self {
            per_minute: usize::try_from(per_minute.max(1)).unwrap_or(usize::MAX),
            recent: VecDeque::new(),
            failures: 0,
            closed_until: Duration::ZERO,
        }
    }

    /// Lets a log-in through, which counts from now on.
    ///
    /// # Errors
    /// How long to wait before the next try makes sense.
    pub fn admit(&mut self, now: Duration) -> Result<(), Duration> {
        while self
            .recent
            .front()
            .is_some_and(|then| now.saturating_sub(*then) >= WINDOW)
        {
            self.recent.pop_front();
        }
        let full = self.recent.len() >= self.per_minute;
        let room_at = match self.recent.front() {
            Some(oldest) if full => *oldest + WINDOW,
            _ => Duration::ZERO,
        };
        let open_at = room_at.max(self.closed_until);
        if open_at > now {
            return Err(open_at - now);
        }
        self.recent.push_back(now);
        Ok(())
    }

    /// The last log-in worked.
    pub fn succeeded(&mut self) {
        self.failures = 0;
        self.closed_until = Duration::ZERO;
    }

    /// The last log-in failed.
    pub fn failed(&mut self, now: Duration) {
        let doublings = self.failures.min(6);
        let pause = (FIRST_PAUSE * 2_u32.pow(doublings)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        self.closed_until = now + pause;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn pauses_double_up_to_a_minute_and_end_with_a_success() {
        let mut gate = LoginGate::new(1000);
        let mut now = Duration::ZERO;
        let mut pauses = Vec::new();
        for _ in 0..9 {
            gate.admit(now).expect("open");
            gate.failed(now);
            let pause = gate.admit(now).expect_err("closed");
            pauses.push(pause.as_secs());
            now += pause;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        gate.succeeded();
        assert_eq!(gate.admit(now), Ok(()));
        gate.failed(now);
        assert_eq!(gate.admit(now), Err(ms(1000)));
    }

    #[test]
    fn a_full_minute_tells_when_there_is_room_again() {
        let mut gate = LoginGate::new(2);
        assert_eq!(gate.admit(ms(0)), Ok(()));
        assert_eq!(gate.admit(ms(10_000)), Ok(()));
        assert_eq!(gate.admit(ms(15_000)), Err(ms(45_000)));
        assert_eq!(gate.admit(ms(60_000)), Ok(()));
        assert_eq!(gate.admit(ms(60_000)), Err(ms(10_000)));
    }

    proptest! {
        #[test]
        fn no_minute_sees_more_than_the_cap(
            cap in 1..6_u32,
            tries in prop::collection::vec((0..20_000_u64, any::<bool>()), 1..200),
        ) {
            let (mut gate, mut now, mut granted) = (LoginGate::new(cap), Duration::ZERO, Vec::new());
            for (later_ms, works) in tries {
                now += ms(later_ms);
                match gate.admit(now) {
                    Ok(()) => {
                        granted.push(now);
                        if works { gate.succeeded() } else { gate.failed(now) }
                    }
                    // What it tells is neither too long nor too short.
                    Err(wait) => {
                        prop_assert!(wait <= WINDOW);
                        prop_assert!(gate.clone().admit(now + wait).is_ok());
                        prop_assert!(gate.clone().admit(now + wait - Duration::from_nanos(1)).is_err());
                    }
                }
            }
            for (at, first) in granted.iter().enumerate() {
                let inside = granted[at..].iter().take_while(|then| **then - *first < WINDOW);
                prop_assert!(inside.count() <= cap as usize);
            }
        }
    }
}
