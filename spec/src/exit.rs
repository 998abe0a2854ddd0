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
    /// A defect in Schliff.
    Bug,
    /// Stopped at a step boundary as asked, all committed; the same command with `--resume` goes on.
    MoreToDo,
    /// Ranks or nodes kept dying or hanging until the restart budget was spent.
    GroupLost,
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
            Self::Bug => 70,
            // EX_TEMPFAIL: try again later.
            Self::MoreToDo => 75,
            Self::GroupLost => 76,
            Self::Interrupted => 130,
        }
    }

    /// The code with this number, if it is one of ours.
    pub fn of(number: i32) -> Option<Self> {
        let all = [
            Self::Ok,
            Self::JobFailed,
            Self::Usage,
            Self::Bug,
            Self::MoreToDo,
            Self::GroupLost,
            Self::Interrupted,
        ];
        all.into_iter().find(|exit| exit.code() == number)
    }
}
