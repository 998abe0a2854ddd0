//! What `scontrol show … --oneliner` prints: `Name=value` pairs, a line for each thing.
//!
//! Rules: a value goes on until the next name, so that it may hold blanks; free text goes on until a
//! name that is known to follow it. The first of two equal names counts. `show job` is for sites without accounting: it has the exit code and the
//! number of restarts, which `squeue` has not. A job's name may hold anything, even another job's
//! line: ask for jobs by their numbers only, and never for everybody's.

mod config;
mod job;
mod partition;

pub use config::{Config, config};
pub use job::jobs;
pub use partition::{Rules, partitions};

/// `NodeList`, `AllocNode:Sid`, `CPUs/Task`.
fn is_name(word: &str) -> bool {
    let is_part = |sign: char| sign.is_ascii_alphanumeric() || ":/_.-".contains(sign);
    word.starts_with(|sign: char| sign.is_ascii_uppercase()) && word.chars().all(is_part)
}

/// Whether a name ends the value of the one before: free text may hold anything that looks like a pair.
fn may_end(before: &str, name: &str) -> bool {
    let after_comment = [
        "StdErr",
        "StdIn",
        "StdOut",
        "Power",
        "SystemComment",
        "Extra",
    ];
    match before {
        "JobName" => name == "UserId",
        "Comment" | "AdminComment" => after_comment.contains(&name) || name.starts_with("Tres"),
        _ => true,
    }
}

/// Bytes of the blank at this place.
fn blank_length(line: &str, at: usize) -> usize {
    line[at..].chars().next().map_or(1, char::len_utf8)
}

/// The pairs of one line.
pub(crate) struct Pairs<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Pairs<'a> {
    /// Splits a line at each ` Name=`.
    pub(crate) fn read(line: &'a str) -> Self {
        let mut starts: Vec<(usize, usize)> = Vec::new();
        let mut key = "";
        for (at, _) in line.match_indices('=') {
            let from = line[..at].rfind(char::is_whitespace);
            let from = from.map_or(0, |blank| blank + blank_length(line, blank));
            let is_new = starts.last().is_none_or(|(_, value)| from > *value);
            let name = line.get(from..at).unwrap_or_default();
            if is_new && is_name(name) && may_end(key, name) {
                starts.push((from, at + 1));
                key = name;
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
            "JobId=2 JobName=a B=c UserId=root(0) News=5 Reason=(null) Comment=x  y UserId=2  StdErr=/dev/null",
        );
        assert_eq!(pairs.get("JobId"), Some("2"));
        assert_eq!(pairs.get("JobName"), Some("a B=c"));
        assert_eq!(pairs.get("UserId"), Some("root(0)"));
        assert_eq!(pairs.text("Comment"), "x  y UserId=2");
        assert_eq!(pairs.get("News"), Some("5"));
        assert_eq!((pairs.get("Reason"), pairs.get("Nothing")), (None, None));
    }
}
