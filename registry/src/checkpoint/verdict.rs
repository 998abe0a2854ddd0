//! What a look at a checkpoint says about it.

use std::fmt;

use serde::Serialize;

use crate::JobDigest;

/// What a look at a checkpoint says about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Training can go on from it.
    Good,
    /// Something of it is missing.
    Torn {
        /// What.
        reason: String,
    },
    /// Something of it is not what was written.
    Tampered {
        /// What.
        reason: String,
    },
    /// It belongs to another job.
    OtherJob {
        /// To which.
        job: JobDigest,
    },
    /// It was written by another version.
    UnknownFormat {
        /// Its format.
        #[serde(rename = "reason")]
        format: String,
    },
    /// Its manifest makes no sense.
    Unreadable {
        /// Why.
        reason: String,
    },
}

impl Verdict {
    /// Whether training can go on from it.
    pub fn is_good(&self) -> bool {
        *self == Self::Good
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good => f.write_str("good"),
            Self::Torn { reason } => write!(f, "torn: {reason}"),
            Self::Tampered { reason } => write!(f, "tampered: {reason}"),
            Self::OtherJob { job } => write!(f, "of another job: {}", job.short()),
            Self::UnknownFormat { format } => {
                write!(f, "of another version: its format is {format:?}")
            }
            Self::Unreadable { reason } => write!(f, "unreadable: {reason}"),
        }
    }
}
