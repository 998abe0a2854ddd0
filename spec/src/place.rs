//! A rank's place among the ranks that train together, and how they find each other.

use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How ranks exchange sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CollectiveKind {
    /// Schliff's own, over TCP; in every build.
    #[default]
    Tcp,
    /// An MPI library; in builds with the feature `mpi`.
    Mpi,
    /// NVIDIA's NCCL; in builds with the feature `nccl`.
    Nccl,
}

impl CollectiveKind {
    /// The word that flags and messages use.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Mpi => "mpi",
            Self::Nccl => "nccl",
        }
    }
}

/// One rank of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// This rank, from 0; rank 0 writes the result and the checkpoints.
    pub rank: usize,
    /// Ranks that train together: a power of two.
    pub world_size: usize,
    /// This rank among those on its machine, which is also its device.
    pub local_rank: usize,
    /// Ranks on this machine; they share its cores and memory.
    pub local_world_size: usize,
    /// Number of the attempt; it only grows, and ranks of different generations never meet.
    pub generation: u64,
    /// How sums are exchanged.
    pub collective: CollectiveKind,
    /// Where the ranks meet; absent for one rank alone.
    pub rendezvous: Option<Rendezvous>,
}

impl Place {
    /// One rank alone.
    pub const fn alone() -> Self {
        Self {
            rank: 0,
            world_size: 1,
            local_rank: 0,
            local_world_size: 1,
            generation: 0,
            collective: CollectiveKind::Tcp,
            rendezvous: None,
        }
    }
}

/// Where ranks meet, and how they prove that they belong together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rendezvous {
    /// `host:port` of the server.
    pub address: String,
    /// Address on which this rank listens to its peers, and by which they reach it.
    pub listen: IpAddr,
    /// A file with the job's secret, readable by its owner alone.
    pub secret_file: PathBuf,
}
