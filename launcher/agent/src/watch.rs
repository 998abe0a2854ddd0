//! Signs of life in, suspects out. Pure.
//!
//! Rules: a rank without any sign of life is stopped or its machine is; a rank that works at one
//! step for far longer than its recent steps took hangs; while one rank works and the others wait
//! for it, waiting is no fault. Absent on purpose: a bound on reading and measuring below an hour or
//! so, for both take as long as files and answers do.

use std::collections::VecDeque;

use schliff_spec::event::{Beat, Doing};

use crate::cause::Trouble;
use crate::limits::Limits;

/// Steps whose times are remembered.
const RECENT: usize = 8;
/// Reading and measuring may take so many times the bound of a step.
const UNBOUNDED_FACTOR: u64 = 60;

/// The pulses of one generation's ranks.
#[derive(Clone, Debug)]
pub struct Watch {
    limits: Limits,
    pulses: Vec<Pulse>,
}

/// One rank's signs of life.
#[derive(Clone, Debug)]
struct Pulse {
    /// When it was started or last heard.
    heard_ms: u64,
    beat: Option<Beat>,
    pace: Pace,
    /// It ended or said its last word; nothing is expected of it.
    over: bool,
}

/// How long recent steps took.
#[derive(Clone, Debug, Default)]
struct Pace {
    /// When which step was first seen.
    since: Option<(usize, u64)>,
    recent_ms: VecDeque<u64>,
}

impl Pace {
    fn at(&mut self, step: usize, now_ms: u64) {
        let Some((before, since_ms)) = self.since else {
            self.since = Some((step, now_ms));
            return;
        };
        let steps = step.saturating_sub(before) as u64;
        if let Some(each_ms) = now_ms.saturating_sub(since_ms).checked_div(steps) {
            if self.recent_ms.len() == RECENT {
                self.recent_ms.pop_front();
            }
            self.recent_ms.push_back(each_ms);
            self.since = Some((step, now_ms));
        }
    }

    fn slowest_ms(&self) -> Option<u64> {
        self.recent_ms.iter().max().copied()
    }
}

impl Watch {
    /// Begins with ranks that were started at `now_ms`.
    pub fn new(ranks: usize, limits: Limits, now_ms: u64) -> Self {
        let pulse = Pulse {
            heard_ms: now_ms,
            beat: None,
            pace: Pace::default(),
            over: false,
        };
        Self {
            limits,
            pulses: vec![pulse; ranks],
        }
    }

    /// A rank gave a sign of life.
    pub fn beat(&mut self, rank: usize, beat: Beat, now_ms: u64) {
        if let Some(pulse) = self.pulses.get_mut(rank) {
            pulse.heard_ms = now_ms;
            pulse.pace.at(beat.step, now_ms);
            pulse.beat = Some(beat);
        }
    }

    /// Nothing more is expected of a rank.
    pub fn over(&mut self, rank: usize) {
        if let Some(pulse) = self.pulses.get_mut(rank) {
            pulse.over = true;
        }
    }

    /// The watcher itself did not run for so long: what it did not hear then is nobody's fault.
    pub fn forgive(&mut self, slept_ms: u64) {
        for pulse in &mut self.pulses {
            pulse.heard_ms = pulse.heard_ms.saturating_add(slept_ms);
        }
    }

    /// The rank that must be taken for lost now, if any.
    pub fn suspect(&self, now_ms: u64) -> Option<(usize, Trouble)> {
        self.silent(now_ms)
            .or_else(|| self.hung())
            .or_else(|| self.stuck())
    }

    /// The rank that has been silent longest, where that is longer than signs of life are apart.
    pub fn quietest(&self, now_ms: u64, apart_ms: u64) -> Option<(usize, u64)> {
        self.living()
            .map(|(rank, pulse)| (rank, now_ms.saturating_sub(pulse.heard_ms)))
            .filter(|(_, quiet_ms)| *quiet_ms > apart_ms)
            .max_by_key(|(_, quiet_ms)| *quiet_ms)
    }

