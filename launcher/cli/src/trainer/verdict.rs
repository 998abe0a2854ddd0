//! From the end of supervision to an answer, or an error ready to print. Pure.

use schliff_agent::MPIRUN;
use schliff_agent::cause::{Cause, Ending, Trouble};
use schliff_agent::conversation::Breach;
use schliff_agent::outcome::{Outcome, Stopped};
use schliff_agent::shell::{Run, ShellError};
use schliff_spec::exit::ExitCode;
use signal_hook::consts::{SIGILL, SIGKILL};

use super::Answer;
use crate::outcome::CliError;

/// What a verb that trains nothing comes to.
pub(super) fn of_verb(outcome: Outcome) -> Result<Answer, CliError> {
    match outcome {
        Outcome::Lost {
            cause, last_lines, ..
        } => Err(crash(&cause, last_lines)),
        Outcome::Stopped(stopped) => Err(stop(&stopped)),
        outcome => plain(outcome),
    }
}

/// What a run comes to.
pub(super) fn of_run(outcome: Outcome, run: &Run) -> Result<Answer, CliError> {
    match outcome {
        Outcome::Lost {
            cause,
            last_lines,
            budget,
            committed,
        } => {
            let error = match budget {
                0 => "the group is lost, and --max-restarts 0 allows no restart".to_owned(),
                1 => "the group is lost again, without progress since the restart".to_owned(),
                more => format!("the group is lost after {more} restarts without progress"),
            };
            let error = CliError::new(ExitCode::GroupLost, error)
                .caused_by(&cause)
                .last_lines(last_lines);
            let reason = hint_of(&cause).map(str::to_owned);
            let way_on = committed.map(|step| way_on(step, run));
            let hints: Vec<_> = reason.into_iter().chain(way_on).collect();
            Err(match hints.is_empty() {
                true => error,
                false => error.hint(hints.join("; ")),
            })
        }
        Outcome::Stopped(stopped) => {
            let error = stop(&stopped);
            Err(match stopped.committed {
                Some(step) => error.hint(way_on(step, run)),
                None => error,
            })
        }
        outcome => plain(outcome),
    }
}

fn plain(outcome: Outcome) -> Result<Answer, CliError> {
    match outcome {
        Outcome::Done { result, exit } => Ok(Answer { result, exit }),
        Outcome::Failed { failure, exit, .. } => {
            let mut error = CliError::from(failure);
            error.exit = exit;
            Err(error)
        }
        Outcome::Breach(breach) => Err(breach.into()),
        Outcome::Absent { nodes } => Err(CliError::new(
            ExitCode::GroupLost,
            format!("nodes {nodes:?} did not join"),
        )),
        Outcome::Lost { cause, .. } => {
            Err(CliError::new(ExitCode::GroupLost, "the group is lost").caused_by(cause))
        }
        Outcome::Stopped(stopped) => Err(stop(&stopped)),
        Outcome::Superseded => Err(superseded()),
    }
}

/// The report of a start after which there was another.
pub(crate) fn superseded() -> CliError {
    let told = "the job was started again elsewhere, as this node was taken for lost";
    CliError::new(ExitCode::Superseded, told)
}

/// How to go on from what is safe.
fn way_on(step: usize, run: &Run) -> String {
    let own = || run.out.join("checkpoints").display().to_string();
    let uri = run.job.checkpoint.uri.clone().unwrap_or_else(own);
    format!("step {step} is safe: --resume {uri} goes on from there")
}

fn stop(stopped: &Stopped) -> CliError {
    let told = match (stopped.aborted, stopped.committed) {
        (true, None) => "aborted; the step at work and all since the last save are lost".to_owned(),
        (true, Some(step)) => format!("aborted; all after step {step} is lost"),
        (false, None) => {
            "stopped, but the trainer ended without saying whether it saved anything".to_owned()
        }
        (false, Some(step)) => format!("stopped; all after step {step} is lost"),
    };
    let error = CliError::new(stopped.exit, told);
    match &stopped.cause {
        Some(cause) => error.caused_by(cause),
        None => error,
    }
}

/// The report on a trainer that ended without a last word.
fn crash(cause: &Cause, last_lines: Vec<String>) -> CliError {
    let error = match cause.trouble {
        Trouble::Crashed(ending) => CliError::bug("schliff-trainer ended without a result")
            .caused_by(format!("it {ending}")),
        _ => CliError::bug("schliff-trainer is lost").caused_by(cause),
    };
    let error = error.last_lines(last_lines);
    match hint_of(cause) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn hint_of(cause: &Cause) -> Option<&'static str> {
    match cause.trouble {
        Trouble::Crashed(Ending {
            signal: Some(SIGKILL),
            ..
        }) => Some(
            "the system kills a process when memory runs out (see dmesg); \
             try a smaller training.micro_batch_tokens or data.max_tokens",
        ),
        Trouble::Crashed(Ending {
            signal: Some(SIGILL),
            ..
        }) => Some("the trainer was built for another processor: make build on this machine"),
        _ => None,
    }
}

impl From<Breach> for CliError {
    fn from(breach: Breach) -> Self {
        let mut error = Self::bug(breach.error);
        if let Some(cause) = breach.cause {
            error = error.caused_by(cause);
        }
        match breach.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

impl From<ShellError> for CliError {
    fn from(error: ShellError) -> Self {
        let told = error.to_string();
        match error {
            ShellError::Start { program, source } => {
                let hint = match program.as_os_str() == MPIRUN {
                    true => "install an MPI library (Debian: openmpi-bin), or --collective tcp",
                    false => "make build",
                };
                Self::usage(told).caused_by(source).hint(hint)
            }
            ShellError::Leader { source, .. } => Self::new(ExitCode::GroupLost, told)
                .caused_by(source)
                .hint("--leader names node 0's address; all nodes need the same --secret-file"),
            ShellError::Signals(source) | ShellError::Meeting(source) => {
                Self::bug(told).caused_by(source)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(signal: i32) -> Outcome {
        let ending = Ending {
            code: None,
            signal: Some(signal),
        };
        let (rank, step, budget) = (2, 17, 3);
        Outcome::Lost {
            cause: Cause {
                rank,
                step,
                trouble: Trouble::Crashed(ending),
            },
            last_lines: vec!["last words".into()],
            budget,
            committed: Some(16),
        }
    }

    #[test]
    fn a_verb_that_crashes_is_a_defect_with_the_last_lines() {
        let error = of_verb(lost(SIGKILL)).expect_err("a crash");
        assert_eq!(error.exit, ExitCode::Bug);
        let text = error.render();
        let told = ["it was killed by SIGKILL", "last words", "hint:"];
        assert!(told.iter().all(|words| text.contains(words)), "{text}");
    }

    #[test]
    fn an_aborted_verb_says_what_is_lost() {
        let stopped = Stopped {
            exit: ExitCode::Interrupted,
            aborted: true,
            cause: None,
            committed: None,
        };
        let error = of_verb(Outcome::Stopped(stopped)).expect_err("aborted");
        assert_eq!(error.exit, ExitCode::Interrupted);
        assert!(error.render().contains("aborted;"), "{}", error.render());
    }
}
