//! Whether and when a lost group is started again. Pure.
//!
//! Rules: restarts are counted from the last progress; progress is a step that no generation before
//! had reached, so a job that dies at the same step each time ends, and one that is killed a hundred
//! times on its way does not. The first restart is at once, later ones wait twice as long each time.

/// How often a group may be lost without progress in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Restarts without progress in between.
    pub restarts: u32,
    /// Wait before the second one; the first is at once.
    pub first_ms: u64,
    /// Longest wait.
    pub cap_ms: u64,
}

impl Budget {
    /// A budget with the usual waits.
    pub const fn of(restarts: u32) -> Self {
        Self {
            restarts,
            first_ms: 1_000,
            cap_ms: 60_000,
        }
    }
}

/// Restarts so far.
#[derive(Clone, Debug)]
pub struct Restarts {
    budget: Budget,
    spent: u32,
    furthest: usize,
}

/// What becomes of a lost group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is started again.
    Restart {
        /// After so long.
        after_ms: u64,
        /// It is the nth restart without progress in between.
        nth: u32,
    },
    /// The budget is spent.
    GiveUp,
}

impl Restarts {
    /// None so far.
    pub const fn new(budget: Budget) -> Self {
        Self {
            budget,
            spent: 0,
            furthest: 0,
        }
    }

    /// The budget.
    pub const fn budget(&self) -> Budget {
        self.budget
    }

    /// The group was lost after it had done `step` steps.
    pub fn lost(&mut self, step: usize) -> Decision {
        if step > self.furthest {
            self.furthest = step;
            self.spent = 0;
        }
        if self.spent >= self.budget.restarts {
            return Decision::GiveUp;
        }
        self.spent += 1;
        let after_ms = match self.spent {
            1 => 0,
            nth => self
                .budget
                .first_ms
                .saturating_mul(1 << (nth - 2).min(32))
                .min(self.budget.cap_ms),
        };
        Decision::Restart {
            after_ms,
            nth: self.spent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn without_progress_the_waits_double_and_the_budget_ends() {
        let mut restarts = Restarts::new(Budget::of(4));
        let waits: Vec<_> = (0..5).map(|_| restarts.lost(7)).collect();
        let restart = |nth, after_ms| Decision::Restart { after_ms, nth };
        let expected = [
            restart(1, 0),
            restart(2, 1_000),
            restart(3, 2_000),
            restart(4, 4_000),
            Decision::GiveUp,
        ];
        assert_eq!(waits, expected);
        assert_eq!(restarts.lost(6), Decision::GiveUp, "no new step");
        assert_eq!(restarts.lost(8), restart(1, 0), "progress");
    }

    proptest! {
        #[test]
        fn progress_each_time_never_ends_it(steps in proptest::collection::vec(1..5_usize, 1..200)) {
            let mut restarts = Restarts::new(Budget::of(1));
            let mut at = 0;
            for step in steps {
                at += step;
                prop_assert_eq!(restarts.lost(at), Decision::Restart { after_ms: 0, nth: 1 });
            }
        }

        #[test]
        fn between_two_steps_of_progress_the_budget_holds(
            max in 0..6_u32, steps in proptest::collection::vec(0..4_usize, 0..200)
        ) {
            let mut restarts = Restarts::new(Budget::of(max));
            let (mut furthest, mut since) = (0, 0);
            for step in steps {
                if step > furthest {
                    (furthest, since) = (step, 0);
                }
                match restarts.lost(step) {
                    Decision::Restart { nth, after_ms } => {
                        since += 1;
                        prop_assert_eq!(nth, since);
                        prop_assert!(after_ms <= 60_000);
                    }
                    Decision::GiveUp => prop_assert_eq!(since, max),
                }
                prop_assert!(since <= max);
            }
        }
    }
}