    fn living(&self) -> impl Iterator<Item = (usize, &Pulse)> {
        self.pulses
            .iter()
            .enumerate()
            .filter(|(_, pulse)| !pulse.over)
    }

    fn silent(&self, now_ms: u64) -> Option<(usize, Trouble)> {
        let late = |(rank, pulse): (usize, &Pulse)| {
            let for_ms = now_ms.saturating_sub(pulse.heard_ms);
            let bound_ms = match pulse.beat {
                Some(_) => self.limits.silent_ms,
                None => self.limits.start_ms,
            };
            (for_ms > bound_ms).then_some((rank, for_ms))
        };
        let (rank, for_ms) = self.living().filter_map(late).max_by_key(|late| late.1)?;
        Some((rank, Trouble::Silent { for_ms }))
    }

    fn hung(&self) -> Option<(usize, Trouble)> {
        let over_bound = |(rank, pulse): (usize, &Pulse)| {
            let beat = pulse.beat?;
            let bound_ms = match beat.doing {
                Doing::Computing => self.step_bound_ms(pulse),
                Doing::Preparing | Doing::Measuring => {
                    self.limits.hang_ms.saturating_mul(UNBOUNDED_FACTOR)
                }
                Doing::Joining | Doing::Reducing => return None,
            };
            let hung = beat.for_ms > bound_ms;
            hung.then_some((rank, beat))
        };
        let (rank, beat) = self
            .living()
            .filter_map(over_bound)
            .max_by_key(|(_, beat)| beat.for_ms)?;
        let (doing, for_ms) = (beat.doing, beat.for_ms);
        Some((rank, Trouble::Hung { doing, for_ms }))
    }

    /// All ranks wait for each other, and have done so for longer than a step may take.
    fn stuck(&self) -> Option<(usize, Trouble)> {
        let mut first: Option<(usize, u64)> = None;
        for (rank, pulse) in self.living() {
            let beat = pulse
                .beat
                .filter(|beat| matches!(beat.doing, Doing::Reducing | Doing::Joining))?;
            if beat.for_ms <= self.step_bound_ms(pulse) {
                return None;
            }
            if first.is_none_or(|(_, for_ms)| beat.for_ms < for_ms) {
                first = Some((rank, beat.for_ms));
            }
        }
        first.map(|(rank, for_ms)| (rank, Trouble::Stuck { for_ms }))
    }

