//! What Slurm's commands answered. Pure.

use crate::channel::{ChannelError, Output};
use crate::client::fault::{self, Kind};
use crate::client::{SlurmError, Trial};
use crate::job::JobId;
use crate::parse::ParseError;
use crate::sbatch;

/// What became of a job that was given to `sbatch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// It is in the queue.
    Taken(JobId),
    /// It is in the queue too, but not as it was asked for: it must be cancelled.
    Doubtful {
        /// The job.
        job: JobId,
        /// Slurm's words.
        warning: String,
    },
}

/// Reads the answer to [`super::submit_script`].
///
/// # Errors
/// `sbatch` took no job, or nobody knows.
pub fn read_submitted(name: &str, output: &Output) -> Result<Submitted, SlurmError> {
    let doing = submitting(name);
    let stderr = text(&output.stderr);
    if output.code != 0 {
        let words = words(output.code, &stderr);
        return Err(fault::kind(output.code, &stderr).error(&doing, words));
    }
    let job = sbatch::submitted(&text(&output.stdout)).map_err(|error| unclear(&doing, &error))?;
    Ok(match fault::warning(&stderr) {
        None => Submitted::Taken(job),
        Some(warning) => Submitted::Doubtful { job, warning },
    })
}

/// The name of the operation.
pub(super) fn submitting(name: &str) -> String {
    format!("submit the job {name}")
}

/// Reads the answer to `sbatch --test-only`, which speaks on standard error.
pub(super) fn read_trial(doing: &str, output: &Output) -> Result<Trial, SlurmError> {
    let stderr = text(&output.stderr);
    if output.code != 0 {
        let kind = fault::kind(output.code, &stderr).of_question();
        return Err(kind.error(doing, words(output.code, &stderr)));
    }
    Ok(sbatch::trial(&stderr))
}

/// What a question printed.
pub(super) fn read(doing: &str, output: &Output) -> Result<String, SlurmError> {
    if output.code != 0 {
        let stderr = text(&output.stderr);
        let kind = fault::kind(output.code, &stderr).of_question();
        return Err(kind.error(doing, words(output.code, &stderr)));
    }
    let mut printed = text(&output.stdout);
    // With `--clusters`, whatever else is asked.
    if printed.starts_with("CLUSTER: ") {
        let rest = printed.find('\n').map_or(printed.len(), |at| at + 1);
        printed.drain(..rest);
    }
    Ok(printed)
}

/// There is no accounting database here.
pub(super) fn has_no_accounting(output: &Output) -> bool {
    let stderr = text(&output.stderr).to_ascii_lowercase();
    let says = [
        "accounting storage is disabled",
        "not running a supported accounting_storage",
    ];
    output.code != 0 && says.iter().any(|words| stderr.contains(words))
}

/// Slurm's controller knows none of the jobs that were asked for.
pub(super) fn is_unknown(output: &Output) -> bool {
    output.code != 0 && fault::is_over_already(&text(&output.stderr))
}

/// What a change of jobs led to.
pub(super) fn read_done(doing: &str, output: &Output) -> Result<(), SlurmError> {
    if output.code == 0 {
        return Ok(());
    }
    let stderr = text(&output.stderr);
    Err(fault::kind(output.code, &stderr).error(doing, words(output.code, &stderr)))
}

/// What ending jobs led to: those that are over already are no failure.
pub(super) fn read_cancelled(doing: &str, output: &Output) -> Result<(), SlurmError> {
    if fault::is_over_already(&text(&output.stderr)) {
        return Ok(());
    }
    read_done(doing, output)
}

/// A channel's error; a question has no effect that could be lost.
pub(super) fn cut_off(doing: &str, error: &ChannelError, is_question: bool) -> SlurmError {
    let kind = match error {
        ChannelError::Unreachable { .. } => Kind::Unavailable,
        ChannelError::Lost { .. } if is_question => Kind::Unavailable,
        ChannelError::Lost { .. } => Kind::Lost,
    };
    kind.error(doing, error.to_string())
}

/// The error of an answer that is not understood.
pub(super) fn unclear(doing: &str, error: &ParseError) -> SlurmError {
    SlurmError::NotUnderstood {
        doing: doing.to_owned(),
        why: error.to_string(),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Slurm's words, or the code where it says nothing.
fn words(code: i32, stderr: &str) -> String {
    let words = sbatch::words(stderr);
    if words.is_empty() {
        format!("it ended with code {code} and no word")
    } else {
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(code: i32, stdout: &str, stderr: &str) -> Output {
        let (stdout, stderr) = (stdout.into(), stderr.into());
        Output {
            code,
            stdout,
            stderr,
        }
    }

    #[test]
    fn a_job_that_was_taken() {
        let taken = read_submitted("x", &output(0, "42\n", "Welcome!\n"));
        assert_eq!(taken.expect("taken"), Submitted::Taken(JobId(42)));
    }

    #[test]
    fn a_job_with_a_warning_is_doubtful() {
        let warned = output(0, "42\n", "sbatch: Warning: can't run 1 processes\n");
        let Submitted::Doubtful { job, warning } = read_submitted("x", &warned).expect("an id")
        else {
            panic!("a warning");
        };
        assert_eq!(job, JobId(42));
        assert!(warning.contains("can't run"), "{warning}");
    }

    #[test]
    fn a_job_that_was_refused() {
        let refused = output(
            1,
            "",
            "sbatch: error: Batch job submission failed: Invalid qos specification\n",
        );
        let error = read_submitted("schliff-4-1", &refused).expect_err("refused");
        assert_eq!(
            error.to_string(),
            "Slurm refuses to submit the job schliff-4-1: Batch job submission failed: \
             Invalid qos specification"
        );
    }

    #[test]
    fn no_number_and_no_error_is_not_understood() {
        let error = read_submitted("x", &output(0, "", "")).expect_err("no number");
        assert!(matches!(error, SlurmError::NotUnderstood { .. }), "{error}");
    }

    #[test]
    fn the_line_of_a_cluster_is_left_out() {
        let printed = read("list", &output(0, "CLUSTER: dev\n1|x\n", ""));
        assert_eq!(printed.expect("a list"), "1|x\n");
    }

    #[test]
    fn questions_are_never_lost() {
        let lost = ChannelError::Lost {
            place: "ssh a".to_owned(),
            why: "cut".to_owned(),
        };
        let question = cut_off("list", &lost, true);
        assert!(matches!(question, SlurmError::Unavailable { .. }));
        let change = cut_off("submit", &lost, false);
        assert!(matches!(change, SlurmError::Lost { .. }));
    }

    #[test]
    fn silence_is_told_with_its_code() {
        let error = read("list jobs", &output(3, "", "")).expect_err("code 3");
        assert!(error.to_string().contains("code 3"), "{error}");
    }
}
