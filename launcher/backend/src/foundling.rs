//! What somebody submitted to a batch system by hand, as it is found before it is adopted.
//!
//! Rules: looking changes nothing; each reason why something cannot be adopted has a sentence of its own.

use schliff_scheduler::allocation::AllocationId;
use schliff_spec::id::SubmitKey;

use crate::error::BackendError;

/// What can be adopted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foundling {
    /// The job file that it runs.
    pub document: String,
    /// Folder of the result; absolute, on the cluster's storage.
    pub out: String,
    /// Nodes that it has or waits for.
    pub nodes: u32,
    /// Its wall time.
    pub time_limit_ms: Option<u64>,
}

/// Why something cannot be adopted.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The back-end has nothing that others submitted.
    #[error("nobody but Schliff submits to this cluster")]
    NoWay,
    /// It is no name of an allocation.
    #[error("{0} is no number of a job there")]
    NoNumber(AllocationId),
    /// The batch system does not know it, or no more.
    #[error("there is no job {0}, or it has ended and is forgotten")]
    Unknown(AllocationId),
    /// It is somebody else's.
    #[error("job {id} is {user}'s")]
    OfUser {
        /// Which.
        id: AllocationId,
        /// Whose.
        user: String,
    },
    /// It runs something else.
    #[error("job {0} was not made by `schliff export`")]
    NotOurs(AllocationId),
    /// It is another coordinator's.
    #[error("job {id} is another coordinator's ({instance})")]
    OfCoordinator {
        /// Which.
        id: AllocationId,
        /// The other's word.
        instance: String,
    },
    /// It is this coordinator's.
    #[error("job {id} is {key} of this coordinator")]
    Known {
        /// Which.
        id: AllocationId,
        /// The attempt.
        key: SubmitKey,
    },
    /// It is over.
    #[error("job {0} has ended")]
    Ended(AllocationId),
    /// Its work is done.
    #[error("nothing is left to do in {out}")]
    Done {
        /// Folder of the result.
        out: String,
    },
    /// Several in one.
    #[error("job {0} is an array")]
    Array(AllocationId),
    /// Another one works in the same folder.
    #[error("job {id} waits while job {other} of the same name is at work: adopt that one")]
    Rival {
        /// Which.
        id: AllocationId,
        /// The other.
        other: AllocationId,
    },
    /// What is in the folder was adopted before.
    #[error("{who} has adopted what is in {out}; remove {out}/adopted if it is to be adopted anew")]
    Adopted {
        /// A coordinator's word and a key.
        who: String,
        /// Folder of the result.
        out: String,
    },
    /// Its storage is not to be seen.
    #[error(
        "the folder {0}, in which it was submitted, is not to be seen from where Slurm is reached"
    )]
    NoFolder(String),
    /// Slurm cannot be told that it is another's from now on.
    #[error("{why}")]
    NoRename {
        /// Why.
        why: String,
    },
    /// Its job file is not to be had yet.
    #[error(
        "its job file is in its folder once it has started, and there is no other way to it here"
    )]
    NoDocument,
    /// The site cannot be asked.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

impl FindError {
    /// Stable, for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoWay => "no-adoption",
            Self::NoNumber(_) | Self::Unknown(_) => "adopt-unknown",
            Self::OfUser { .. } | Self::NotOurs(_) | Self::OfCoordinator { .. } => "adopt-foreign",
            Self::Known { .. } | Self::Adopted { .. } => "adopted-before",
            Self::Ended(_) | Self::Done { .. } => "adopt-ended",
            Self::Array(_) | Self::Rival { .. } | Self::NoRename { .. } => "adopt-unfit",
            Self::NoFolder(_) | Self::NoDocument => "adopt-unseen",
            Self::Backend(_) => "cluster",
        }
    }
}
