//! The group over an MPI library, for sites whose network speaks best through their own MPI.
//!
//! The sum is not `MPI_Allreduce`, whose order is the library's: shares go out by all-to-all, each
//! rank adds up its own in the same tree as over TCP, and all-gather brings the sums back. So the
//! bits are those of every other back-end. Each operation begins with a gather of what it is, so that
//! ranks out of step are told so. Absent on purpose: time limits, which MPI does not have, and
//! errors of the library as values: the bindings do not look at them, so the library must end the
//! process. A rank that dies takes the whole group with it, and whoever supervises starts the next
//! generation.

use std::sync::atomic::{AtomicBool, Ordering};

use mpi::Threading;
use mpi::datatype::PartitionMut;
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives, Root};
use schliff_spec::place::Place;

use crate::tree::{add_up, longest_share, share};
use crate::{Collective, CollectiveError};

/// MPI can be initialised once in a process.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// A place in memory for parts without bytes.
static NO_BYTES: [u8; 1] = [0];

/// Exit code of a group that was given up.
const ABORTED: i32 = 76;

/// One rank's membership by MPI.
pub(crate) struct Mpi {
    world: SimpleCommunicator,
    /// Ends MPI when it is dropped.
    _universe: Universe,
    operations: u64,
    is_broken: bool,
    out: Vec<f32>,
    back: Vec<f32>,
}

// SAFETY: MPI is initialised so that any one thread at a time may call it, and a membership is used
// by one thread at a time, since every operation takes it by `&mut`.
unsafe impl Send for Mpi {}

/// What an operation is, for the check that all ranks do the same.
#[derive(Clone, Copy)]
enum Operation {
    AllReduce = 1,
    AllGather = 2,
    Broadcast = 3,
}

impl Operation {
    const fn word(number: u64) -> &'static str {
        match number {
            1 => "all_reduce",
            2 => "all_gather",
            3 => "broadcast",
            _ => "nothing known",
        }
    }
}

/// Joins the ranks that `mpirun` or `srun` started.
pub(crate) fn join(place: &Place) -> Result<Mpi, CollectiveError> {
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Err(refused(
            "it is initialised already; a process joins one group".into(),
        ));
    }
    let initialised = mpi::initialize_with_threading(Threading::Serialized);
    let Some((universe, threading)) = initialised else {
        return Err(refused("it is initialised already".into()));
    };
    if threading < Threading::Serialized {
        return Err(refused(format!(
            "it grants {threading:?} to threads, and Serialized is needed; is it built without threads?"
        )));
    }
    let world = universe.world();
    let (rank, world_size) = (count(world.rank()), count(world.size()));
    if (rank, world_size) != (place.rank, place.world_size) {
        return Err(refused(format!(
            "this is its rank {rank} of {world_size}, but rank {} of {} of the job; start the ranks \
             by mpirun or srun --mpi=pmix",
            place.rank, place.world_size
        )));
    }
    Ok(Mpi {
        world,
        _universe: universe,
        operations: 0,
        is_broken: false,
        out: Vec::new(),
        back: Vec::new(),
    })
}

impl Mpi {
    /// Every rank's number that goes with the operation, by rank.
    fn agree(&mut self, operation: Operation, number: u64) -> Result<Vec<u64>, CollectiveError> {
        if self.is_broken {
            return Err(CollectiveError::Aborted {
                rank: self.rank(),
                reason: "the group is broken since ranks were out of step".into(),
            });
        }
        self.operations += 1;
        let own = [self.operations, operation as u64, number];
        let mut all = vec![0_u64; own.len() * self.world_size()];
        self.world.all_gather_into(&own[..], &mut all[..]);
        let told = all.chunks_exact(own.len());
        let strange = told
            .clone()
            .position(|told| (told[0], told[1]) != (own[0], own[1]));
        if let Some(rank) = strange {
            self.is_broken = true;
            let words = |it: &[u64]| format!("{} number {}", Operation::word(it[1]), it[0]);
            return Err(CollectiveError::OutOfStep {
                rank,
                told: words(&all[rank * own.len()..]),
                own: words(&own),
            });
        }
        Ok(told.map(|told| told[2]).collect())
    }
}

