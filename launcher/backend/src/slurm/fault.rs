//! Failures of Slurm, of the way to it, and of its storage, as a back-end tells them.

use schliff_slurm::SlurmError;
use schliff_slurm::channel::ChannelError;

use super::folder::read::ReadError;
use crate::error::{BackendError, chain};

/// It will never do: what is wrong with what was asked.
pub(crate) fn rejected(doing: &str, error: &(dyn std::error::Error + 'static)) -> BackendError {
    BackendError::Rejected {
        doing: doing.to_owned(),
        why: chain(error),
    }
}

/// A script's answer is not there.
pub(crate) fn of_channel(doing: &str, error: ChannelError) -> BackendError {
    let doing = doing.to_owned();
    match error {
        ChannelError::Unreachable { .. } => BackendError::Transient {
            doing,
            source: error.into(),
        },
        ChannelError::Lost { .. } => BackendError::Lost {
            doing,
            source: error.into(),
        },
    }
}

/// A script's answer is of no use.
pub(crate) fn of_read(doing: &str, error: ReadError) -> BackendError {
    let doing = doing.to_owned();
    match error {
        ReadError::Storage(_) => BackendError::Transient {
            doing,
            source: error.into(),
        },
        ReadError::Garbled(_) => BackendError::Lost {
            doing,
            source: error.into(),
        },
    }
}

/// A call to Slurm failed.
pub(crate) fn of_slurm(doing: &str, error: SlurmError) -> BackendError {
    let doing = doing.to_owned();
    match error {
        SlurmError::Unavailable { .. } | SlurmError::Unauthorized { .. } => {
            BackendError::Transient {
                doing,
                source: error.into(),
            }
        }
        SlurmError::Refused { why, .. } => BackendError::Rejected { doing, why },
        SlurmError::Lost { .. } | SlurmError::NotUnderstood { .. } => BackendError::Lost {
            doing,
            source: error.into(),
        },
    }
}

/// As [`of_slurm`], of a call that changes nothing: it can simply be made again.
pub(crate) fn of_question(doing: &str, error: SlurmError) -> BackendError {
    BackendError::Transient {
        doing: doing.to_owned(),
        source: error.into(),
    }
}
