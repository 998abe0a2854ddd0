//! The object store: checkpoints and results by folder. A job that is tried again shares its folder.
//!
//! Rules: a checkpoint that was committed stays readable, so the newest one of a job only grows. A torn
//! one is there and is never gone on from.

use std::collections::{BTreeMap, BTreeSet};

use schliff_spec::id::Step;

/// What lies in it.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    prefixes: BTreeMap<String, Prefix>,
}

/// What one folder has.
#[derive(Debug, Default)]
struct Prefix {
    whole: BTreeSet<Step>,
    torn: BTreeSet<Step>,
    has_result: bool,
}

impl Bucket {
    /// A checkpoint was written whole.
    pub(crate) fn commit(&mut self, out: &str, step: Step) {
        let prefix = self.prefixes.entry(out.to_owned()).or_default();
        prefix.torn.remove(&step);
        prefix.whole.insert(step);
    }

    /// A checkpoint was begun and never committed.
    pub(crate) fn tear(&mut self, out: &str, step: Step) {
        let prefix = self.prefixes.entry(out.to_owned()).or_default();
        if !prefix.whole.contains(&step) {
            prefix.torn.insert(step);
        }
    }

    /// The result was written.
    pub(crate) fn put_result(&mut self, out: &str) {
        self.prefixes.entry(out.to_owned()).or_default().has_result = true;
    }

    /// Whether its result is there.
    pub(crate) fn has_result(&self, out: &str) -> bool {
        self.prefixes
            .get(out)
            .is_some_and(|prefix| prefix.has_result)
    }

    /// Whether this checkpoint can be gone on from.
    pub(crate) fn has(&self, out: &str, step: Step) -> bool {
        let prefix = self.prefixes.get(out);
        prefix.is_some_and(|prefix| prefix.whole.contains(&step))
    }

    /// The newest checkpoint that can be gone on from.
    pub(crate) fn newest(&self, out: &str) -> Option<Step> {
        self.prefixes.get(out)?.whole.last().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_checkpoint_is_never_gone_on_from() {
        let (mut bucket, job) = (Bucket::default(), "runs/1");
        bucket.commit(job, Step(5));
        bucket.tear(job, Step(10));
        bucket.tear(job, Step(5));
        assert_eq!(bucket.newest(job), Some(Step(5)));
        bucket.commit(job, Step(10));
        assert_eq!(bucket.newest(job), Some(Step(10)));
    }
}
