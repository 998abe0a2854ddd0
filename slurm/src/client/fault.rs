//! What the words of a failed command mean for whoever asked. Pure.
//!
//! Rules: words that are not known are a refusal: Slurm's controller has a reason of its own then, and
//! people must read it. Words that leave open whether a job was taken are [`Kind::Lost`]. The lists
//! hold parts of Slurm's messages (`slurm_errno.c`), in lower case; they are the same from 20.11 on.

use super::SlurmError;

/// How a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// No effect, and it may work later.
    Unavailable,
    /// Slurm will not do it.
    Refused,
    /// Nobody knows.
    Lost,
    /// It does not know us.
    Unauthorized,
}

/// The controller got the request, or part of it, and its answer did not come back.
const LOST: [&str; 6] = [
    "timed out on send/recv",
    "zero bytes were transmitted or received",
    "unexpected message received",
    "communication connection failure during",
    "message receive failure",
    // slurmrestd of 24.11, of a controller that is away.
    "signal request failed",
];

/// Nothing was asked of the controller, or it was busy with itself.
const UNAVAILABLE: [&str; 14] = [
    "unable to contact slurm",
    "unable to establish connection",
    "connection refused",
    "connection timed out",
    "cannot stat file",
    "could not establish a configuration source",
    "unable to process configuration file",
    "unable to process config",
    "in standby mode",
    "temporarily unable to accept job",
    "resource temporarily unavailable",
    "required partition not available",
    "database connection",
    "unable to connect to database",
];

/// The queue is full for us: room comes by waiting.
const FULL: [&str; 4] = ["maxsubmit", "maxjobcount", "grpsubmit", "accruelimit"];

const UNAUTHORIZED: [&str; 6] = [
    "invalid authentication credential",
    "authentication failure",
    "protocol authentication error",
    "authentication does not match",
    "munge",
    "authentication credential expired",
];

/// Reads the words of a command that failed with this code.
pub(super) fn kind(code: i32, words: &str) -> Kind {
    let words = words.to_ascii_lowercase();
    let any = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    match code {
        // Ended by a signal: nobody knows how far it came.
        code if code > 128 => Kind::Lost,
        // No such command, or not one that can be run.
        126 | 127 => Kind::Unavailable,
        _ if any(&UNAUTHORIZED) => Kind::Unauthorized,
        _ if any(&LOST) => Kind::Lost,
        _ if any(&UNAVAILABLE) || any(&FULL) => Kind::Unavailable,
        _ => Kind::Refused,
    }
}

impl Kind {
    /// The error of an operation.
    pub(super) fn error(self, doing: &str, why: String) -> SlurmError {
        let doing = doing.to_owned();
        match self {
            Self::Unavailable => SlurmError::Unavailable { doing, why },
            Self::Refused => SlurmError::Refused { doing, why },
            Self::Lost => SlurmError::Lost { doing, why },
            Self::Unauthorized => SlurmError::Unauthorized { doing, why },
        }
    }

    /// The same for an operation that changes nothing: there is nothing to lose.
    pub(super) fn of_question(self) -> Self {
        match self {
            Self::Lost => Self::Unavailable,
            other => other,
        }
    }
}

/// Lines of standard error that say more than that all went well.
///
/// A site's job filter may greet people there, which is no warning. That the controller was busy for
/// a while is none either, once it took the job.
pub(super) fn warning(stderr: &str) -> Option<String> {
    let is_warning = |line: &&str| {
        let line = line.to_ascii_lowercase();
        let sounds = ["error:", "warning", "ignor", "not supported", "invalid"];
        let is_delay = line.contains("retrying") || line.contains("will retry");
        !is_delay && sounds.iter().any(|word| line.contains(word))
    };
    let lines: Vec<_> = stderr.lines().map(str::trim).filter(is_warning).collect();
    (!lines.is_empty()).then(|| lines.join("; "))
}

/// Every line says that a job is over or unknown, which is what whoever ends it wants.
pub(super) fn is_over_already(stderr: &str) -> bool {
    const OVER: [&str; 3] = [
        "invalid job id",
        "already completing or completed",
        "job not found",
    ];
    let mut lines = stderr
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let is_over = |line: &str| {
        let line = line.to_ascii_lowercase();
        OVER.iter().any(|words| line.contains(words))
    };
    !stderr.trim().is_empty() && lines.all(is_over)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_slurm_says_and_what_it_means() {
        for (code, words, expected) in [
            (
                1,
                "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified",
                Kind::Refused,
            ),
            (
                1,
                "allocation failure: Requested node configuration is not available",
                Kind::Refused,
            ),
            (
                1,
                "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
                Kind::Unavailable,
            ),
            (
                1,
                "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
                Kind::Lost,
            ),
            (
                1,
                "sbatch: error: Batch job submission failed: Zero Bytes were transmitted or received",
                Kind::Lost,
            ),
            (
                1,
                "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
                Kind::Unavailable,
            ),
            (
                1,
                "sbatch: error: AssocGrpGRESMinutes\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
                Kind::Refused,
            ),
            (
                1,
                "sbatch: error: Batch job submission failed: Protocol authentication error",
                Kind::Unauthorized,
            ),
            (
                1,
                "slurm_load_jobs error: Invalid authentication credential",
                Kind::Unauthorized,
            ),
            (127, "sh: 1: sbatch: not found", Kind::Unavailable),
            (137, "", Kind::Lost),
            (
                1,
                "scontrol: error: Access/permission denied",
                Kind::Refused,
            ),
        ] {
            assert_eq!(kind(code, words), expected, "{words}");
        }
        assert_eq!(Kind::Lost.of_question(), Kind::Unavailable);
        assert_eq!(Kind::Refused.of_question(), Kind::Refused);
    }

    #[test]
    fn warnings_are_told_from_greetings_and_delays() {
        for fine in [
            "",
            "Welcome!\n",
            "sbatch: lua: your job costs 4 EFL\n",
            "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying\n",
        ] {
            assert_eq!(warning(fine), None, "{fine}");
        }
        let words =
            "hello\nsbatch: Warning: can't run 1 processes on 2 nodes, setting nnodes to 1\n";
        let found = warning(words).expect("a warning");
        assert!(found.starts_with("sbatch: Warning"), "{found}");
    }

    #[test]
    fn jobs_that_are_over_need_no_ending() {
        assert!(is_over_already(
            "scancel: error: Kill job error on job id 9: Invalid job id specified\n\
             scancel: error: Kill job error on job id 8: Job/step already completing or completed\n"
        ));
        assert!(!is_over_already(
            "scancel: error: Kill job error on job id 9: Access/permission denied\n"
        ));
        assert!(!is_over_already(""));
    }
}
