//! What `sbatch` prints: the number of a job, or what `--test-only` thinks of one.
//!
//! Rules: other lines of standard output (a site's job filter may greet people) do not hide the
//! number, but two numbers are an error. Absent on purpose: telling warnings from chatter.

use crate::client::Trial;
use crate::job::JobId;
use crate::parse::ParseError;
use crate::time::UnixSeconds;

impl JobId {
    /// Reads a number such as `42`, of a step (`42.batch`) or a task (`42_7`) the job's.
    ///
    /// # Errors
    /// It does not begin with a number from 1 up.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let word = text.trim();
        let end = word.find(['_', '.', '+']).unwrap_or(word.len());
        let number = word[..end].parse::<u32>().ok().filter(|id| *id > 0);
        let broken = || ParseError::new("a job's number", text, "expected a number");
        number.map(Self).ok_or_else(broken)
    }
}

/// The job that `sbatch --parsable` submitted: `42`, or `42;juwels` with `--clusters`.
///
/// # Errors
/// There is no such line, or more than one.
pub fn submitted(stdout: &str) -> Result<JobId, ParseError> {
    let number = |line: &str| {
        let word = line.trim().split(';').next()?;
        let is_number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| JobId::parse(word).ok()).flatten()
    };
    let mut found = stdout.lines().filter_map(number);
    match (found.next(), found.next()) {
        (Some(id), None) => Ok(id),
        (None, _) => Err(ParseError::new("a job's number", stdout, "no line has one")),
        (Some(_), Some(_)) => Err(ParseError::new(
            "a job's number",
            stdout,
            "several lines do",
        )),
    }
}

/// What `sbatch --test-only` said on standard error with exit code 0:
/// `sbatch: Job 42 to start at 2026-11-25T22:37:20 using 4 processors on nodes n[1-4] in partition batch`.
pub fn trial(stderr: &str) -> Trial {
    let line = stderr.lines().find(|line| line.contains(" to start at "));
    let time = line.and_then(|line| line.split_once(" to start at "));
    let word = time.and_then(|(_, rest)| rest.split_whitespace().next());
    let start_at = word.and_then(|word| UnixSeconds::parse(word).ok().flatten());
    Trial {
        start_at,
        words: words(line.unwrap_or(stderr)),
    }
}

/// Slurm's words without the command's name before each line, in one line.
pub fn words(stderr: &str) -> String {
    let plain = |line: &str| {
        let mut line = line.trim();
        for before in [
            "sbatch: ",
            "srun: ",
            "scancel: ",
            "scontrol: ",
            "squeue: ",
            "error: ",
            "allocation failure: ",
        ] {
            line = line.strip_prefix(before).unwrap_or(line);
        }
        line.to_owned()
    };
    let lines = stderr.lines().map(plain).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_submitted_job() {
        assert_eq!(submitted("42\n"), Ok(JobId(42)));
        assert_eq!(submitted("42;juwels\n"), Ok(JobId(42)));
        assert_eq!(submitted("Welcome to 2026!\n42\n"), Ok(JobId(42)));
        for broken in [
            "",
            "0\n",
            "42\n43\n",
            "Submitted batch job 42\n",
            "99999999999\n",
        ] {
            assert!(submitted(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn numbers_of_steps_and_tasks() {
        for text in ["42", "42.batch", "42_7", "42_[0-7%2]", "42+1"] {
            assert_eq!(JobId::parse(text), Ok(JobId(42)), "{text}");
        }
        assert!(JobId::parse("0").is_err());
        assert!(JobId::parse("").is_err());
    }

    #[test]
    fn what_a_test_says() {
        let said = trial(
            "sbatch: Job 42 to start at 2026-11-25T22:37:20 using 4 processors on nodes n[1-4] in partition batch\n",
        );
        assert_eq!(said.start_at, Some(UnixSeconds(1_795_646_240)));
        assert!(
            said.words.starts_with("Job 42 to start at"),
            "{}",
            said.words
        );
        let refused = trial("allocation failure: Requested node configuration is not available\n");
        assert_eq!(refused.start_at, None);
        assert_eq!(
            refused.words,
            "Requested node configuration is not available"
        );
    }

    #[test]
    fn words_without_the_command() {
        assert_eq!(
            words("sbatch: error: Batch job submission failed: Invalid account\nsbatch: x\n\n"),
            "Batch job submission failed: Invalid account; x"
        );
    }
}
