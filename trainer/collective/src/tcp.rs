//! Sums over TCP: every rank is connected to every other.
//!
//! A sum is an all-to-all, the fixed tree, and an all-gather, in blocks that follow each other so
//! closely that sending, receiving and adding overlap (`all_reduce`). One loop in the caller's
//! thread moves all bytes (`exchange`). Rules: TC-1 every operation begins with a header on every
//! connection, so that ranks out of step find out before a number is used. TC-2 whoever fails tells
//! all peers the first cause, on connections of their own, before it closes anything. Absent on
//! purpose: threads, retries, checksums (TCP has them), encryption.

mod all_reduce;
mod exchange;
mod header;
mod parcel;
mod words;

use std::io;
use std::net::TcpStream;
use std::time::Duration;

use self::all_reduce::{AllReduce, Scratch};
use self::exchange::{Fault, Mesh};
use self::header::{Header, Operation};
use self::parcel::Parcels;
use self::words::LastWords;
use crate::{Collective, CollectiveError};

#[cfg(target_endian = "big")]
compile_error!("ranks exchange numbers as they lie in memory, which is little-endian");

/// The two connections to one peer.
pub(crate) struct Link {
    /// Headers and numbers.
    pub(crate) data: TcpStream,
    /// Words on the way out, which must not wait behind numbers.
    pub(crate) words: TcpStream,
}

/// A rank of a group over TCP.
pub(crate) struct Tcp {
    mesh: Mesh,
    scratch: Scratch,
    /// Operations so far.
    sequence: u64,
    /// Why the group is of no more use.
    broken: Option<LastWords>,
}

impl Tcp {
    /// A group of this rank and its peers.
    pub(crate) fn new(rank: usize, links: Vec<(usize, Link)>, limit: Duration) -> io::Result<Self> {
        let mesh = Mesh::new(rank, links, limit)?;
        Ok(Self {
            scratch: Scratch::default(),
            mesh,
            sequence: 0,
            broken: None,
        })
    }

    /// Agrees with all peers that a sum of so many numbers is next, which another wire then carries.
    #[cfg(feature = "nccl")]
    pub(crate) fn agree_on_sum(&mut self, len: usize) -> Result<(), CollectiveError> {
        self.exchange(Operation::AllReduce { len }, &[]).map(drop)
    }

    /// Hears, without waiting, whether a peer has left or is gone; for a wait that is not here.
    #[cfg(feature = "nccl")]
    pub(crate) fn listen(&mut self) -> Result<(), CollectiveError> {
        let heard = self.mesh.listen();
        self.end(Operation::AllReduce { len: 0 }, heard)
    }

    /// Tells every peer why this rank gives the group up; it is of no more use then.
    pub(crate) fn give_up(&mut self, reason: &str) {
        if self.broken.is_none() {
            let words = LastWords::left(self.mesh.rank(), reason);
            self.mesh.tell(&words);
            self.broken = Some(words);
        }
    }

    /// The header of the next operation.
    fn begin(&mut self, operation: Operation) -> Result<Header, CollectiveError> {
        if let Some(words) = &self.broken {
            return Err(CollectiveError::Aborted {
                rank: self.mesh.rank(),
                reason: format!("the group is broken since {words}"),
            });
        }
        self.sequence += 1;
        Ok(Header {
            operation,
            sequence: self.sequence,
        })
    }

    /// Where an operation failed, tells every peer.
    fn end<T>(
        &mut self,
        operation: Operation,
        result: Result<T, Fault>,
    ) -> Result<T, CollectiveError> {
        result.map_err(|fault| {
            let words = LastWords::of(&fault);
            self.mesh.tell(&words);
            self.broken = Some(words);
            fault.during(operation.name())
        })
    }

    /// Exchanges one parcel with every peer.
    fn exchange(
        &mut self,
        operation: Operation,
        part: &[u8],
    ) -> Result<Vec<Vec<u8>>, CollectiveError> {
        let header = self.begin(operation)?;
        let mut parcels = Parcels::new(&self.mesh, header, part);
        let exchanged = self.mesh.run(&mut parcels);
        let parts = parcels.into_parts();
        self.end(operation, exchanged.map(|()| parts))
    }
}

impl Collective for Tcp {
    fn rank(&self) -> usize {
        self.mesh.rank()
    }

    fn world_size(&self) -> usize {
        self.mesh.world_size()
    }

    fn all_reduce(&mut self, data: &mut [f32]) -> Result<(), CollectiveError> {
        let operation = Operation::AllReduce { len: data.len() };
        let header = self.begin(operation)?;
        let mut sum = AllReduce::new(&self.mesh, header, data, &mut self.scratch);
        let summed = self.mesh.run(&mut sum);
        self.end(operation, summed)
    }

    fn all_gather(&mut self, part: &[u8]) -> Result<Vec<Vec<u8>>, CollectiveError> {
        let own = self.mesh.rank();
        let mut parts = self.exchange(Operation::AllGather, part)?;
        parts[own] = part.to_vec();
        Ok(parts)
    }

    fn broadcast(&mut self, root: usize, data: &mut Vec<u8>) -> Result<(), CollectiveError> {
        let is_root = root == self.mesh.rank();
        let part: &[u8] = if is_root { data } else { &[] };
        let mut parts = self.exchange(Operation::Broadcast { root }, part)?;
        if !is_root && root < parts.len() {
            *data = parts.swap_remove(root);
        }
        Ok(())
    }

    fn abort(mut self: Box<Self>, reason: &str) {
        self.give_up(reason);
    }
}
