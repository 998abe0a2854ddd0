//! Where a value comes from, for `schliff config --origin` and for problems.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

/// The layer that gave a key its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Nobody said otherwise.
    Default,
    /// The job file.
    File {
        /// The file, as named by the user.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1, in characters.
        column: usize,
    },
    /// A `--set` on the command line, as typed.
    Set(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => write!(f, "default"),
            Self::File { path, line, column } => {
                write!(f, "{}:{line}:{column}", path.display())
            }
            Self::Set(argument) => write!(f, "--set {argument}"),
        }
    }
}

/// An [`Origin`] inside the one file that is being read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Default,
    At { line: usize, column: usize },
    Set(Arc<str>),
}

impl Place {
    pub(crate) const START: Self = Self::At { line: 1, column: 1 };

    pub(crate) fn origin(&self, file: &Path) -> Origin {
        match self {
            Self::Default => Origin::Default,
            Self::At { line, column } => Origin::File {
                path: file.to_owned(),
                line: *line,
                column: *column,
            },
            Self::Set(argument) => Origin::Set(argument.to_string()),
        }
    }
}