impl Collective for Mpi {
    fn rank(&self) -> usize {
        count(self.world.rank())
    }

    fn world_size(&self) -> usize {
        count(self.world.size())
    }

    fn all_reduce(&mut self, data: &mut [f32]) -> Result<(), CollectiveError> {
        let lengths = self.agree(Operation::AllReduce, data.len() as u64)?;
        if let Some(rank) = lengths.iter().position(|&len| len != data.len() as u64) {
            self.is_broken = true;
            return Err(CollectiveError::OutOfStep {
                rank,
                told: format!("all_reduce of {} numbers", lengths[rank]),
                own: format!("all_reduce of {} numbers", data.len()),
            });
        }
        if data.is_empty() {
            return Ok(());
        }
        let (rank, world_size) = (self.rank(), self.world_size());
        let stride = longest_share(data.len(), world_size);
        self.out.resize(stride * world_size, 0.0);
        self.back.resize(stride * world_size, 0.0);
        self.out[..data.len()].copy_from_slice(data);
        self.world
            .all_to_all_into(&self.out[..], &mut self.back[..]);
        let own = &mut self.out[rank * stride..(rank + 1) * stride];
        add_up(own, rank, &mut self.back, stride);
        let own = &self.out[rank * stride..(rank + 1) * stride];
        self.world.all_gather_into(own, &mut self.back[..]);
        for owner in 0..world_size {
            let part = share(data.len(), world_size, owner);
            let sums = &self.back[owner * stride..owner * stride + part.len()];
            data[part].copy_from_slice(sums);
        }
        Ok(())
    }

    fn all_gather(&mut self, part: &[u8]) -> Result<Vec<Vec<u8>>, CollectiveError> {
        let lengths = self.agree(Operation::AllGather, part.len() as u64)?;
        let mut starts = Vec::with_capacity(lengths.len());
        let mut counts = Vec::with_capacity(lengths.len());
        let mut total = 0_i32;
        for len in &lengths {
            let count = i32::try_from(*len).ok();
            let end = count.and_then(|count| total.checked_add(count));
            let (Some(count), Some(end)) = (count, end) else {
                return Err(refused("parts are longer than 2 GiB together".into()));
            };
            starts.push(total);
            counts.push(count);
            total = end;
        }
        // The address of an empty vector is 1, which Open MPI takes for MPI_IN_PLACE.
        let part = if part.is_empty() {
            &NO_BYTES[..0]
        } else {
            part
        };
        let mut all = vec![0_u8; count(total) + 1];
        {
            let mut target = PartitionMut::new(&mut all[..count(total)], &counts[..], &starts[..]);
            self.world.all_gather_varcount_into(part, &mut target);
        }
        let mut rest = all.as_slice();
        let parts = lengths.iter().map(|&len| {
            let (part, after) = rest.split_at(len as usize);
            rest = after;
            part.to_vec()
        });
        Ok(parts.collect())
    }

    fn broadcast(&mut self, root: usize, data: &mut Vec<u8>) -> Result<(), CollectiveError> {
        let lengths = self.agree(Operation::Broadcast, data.len() as u64)?;
        let len = lengths.get(root).copied();
        let len = len.ok_or_else(|| refused(format!("there is no rank {root}")))?;
        data.resize(len as usize, 0);
        let root = i32::try_from(root).unwrap_or(i32::MAX);
        // The count of a message is a 32-bit number in MPI 3.
        for chunk in data.chunks_mut(1 << 30) {
            self.world.process_at_rank(root).broadcast_into(chunk);
        }
        Ok(())
    }

    fn abort(self: Box<Self>, _reason: &str) {
        // MPI has no words for the others; they learn of the end by theirs.
        self.world.abort(ABORTED)
    }
}

fn refused(reason: String) -> CollectiveError {
    CollectiveError::Library {
        library: "MPI",
        reason,
    }
}

/// Ranks and sizes of MPI are never negative.
fn count(number: i32) -> usize {
    usize::try_from(number).unwrap_or_default()
}
