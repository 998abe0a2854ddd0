//! What a folder's traces say of its allocation. Pure.
//!
//! Rules: everything that says how it ended is written before the lock becomes free, so that what
//! is read after it was found free is final.

use schliff_scheduler::allocation::{AllocationEnd, AllocationStatus};

use super::process::Birth;

/// What was found in an allocation's folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Traces {
    /// A process of it lives.
    pub(super) is_held: bool,
    /// Its first process.
    pub(super) birth: Option<Birth>,
    /// What its agent wrote as its exit code.
    pub(super) exit: Option<String>,
    /// Why it could not be started.
    pub(super) failure: Option<String>,
    /// It was ended because its time was over.
    pub(super) is_timed_out: bool,
}

/// The status.
pub(super) fn of(traces: Traces) -> AllocationStatus {
    if traces.is_held {
        return AllocationStatus::Running;
    }
    let code = traces.exit.and_then(|text| text.trim().parse().ok());
    let end = match (code, traces.failure, traces.birth) {
        (Some(code), ..) => AllocationEnd::Exited { code },
        (None, Some(why), _) => AllocationEnd::NeverStarted { why },
        (None, None, None) => AllocationEnd::NeverStarted {
            why: "whoever was to start it ended before".to_owned(),
        },
        (None, None, Some(_)) if traces.is_timed_out => AllocationEnd::TimedOut,
        (None, None, Some(_)) => AllocationEnd::Killed { signal: None },
    };
    AllocationStatus::Ended { end }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(change: impl FnOnce(&mut Traces)) -> AllocationEnd {
        let mut traces = Traces {
            birth: Some(Birth {
                pid: 5,
                start_ticks: 7,
            }),
            ..Traces::default()
        };
        change(&mut traces);
        match of(traces) {
            AllocationStatus::Ended { end } => end,
            status => panic!("{status:?}"),
        }
    }

    #[test]
    fn what_is_held_runs_whatever_else_is_there() {
        let traces = Traces {
            is_held: true,
            exit: Some("0".to_owned()),
            is_timed_out: true,
            ..Traces::default()
        };
        assert_eq!(of(traces), AllocationStatus::Running);
    }

    #[test]
    fn an_exit_code_is_the_last_word() {
        let exited = |text: &str| {
            end(|traces| {
                traces.exit = Some(text.to_owned());
                traces.is_timed_out = true;
            })
        };
        assert_eq!(exited("75\n"), AllocationEnd::Exited { code: 75 });
        assert_eq!(exited("what"), AllocationEnd::TimedOut);
    }

    #[test]
    fn without_an_exit_code_it_was_killed_or_never_started() {
        assert_eq!(end(|_| ()), AllocationEnd::Killed { signal: None });
        let why = "no program".to_owned();
        let failure = Some(why.clone());
        let told = end(|traces| traces.failure = failure);
        assert_eq!(told, AllocationEnd::NeverStarted { why });
        let unborn = end(|traces| traces.birth = None);
        assert!(matches!(unborn, AllocationEnd::NeverStarted { .. }));
    }
}