    fn step_bound_ms(&self, pulse: &Pulse) -> u64 {
        let factor = self.limits.hang_factor;
        match pulse.pace.slowest_ms() {
            Some(recent_ms) => self.limits.hang_ms.max(recent_ms.saturating_mul(factor)),
            // The first step reads, compiles and warms up.
            None => self.limits.hang_ms.saturating_mul(factor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limits() -> Limits {
        Limits::of_hang(20_000)
    }

    fn beat(step: usize, doing: Doing, for_ms: u64) -> Beat {
        Beat {
            step,
            doing,
            for_ms,
        }
    }

    #[test]
    fn a_stopped_rank_is_found_by_its_silence() {
        let mut watch = Watch::new(2, limits(), 0);
        for now_ms in (0..=30_000).step_by(1_000) {
            watch.beat(0, beat(3, Doing::Reducing, now_ms), now_ms);
            if now_ms <= 4_000 {
                watch.beat(1, beat(3, Doing::Computing, now_ms), now_ms);
            }
            let silent = now_ms > 19_000;
            assert_eq!(watch.suspect(now_ms).is_some(), silent, "at {now_ms}");
        }
        let (rank, trouble) = watch.suspect(30_000).expect("silent");
        assert_eq!((rank, trouble), (1, Trouble::Silent { for_ms: 26_000 }));
        assert_eq!(watch.quietest(30_000, 3_000), Some((1, 26_000)));
    }

    #[test]
    fn a_rank_that_never_speaks_gets_more_time() {
        let watch = Watch::new(1, limits(), 0);
        assert_eq!(watch.suspect(100_000), None);
        assert!(watch.suspect(121_000).is_some());
    }

    #[test]
    fn the_rank_that_others_wait_for_is_blamed() {
        let mut watch = Watch::new(3, limits(), 0);
        for step in 1..4 {
            for rank in 0..3 {
                watch.beat(rank, beat(step, Doing::Computing, 0), step as u64 * 1_000);
            }
        }
        let now_ms = 60_000;
        for rank in [0, 2] {
            watch.beat(rank, beat(3, Doing::Reducing, 57_000), now_ms);
        }
        watch.beat(1, beat(3, Doing::Computing, 15_000), now_ms);
        assert_eq!(watch.suspect(now_ms), None, "below the bound");
        watch.beat(1, beat(3, Doing::Computing, 21_000), now_ms);
        let (rank, trouble) = watch.suspect(now_ms).expect("hung");
        assert_eq!(rank, 1);
        assert!(matches!(trouble, Trouble::Hung { for_ms: 21_000, .. }));
    }

    #[test]
    fn slow_steps_raise_the_bound() {
        let mut watch = Watch::new(1, limits(), 0);
        watch.beat(0, beat(1, Doing::Computing, 0), 0);
        watch.beat(0, beat(2, Doing::Computing, 0), 10_000);
        watch.beat(0, beat(2, Doing::Computing, 99_000), 109_000);
        assert_eq!(watch.suspect(109_000), None);
        watch.beat(0, beat(2, Doing::Computing, 101_000), 111_000);
        assert!(watch.suspect(111_000).is_some());
    }

    #[test]
    fn ranks_that_all_wait_are_stuck_and_a_measuring_one_is_waited_for() {
        let mut watch = Watch::new(2, limits(), 0);
        for rank in 0..2 {
            watch.beat(rank, beat(1, Doing::Computing, 0), 0);
            watch.beat(rank, beat(2, Doing::Reducing, 30_000), 1_000);
        }
        let (_, trouble) = watch.suspect(1_000).expect("stuck");
        assert_eq!(trouble, Trouble::Stuck { for_ms: 30_000 });
        watch.beat(0, beat(2, Doing::Measuring, 30_000), 1_000);
        assert_eq!(watch.suspect(1_000), None);
    }

    #[test]
    fn the_watchers_own_sleep_is_forgiven() {
        let mut watch = Watch::new(1, limits(), 0);
        watch.beat(0, beat(1, Doing::Computing, 0), 0);
        watch.forgive(60_000);
        assert_eq!(watch.suspect(60_000), None);
        assert!(watch.suspect(76_000).is_some());
    }

    proptest! {
        #[test]
        fn ranks_that_beat_every_second_and_step_are_never_suspected(
            ranks in 1..9_usize, step_ms in 1..30_000_u64, jitter in proptest::collection::vec(0..900_u64, 60)
        ) {
            let mut watch = Watch::new(ranks, limits(), 0);
            for (second, late_ms) in jitter.iter().enumerate() {
                let now_ms = second as u64 * 1_000 + late_ms;
                for rank in 0..ranks {
                    let step = (now_ms / step_ms) as usize;
                    let doing = if rank == 0 { Doing::Computing } else { Doing::Reducing };
                    watch.beat(rank, beat(step, doing, now_ms % step_ms), now_ms);
                }
                prop_assert_eq!(watch.suspect(now_ms), None);
            }
        }

        #[test]
        fn a_rank_that_is_over_is_never_suspected(
            beats in proptest::collection::vec((0..4_usize, 0..9_usize, 0..90_000_u64), 0..50)
        ) {
            let mut watch = Watch::new(4, limits(), 0);
            watch.over(2);
            for (at, (rank, step, for_ms)) in beats.into_iter().enumerate() {
                let now_ms = at as u64 * 7_000;
                watch.beat(rank, beat(step, Doing::Computing, for_ms), now_ms);
                prop_assert!(watch.suspect(now_ms).is_none_or(|(rank, _)| rank != 2));
            }
        }
    }
}
