//! Sums over ranks: the same bits for any number of them.
//!
//! Rules: CO-1 every rank of a group calls the same operations in the same order. CO-2 a sum is
//! taken in a fixed binary tree over the ranks, in rank order, so that a group of `2^k` ranks whose
//! members summed aligned parts of a larger tree gives the bits of that tree. CO-3 after an error
//! the group is of no more use; every peer learns of it within its time limit. CO-4 ranks of
//! different generations, jobs or secrets never exchange a byte of data. Absent on purpose:
//! tensors, devices of other processes, restarts (a new generation makes a new group).

pub mod attach;
pub mod bench;
pub mod conformance;
mod error;
#[cfg(feature = "mpi")]
mod mpi;
#[cfg(feature = "nccl")]
mod nccl;
pub mod rendezvous;
pub mod self_test;
mod solo;
mod tcp;
mod tree;

pub use error::CollectiveError;
#[cfg(feature = "nccl")]
pub use nccl::rehearse;
pub use solo::Solo;

/// What a rank that has nothing to add puts into a sum: `x + -0.0` is `x` to the bit, for every
/// `x`, which `x + 0.0` is not.
pub const NOTHING: f32 = -0.0;

/// One rank's membership in a group.
pub trait Collective: Send {
    /// This rank, from 0.
    fn rank(&self) -> usize;

    /// Ranks in the group: a power of two.
    fn world_size(&self) -> usize;

    /// Whether sums are taken in the fixed tree. What is faster without is asked for by name.
    fn is_fixed(&self) -> bool {
        true
    }

    /// Replaces `data` on every rank by the element-wise sum over ranks, in the fixed tree
    /// `((r0 + r1) + (r2 + r3)) + ...`. All ranks give the same length.
    ///
    /// # Errors
    /// A peer is lost, late or of another opinion on the length; the group is then broken.
    fn all_reduce(&mut self, data: &mut [f32]) -> Result<(), CollectiveError>;

    /// Every rank's `part`, by rank. Parts may differ in length; meant for small ones.
    ///
    /// # Errors
    /// As [`Self::all_reduce`].
    fn all_gather(&mut self, part: &[u8]) -> Result<Vec<Vec<u8>>, CollectiveError>;

    /// Replaces `data` on every rank by that of rank `root`.
    ///
    /// # Errors
    /// As [`Self::all_reduce`].
    fn broadcast(&mut self, root: usize, data: &mut Vec<u8>) -> Result<(), CollectiveError>;

    /// Returns once every rank has called it.
    ///
    /// # Errors
    /// As [`Self::all_reduce`].
    fn barrier(&mut self) -> Result<(), CollectiveError> {
        self.all_gather(&[]).map(drop)
    }

    /// Leaves the group for good and tells every peer why, so that none waits for its time limit.
    fn abort(self: Box<Self>, reason: &str);
}
