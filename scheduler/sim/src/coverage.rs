//! What was seen: counts by family and name, and what was not seen that should have been.

use std::collections::BTreeMap;

use crate::fault::Fault;

/// All codes of reasons of jobs that have not ended.
pub const REASONS: &[&str] = &[
    "next",
    "after-jobs",
    "capacity",
    "behind",
    "nodes-avoided",
    "cluster-queue-full",
    "cluster-unseen",
    "cluster-gone",
    "residency",
    "comparing",
    "chosen",
    "sweep-limit",
    "rung",
    "trials",
    "submitting",
    "pending",
    "requeued",
    "joining",
    "preparing",
    "training",
    "fewer-nodes",
    "quiet",
    "stopping",
    "back-off",
];
/// All codes of how attempts end.
pub const ENDINGS: &[&str] = &[
    "finished",
    "more-to-do",
    "job-failed",
    "misused",
    "defect",
    "group-lost",
    "nodes-lost",
    "preempted",
    "timed-out",
    "out-of-memory",
    "killed",
    "cancelled-outside",
    "refused",
    "never-started",
    "vanished",
    "silent",
    "incomplete",
    "withdrawn",
    "foreign-exit",
];
/// Codes of how jobs end, those left out by which an attempt ends as well.
pub const OUTCOMES: &[&str] = &[
    "succeeded",
    "cancelled",
    "pruned",
    "after-failed",
    "budget-spent",
    "no-trial-succeeded",
];
/// All facts.
pub const FACTS: &[&str] = &[
    "cluster-added",
    "cluster-removed",
    "submitted",
    "planned",
    "chosen",
    "accepted",
    "granted",
    "requeued-in-place",
    "joined",
    "started",
    "regrouped",
    "committed",
    "measured",
    "spoke",
    "stop-asked",
    "ended",
    "requeued",
    "retry-planned",
    "node-struck",
    "paused",
    "promoted",
    "finished",
    "nodes-seen",
    "cluster-seen",
    "heard",
    "waiting",
    "comparing",
    "estimated",
    "seen",
    "missed",
];

/// Something that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// [`Fault`]s that took effect.
    Fault,
    /// Reasons that were given.
    Reason,
    /// Ends of attempts.
    Ending,
    /// Ends of jobs.
    Outcome,
    /// Facts.
    Fact,
    /// What was refused.
    Rejection,
}

impl Family {
    const ALL: [Self; 6] = [
        Self::Fault,
        Self::Reason,
        Self::Ending,
        Self::Outcome,
        Self::Fact,
        Self::Rejection,
    ];

    fn title(self) -> &'static str {
        match self {
            Self::Fault => "faults",
            Self::Reason => "reasons",
            Self::Ending => "ends of attempts",
            Self::Outcome => "ends of jobs",
            Self::Fact => "facts",
            Self::Rejection => "refusals",
        }
    }

    /// Names that must be seen.
    fn wanted(self) -> Vec<&'static str> {
        match self {
            Self::Fault => Fault::ALL.iter().map(|fault| fault.code()).collect(),
            Self::Reason => REASONS.to_vec(),
            Self::Ending => ENDINGS.to_vec(),
            Self::Outcome => OUTCOMES.to_vec(),
            Self::Fact => FACTS.to_vec(),
            Self::Rejection => Vec::new(),
        }
    }
}

/// Counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    counts: BTreeMap<(Family, &'static str), u64>,
}

impl Coverage {
    /// One more.
    pub(crate) fn count(&mut self, family: Family, name: &'static str) {
        *self.counts.entry((family, name)).or_default() += 1;
    }

    /// How often that was seen.
    pub fn of(&self, family: Family, name: &'static str) -> u64 {
        self.counts.get(&(family, name)).copied().unwrap_or(0)
    }

    /// Both together.
    pub fn add(&mut self, other: &Self) {
        for (key, count) in &other.counts {
            *self.counts.entry(*key).or_default() += count;
        }
    }

    /// What was not seen that should have been.
    pub fn missing(&self) -> Vec<String> {
        let missing = |family: Family| {
            let names = family.wanted().into_iter();
            let unseen = names.filter(move |name| self.of(family, name) == 0);
            unseen.map(move |name| format!("{}: {name}", family.title()))
        };
        Family::ALL.into_iter().flat_map(missing).collect()
    }

    /// A table for people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        for family in Family::ALL {
            let mut names = family.wanted();
            let seen = self.counts.keys().filter(|(own, _)| *own == family);
            let more: Vec<_> = seen
                .map(|(_, n)| *n)
                .filter(|n| !names.contains(n))
                .collect();
            names.extend(more);
            text += family.title();
            text.push('\n');
            for pair in names.chunks(3) {
                let cells = pair.iter().map(|name| {
                    let count = self.of(family, name);
                    format!("{name:<20}{count:>9}")
                });
                text += &format!("  {}\n", cells.collect::<Vec<_>>().join("   "));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_seen_is_missed() {
        let mut coverage = Coverage::default();
        let all = coverage.missing().len();
        coverage.count(Family::Reason, "rung");
        assert_eq!(coverage.missing().len(), all - 1);
        let mut both = coverage.clone();
        both.add(&coverage);
        assert_eq!(both.of(Family::Reason, "rung"), 2);
    }
}
