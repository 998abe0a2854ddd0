//! Exit codes of every Schliff binary: the one definition that documents and tests refer to.

/// How a process of Schliff ends, as scripts see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExitCode {
    /// What was asked for is done.
    Ok,
    /// The job failed: its data, its model or its numbers stopped it.
    JobFailed,
    /// Usage or spec: the user must change a file or a flag.
    Usage,
    /// No coordinator answers where one was expected.
    Unreachable,
    /// The back-end (a batch system, an orchestrator, this machine) refused the job.
    Refused,
    /// Gave up waiting: what was waited for may still come about.
    GaveUp,
    /// A defect in Schliff.
    Bug,
    /// Stopped at a step boundary as asked, all committed; the same command with `--resume` goes on.
    MoreToDo,
    /// Ranks or nodes kept dying or hanging until the restart budget was spent.
    GroupLost,
    /// Another start of the same attempt has taken over: this one's nodes were taken for lost.
    Superseded,
    /// Ended by Ctrl-C or a termination signal.
    Interrupted,
}

impl ExitCode {
    /// The number handed to the operating system.
    pub const fn code(self) -> i32 {
        match self {
            Self::Ok => 0,
            Self::JobFailed => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::Refused => 4,
            Self::GaveUp => 5,
            Self::Bug => 70,
            // EX_TEMPFAIL: try again later.
            Self::MoreToDo => 75,
            Self::GroupLost => 76,
            // Outside the range of sysexits.h, as it is nobody's fault.
            Self::Superseded => 79,
            Self::Interrupted => 130,
        }
    }

    /// The code with this number, if it is one of ours.
    pub fn of(number: i32) -> Option<Self> {
        let all = [
            Self::Ok,
            Self::JobFailed,
            Self::Usage,
            Self::Unreachable,
            Self::Refused,
            Self::GaveUp,
            Self::Bug,
            Self::MoreToDo,
            Self::GroupLost,
            Self::Superseded,
            Self::Interrupted,
        ];
        all.into_iter().find(|exit| exit.code() == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_code_is_one_of_ours_and_no_other() {
        let ours: Vec<_> = (-1..=256)
            .filter(|code| ExitCode::of(*code).is_some())
            .collect();
        assert_eq!(ours, [0, 1, 2, 3, 4, 5, 70, 75, 76, 79, 130]);
        let readme = include_str!("../../README.md");
        for code in ours {
            assert_eq!(ExitCode::of(code).map(ExitCode::code), Some(code));
            assert!(readme.contains(&format!("\n| {code} | ")), "{code}");
        }
    }
}
