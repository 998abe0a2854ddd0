//! Why ranks cannot work together, or no longer.

use thiserror::Error;

/// A collective operation failed; the group is of no more use.
#[derive(Debug, Error)]
pub enum CollectiveError {
    /// A peer aborted and said why.
    #[error("rank {rank} left the group: {reason}")]
    Aborted {
        /// The peer.
        rank: usize,
        /// Its words.
        reason: String,
    },
    /// The connection to a peer broke.
    #[error("rank {rank} is lost during {operation}")]
    PeerLost {
        /// The peer.
        rank: usize,
        /// What was at work.
        operation: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// A peer gave no sign for too long.
    #[error("rank {rank} did not answer within {waited_ms} ms during {operation}")]
    TimedOut {
        /// The peer.
        rank: usize,
        /// What was at work.
        operation: &'static str,
        /// How long it was waited for.
        waited_ms: u64,
    },
    /// Peers called different operations or with different lengths.
    #[error("rank {rank} is at another operation: {told}, here {own}")]
    OutOfStep {
        /// The peer.
        rank: usize,
        /// What it announced.
        told: String,
        /// What this rank is doing.
        own: String,
    },
    /// The group could not be formed.
    #[error("cannot join the group at {address}: {reason}")]
    Join {
        /// The rendezvous.
        address: String,
        /// What went wrong, with what the user can do.
        reason: String,
    },
    /// The library behind a back-end is missing or refuses.
    #[error("{library}: {reason}")]
    Library {
        /// Such as `NCCL` or `MPI`.
        library: &'static str,
        /// What went wrong, with what the user can do.
        reason: String,
    },
}
