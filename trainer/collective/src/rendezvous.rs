//! How the ranks of one generation find each other, and prove that they belong together.
//!
//! The supervisor runs one [`Server`] over all generations of a job. Each rank tells it where it
//! listens; when all have, each is given the table of its peers. Rules: RV-1 the job's secret never
//! crosses the wire, both sides prove that they know it (see `handshake`). RV-2 nothing that a
//! stranger sends costs more than one bounded, short-lived connection. RV-3 a member that cannot be
//! taken is told why. Absent on purpose: encryption of what ranks say afterwards, and finding the
//! server, whose address comes with the rank's place.

mod door;
mod gate;
mod handshake;
mod member;
mod message;
mod secret;
mod server;
mod table;

use std::time::Duration;

use schliff_spec::place::{CollectiveKind, Place};

pub use door::{Door, call};
pub use secret::Secret;
pub use server::Server;

use crate::{Collective, CollectiveError, Solo};

/// How long a rank waits for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For all ranks to come together.
    pub join: Duration,
    /// For a sign of a peer during an operation.
    pub operation: Duration,
}

/// Brings this rank into its group.
///
/// # Errors
/// The group cannot be formed, or this build lacks the kind of collective.
pub fn join(place: &Place, limits: &Limits) -> Result<Box<dyn Collective>, CollectiveError> {
    if place.world_size == 1 && place.rank == 0 {
        return Ok(Box::new(Solo));
    }
    if !place.world_size.is_power_of_two() || place.rank >= place.world_size {
        return Err(CollectiveError::Join {
            address: "no rendezvous".into(),
            reason: format!(
                "rank {} of {} cannot be: ranks count from 0, and their number is a power of two",
                place.rank, place.world_size
            ),
        });
    }
    match place.collective {
        CollectiveKind::Tcp => Ok(Box::new(member::join(place, limits)?)),
        #[cfg(feature = "mpi")]
        CollectiveKind::Mpi => Ok(Box::new(crate::mpi::join(place)?)),
        #[cfg(not(feature = "mpi"))]
        CollectiveKind::Mpi => Err(lacking("MPI", "mpi")),
        #[cfg(feature = "nccl")]
        CollectiveKind::Nccl => {
            let control = meet(place, limits)?;
            Ok(Box::new(crate::nccl::join(place, limits, control)?))
        }
        #[cfg(not(feature = "nccl"))]
        CollectiveKind::Nccl => Err(lacking("NCCL", "nccl")),
    }
}

/// Whether this build and this machine have what a kind of collective needs. For before anything
/// that takes time: whether a group comes about is seen only by [`join`].
///
/// # Errors
/// What is missing, with what the user can do.
pub fn check(kind: CollectiveKind) -> Result<(), CollectiveError> {
    match kind {
        CollectiveKind::Tcp => Ok(()),
        #[cfg(feature = "mpi")]
        CollectiveKind::Mpi => Ok(()),
        #[cfg(not(feature = "mpi"))]
        CollectiveKind::Mpi => Err(lacking("MPI", "mpi")),
        #[cfg(feature = "nccl")]
        CollectiveKind::Nccl => crate::nccl::check(),
        #[cfg(not(feature = "nccl"))]
        CollectiveKind::Nccl => Err(lacking("NCCL", "nccl")),
    }
}

/// The connections beside another back-end's own.
#[cfg(feature = "nccl")]
pub(crate) fn meet(place: &Place, limits: &Limits) -> Result<crate::tcp::Tcp, CollectiveError> {
    member::join(place, limits)
}

/// Whether this build has a kind of collective.
pub const fn is_built(kind: CollectiveKind) -> bool {
    match kind {
        CollectiveKind::Tcp => true,
        CollectiveKind::Mpi => cfg!(feature = "mpi"),
        CollectiveKind::Nccl => cfg!(feature = "nccl"),
    }
}

/// The error of a build without a kind of collective.
#[cfg(not(all(feature = "mpi", feature = "nccl")))]
fn lacking(library: &'static str, feature: &str) -> CollectiveError {
    CollectiveError::Library {
        library,
        reason: format!(
            "this schliff-trainer was built without it; build with `--features {feature}`, or \
             take `--collective tcp`"
        ),
    }
}
