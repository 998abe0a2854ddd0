//! From the trainer's last word and its exit status to one outcome. Pure.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use schliff_spec::exit::ExitCode;

use super::Answer;
use super::conversation::End;
use crate::outcome::CliError;

/// How far the user's wish to stop has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// No wish.
    None,
    /// The trainer was asked to stop after its step.
    Asked,
    /// The trainer was killed.
    Killed,
}

impl Stop {
    /// One more signal came.
    pub(crate) const fn next(self) -> Self {
        match self {
            Self::None => Self::Asked,
            Self::Asked | Self::Killed => Self::Killed,
        }
    }
}

/// What the verb comes to.
pub(crate) fn verdict(
    end: Option<End>,
    status: ExitStatus,
    stop: Stop,
    last_lines: Vec<String>,
) -> Result<Answer, CliError> {
    match end {
        Some(End::Done(result)) => {
            let interrupted = result
                .get("interrupted")
                .and_then(serde_json::Value::as_bool);
            let stopped = stop != Stop::None || interrupted == Some(true);
            let exit = if stopped {
                ExitCode::Interrupted
            } else {
                ExitCode::Ok
            };
            Ok(Answer { result, exit })
        }
        Some(End::Failed(failure)) => {
            let mut error = CliError::from(failure);
            if stop != Stop::None {
                error.exit = ExitCode::Interrupted;
            }
            Err(error)
        }
        None if stop != Stop::None => {
            let error = match stop {
                Stop::Killed => "aborted; the step at work and all since the last save are lost",
                _ => "stopped, but the trainer ended without saying whether it saved anything",
            };
            Err(CliError::new(ExitCode::Interrupted, error).caused_by(how(status)))
        }
        None => Err(crash(status, last_lines)),
    }
}

/// The report on a trainer that ended without a last word.
fn crash(status: ExitStatus, last_lines: Vec<String>) -> CliError {
    let error = CliError::bug("schliff-trainer ended without a result")
        .caused_by(how(status))
        .last_lines(last_lines);
    match status.signal() {
        Some(signal) if signal == signal_hook::consts::SIGKILL => error.hint(
            "the system kills a process when memory runs out (see dmesg); \
             try a smaller training.micro_batch_tokens or data.max_tokens",
        ),
        Some(signal) if signal == signal_hook::consts::SIGILL => {
            error.hint("the trainer was built for another processor: make build on this machine")
        }
        _ => error,
    }
}

/// `it was killed by SIGSEGV`, `it exited with 3`.
fn how(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => match signal_hook::low_level::signal_name(signal) {
            Some(name) => format!("it was killed by {name}"),
            None => format!("it was killed by signal {signal}"),
        },
        (None, Some(code)) => format!("it exited with {code}"),
        (None, None) => "its exit status is unknown".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schliff_spec::event::Failure;
    use serde_json::json;

    const SUCCESS: i32 = 0;
    /// The raw wait status of a process that exited with 3.
    const EXITED_3: i32 = 3 << 8;
    const KILLED: i32 = signal_hook::consts::SIGKILL;

    fn of(end: Option<End>, raw: i32, stop: Stop) -> Result<Answer, CliError> {
        verdict(
            end,
            ExitStatus::from_raw(raw),
            stop,
            vec!["last words".into()],
        )
    }

    #[test]
    fn a_result_counts_and_a_stop_shows_in_the_exit_code() {
        let done = |result| Some(End::Done(result));
        let exit = |result, stop| of(done(result), SUCCESS, stop).expect("a result").exit;
        assert_eq!(exit(json!({}), Stop::None), ExitCode::Ok);
        assert_eq!(
            exit(json!({"interrupted": false}), Stop::Asked),
            ExitCode::Interrupted
        );
        assert_eq!(
            exit(json!({"interrupted": true}), Stop::None),
            ExitCode::Interrupted
        );
    }

    #[test]
    fn a_failure_keeps_its_code_unless_the_user_stopped_it() {
        let failed = || {
            let (error, causes) = ("cannot read base model".into(), vec!["truncated".into()]);
            Some(End::Failed(Failure {
                error,
                causes,
                hint: None,
                exit: 1,
                saved: None,
            }))
        };
        let exit = |stop| of(failed(), EXITED_3, stop).expect_err("a failure").exit;
        assert_eq!(exit(Stop::None), ExitCode::JobFailed);
        assert_eq!(exit(Stop::Asked), ExitCode::Interrupted);
    }

    #[test]
    fn a_silent_end_is_a_defect_with_the_last_lines() {
        let exited = of(None, EXITED_3, Stop::None).expect_err("a crash");
        assert_eq!(exited.exit, ExitCode::Bug);
        assert!(exited.render().contains("it exited with 3"));
        assert!(exited.render().contains("last words"));
        let killed = of(None, KILLED, Stop::None).expect_err("a crash").render();
        assert!(
            killed.contains("SIGKILL") && killed.contains("hint:"),
            "{killed}"
        );
    }

    #[test]
    fn a_silent_end_after_a_stop_is_an_interruption() {
        let aborted = of(None, KILLED, Stop::Asked.next()).expect_err("aborted");
        assert_eq!(aborted.exit, ExitCode::Interrupted);
        assert!(aborted.render().contains("aborted"));
    }
}
