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
            Self::Interrupted => 130,
        }
    }
}
