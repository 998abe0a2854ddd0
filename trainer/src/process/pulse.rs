//! Signs of life: what this rank is doing, told about once a second by a thread of its own.
//!
//! Whoever watches can then tell a rank that is stopped (no beat), one that is stuck in its own
//! work (a beat that says so for too long) and one that waits for others.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use schliff_spec::event::{Beat, Doing};

/// Time between two beats.
const EVERY: Duration = Duration::from_secs(1);

/// What is being done, since when.
#[derive(Debug)]
pub struct Pulse {
    now: Mutex<Now>,
    ended: Condvar,
}

#[derive(Debug)]
struct Now {
    step: usize,
    doing: Doing,
    since: Instant,
    is_over: bool,
}

impl Default for Pulse {
    fn default() -> Self {
        Self {
            now: Mutex::new(Now {
                step: 0,
                doing: Doing::Preparing,
                since: Instant::now(),
                is_over: false,
            }),
            ended: Condvar::new(),
        }
    }
}

impl Pulse {
    /// Something else is done from now on.
    pub fn turn_to(&self, doing: Doing) {
        self.change(|now| now.doing = doing);
    }

    /// So many steps are done.
    pub fn step(&self, step: usize) {
        self.change(|now| now.step = step);
    }

    /// Ends [`Self::beat_until_over`].
    pub fn end(&self) {
        self.change(|now| now.is_over = true);
        self.ended.notify_all();
    }

    /// Tells of every beat until [`Self::end`] is called.
    pub fn beat_until_over(&self, tell: impl Fn(Beat)) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        while !now.is_over {
            let beat = Beat {
                step: now.step,
                doing: now.doing,
                for_ms: u64::try_from(now.since.elapsed().as_millis()).unwrap_or(u64::MAX),
            };
            // The work must not wait for whoever reads the beats.
            drop(now);
            tell(beat);
            now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
            if !now.is_over {
                let waited = self.ended.wait_timeout(now, EVERY);
                now = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut Now)) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut now);
        now.since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beats_say_what_is_being_done_and_end() {
        let pulse = Pulse::default();
        pulse.step(3);
        pulse.turn_to(Doing::Reducing);
        let beats = Mutex::new(Vec::new());
        pulse.beat_until_over(|beat| {
            beats.lock().expect("beats").push(beat);
            pulse.end();
        });
        let beats = beats.into_inner().expect("beats");
        assert_eq!(beats.len(), 1);
        assert_eq!((beats[0].step, beats[0].doing), (3, Doing::Reducing));
    }
}
