//! What is known of jobs at work besides the state: ranks, the last step, the speed.
//!
//! Rules: lost with the coordinator and heard anew; nothing is decided by it. Bounded: a fixed amount
//! a rank and a job. Absent on purpose: curves and lines, which the journal has.

use std::collections::{BTreeMap, VecDeque};

use schliff_scheduler::time::Timestamp;
use schliff_spec::id::{Generation, JobId, SubmitKey};
use schliff_wire::v1::{RankView, StepPoint};

use crate::clock::wire_ms;
use crate::edge::news::Heard;

/// Steps by which the speed is told.
const RECENT_STEPS: usize = 32;

/// All jobs of which something was heard.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    jobs: BTreeMap<JobId, Recent>,
}

/// One of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recent {
    generation: Generation,
    /// The last step.
    pub(crate) last: Option<StepPoint>,
    /// The last held-out loss.
    pub(crate) eval_loss: Option<f64>,
    /// That of the base without the adapter.
    pub(crate) baseline_loss: Option<f64>,
    /// Signs of life by rank.
    pub(crate) ranks: BTreeMap<u32, RankView>,
    steps: VecDeque<(u64, i64)>,
    told: u64,
}

impl Memory {
    /// What is known of a job.
    pub(crate) fn of(&self, job: JobId) -> Option<&Recent> {
        self.jobs.get(&job)
    }

    /// Puts in what one node of an attempt tells.
    pub(crate) fn hear(&mut self, key: SubmitKey, node: &str, heard: &Heard, now: Timestamp) {
        let recent = self.jobs.entry(key.job).or_default();
        if key.generation > recent.generation {
            recent.begin(key.generation);
        }
        for eval in &heard.evals {
            match eval.step {
                0 => recent.baseline_loss = Some(eval.loss),
                _ => recent.eval_loss = Some(eval.loss),
            }
        }
        if key.generation < recent.generation {
            return;
        }
        for point in &heard.points {
            recent.step(*point);
        }
        recent.told = heard.step.unwrap_or(recent.told);
        if heard.is_regrouped {
            recent.ranks.clear();
        }
        for rank in &heard.ranks {
            let mut rank = rank.clone();
            if rank.node.is_empty() {
                node.clone_into(&mut rank.node);
            }
            rank.heard_ms = wire_ms(now);
            recent.ranks.insert(rank.rank, rank);
        }
    }

    /// Puts in what the journal knows of a job, where nothing newer was heard.
    pub(crate) fn restore(&mut self, job: JobId, last: StepPoint) {
        let recent = self.jobs.entry(job).or_default();
        recent.last.get_or_insert(last);
    }

    /// A job has ended: it has no ranks any more.
    pub(crate) fn end(&mut self, job: JobId) {
        if let Some(recent) = self.jobs.get_mut(&job) {
            recent.ranks = BTreeMap::new();
            recent.steps = VecDeque::new();
        }
    }
}

impl Recent {
    fn begin(&mut self, generation: Generation) {
        self.generation = generation;
        self.ranks.clear();
        self.steps.clear();
        self.told = 0;
    }

    /// Where an attempt stands by what this process heard; 0 where it heard nothing. The journal's last
    /// step says nothing of that: training may have gone on from an older one since.
    pub(crate) fn told(&self, generation: Generation) -> u64 {
        match self.generation == generation {
            true => self.told,
            false => 0,
        }
    }

    fn step(&mut self, point: StepPoint) {
        // Steps that are made again say nothing of the speed across the gap.
        if self
            .steps
            .back()
            .is_some_and(|(step, _)| *step >= point.step)
        {
            self.steps.clear();
        }
        if self.steps.len() == RECENT_STEPS {
            self.steps.pop_front();
        }
        self.steps.push_back((point.step, point.at_ms));
        self.last = Some(point);
    }

    /// Milliseconds that are left at the current speed.
    pub(crate) fn remaining_ms(&self) -> Option<i64> {
        let ((first, first_ms), (last, last_ms)) = (*self.steps.front()?, *self.steps.back()?);
        let steps = self.last.as_ref()?.steps;
        if last <= first || last_ms <= first_ms || steps < last {
            return None;
        }
        let a_step_ms = (last_ms - first_ms) as f64 / (last - first) as f64;
        Some((a_step_ms * (steps - last) as f64) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(generation: u64) -> SubmitKey {
        SubmitKey {
            job: JobId(1),
            generation: Generation(generation),
        }
    }

    fn heard(steps: &[(u64, i64)]) -> Heard {
        let points = steps.iter().map(|(step, at_ms)| StepPoint {
            step: *step,
            steps: 100,
            at_ms: *at_ms,
            ..StepPoint::default()
        });
        Heard {
            points: points.collect(),
            ranks: vec![RankView::default()],
            step: steps.last().map(|(step, _)| *step),
            ..Heard::default()
        }
    }

    #[test]
    fn what_is_left_follows_the_speed_of_late() {
        let mut memory = Memory::default();
        let slow_then_fast: Vec<_> = (1..=10)
            .map(|step| (step, step as i64 * 10_000))
            .chain((11..=60).map(|step| (step, 100_000 + (step as i64 - 10) * 1_000)))
            .collect();
        memory.hear(key(1), "n", &heard(&slow_then_fast), Timestamp(5));
        let recent = memory.of(JobId(1)).unwrap();
        assert_eq!(recent.remaining_ms(), Some(40_000));
        assert_eq!(recent.ranks[&0].heard_ms, 5);
    }

    #[test]
    fn steps_made_again_and_older_attempts_do_not_spoil_it() {
        let mut memory = Memory::default();
        memory.hear(key(1), "n", &heard(&[(5, 0), (6, 1_000)]), Timestamp(0));
        memory.hear(
            key(2),
            "n",
            &heard(&[(3, 90_000), (4, 92_000)]),
            Timestamp(0),
        );
        memory.hear(key(1), "n", &heard(&[(99, 99_000)]), Timestamp(0));
        let recent = memory.of(JobId(1)).unwrap();
        assert_eq!(recent.remaining_ms(), Some(96 * 2_000));
        memory.end(JobId(1));
        assert!(memory.of(JobId(1)).unwrap().ranks.is_empty());
    }

    #[test]
    fn what_the_journal_knows_is_no_step_that_was_heard() {
        let mut memory = Memory::default();
        let last = StepPoint {
            step: 12,
            generation: 3,
            ..StepPoint::default()
        };
        memory.restore(JobId(1), last);
        let told = |memory: &Memory, generation| {
            let recent = memory.of(JobId(1)).unwrap();
            recent.told(Generation(generation))
        };
        assert_eq!(told(&memory, 3), 0);
        memory.hear(key(3), "n", &heard(&[(7, 0)]), Timestamp(0));
        // Beats of another node say nothing of steps.
        memory.hear(key(3), "n", &heard(&[]), Timestamp(0));
        assert_eq!((told(&memory, 3), told(&memory, 2)), (7, 0));
        memory.hear(key(4), "n", &heard(&[]), Timestamp(0));
        assert_eq!((told(&memory, 4), told(&memory, 3)), (0, 0));
    }
}
