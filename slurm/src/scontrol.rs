//! What `scontrol show … --oneliner` prints: `Name=value` pairs, a line for each thing.
//!
//! Rules: a value goes on until the next name that is known, so that it may hold blanks; the first of
//! two equal names counts. `show job` is for sites without accounting: it has the exit code and the
//! number of restarts, which `squeue` has not. A job's name that holds ` UserId=` can hide the true
//! one: nothing that a person may choose decides about somebody else's job here.

mod config;
mod job;
mod partition;

pub use config::{Config, config};
pub use job::jobs;
pub use partition::{Rules, partitions};

/// The pairs of one line.
pub(crate) struct Pairs<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Pairs<'a> {
    /// Splits a line at ` Name=` of each of these names.
    pub(crate) fn read(line: &'a str, names: &[&str]) -> Self {
        let mut starts: Vec<(usize, usize)> = Vec::new();
        for (at, _) in line.match_indices('=') {
            let before = &line[..at];
            let from = before
                .rfind(char::is_whitespace)
                .map_or(0, |blank| blank + 1);
            let is_new = starts
                .last()
                .is_none_or(|(_, value)| from > *value || from == 0);
            // A blank of several bytes would put `from` inside it.
            if is_new && line.is_char_boundary(from) && names.contains(&&line[from..at]) {
                starts.push((from, at + 1));
            }
        }
        let ends = starts
            .iter()
            .skip(1)
            .map(|(from, _)| *from)
            .chain([line.len()]);
        let pair = |(&(from, value), end): (&(usize, usize), usize)| {
            (&line[from..value - 1], line[value..end].trim())
        };
        Self(starts.iter().zip(ends).map(pair).collect())
    }

    /// The value of a name, unless Slurm says that there is none.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        let pair = self.0.iter().find(|(own, _)| *own == name);
        let value = pair.map(|(_, value)| *value)?;
        crate::parse::told(value)
    }

    /// The value as it is; empty where there is none.
    pub(crate) fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_may_hold_blanks_and_equal_signs() {
        let pairs = Pairs::read(
            "JobId=2 JobName=a b=c UserId=root(0) Comment=x  y UserId=2  Reason=(null)",
            &["JobId", "JobName", "UserId", "Comment", "Reason"],
        );
        assert_eq!(pairs.get("JobId"), Some("2"));
        assert_eq!(pairs.get("JobName"), Some("a b=c"));
        assert_eq!(pairs.get("UserId"), Some("root(0)"));
        assert_eq!(pairs.text("Comment"), "x  y");
        assert_eq!((pairs.get("Reason"), pairs.get("Nothing")), (None, None));
    }
}
