//! A cluster as far as the brain knows it: what it holds, and which nodes are avoided.

use std::collections::BTreeMap;

use schliff_spec::id::{ClusterName, NodeName};
use serde::{Deserialize, Serialize};

use crate::shape::Shape;
use crate::time::Timestamp;

/// Where jobs can run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// Its name.
    pub name: ClusterName,
    /// What its profile says.
    pub terms: Terms,
    /// Its nodes by name, as last observed. Not kept in the journal.
    #[serde(skip)]
    pub nodes: BTreeMap<NodeName, Node>,
    /// Failures blamed on nodes.
    pub strikes: BTreeMap<NodeName, Strikes>,
    /// When it was last observed; `None` before the first time. Not kept in the journal.
    #[serde(skip)]
    pub observed_at: Option<Timestamp>,
}

/// What a cluster's profile says to the brain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Who keeps the queue.
    pub queue: Queue,
    /// The longest wall time of an allocation.
    pub max_time_ms: Option<u64>,
    /// Allocations that may wait in the batch system at a time.
    pub max_waiting: Option<u32>,
    /// How long it may take until a listing shows what has come about.
    pub settle_ms: u64,
    /// What ends with more to do goes on there by itself, with the same key: it goes back to the queue,
    /// or a successor waits for it.
    #[serde(default)]
    pub chains: bool,
    /// Its agents are heard over a relay: while that is away they are silent, and that says nothing.
    #[serde(default)]
    pub relayed: bool,
    /// A look finds what it put back into its queue, and lets it start at once.
    #[serde(default)]
    pub releases: bool,
    /// Country where it stands, by its ISO 3166 code; unknown where absent.
    #[serde(default)]
    pub country: Option<String>,
    /// What its use costs.
    #[serde(default)]
    pub price: Price,
}

/// What the use of a cluster costs; what is absent is not known, which is not nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Of a GPU-hour, in millionths of a euro.
    pub micro_eur_per_gpu_hour: Option<u64>,
    /// Of a core-hour, in millionths of a euro.
    pub micro_eur_per_core_hour: Option<u64>,
}

impl Price {
    /// What an hour in this shape costs, where that is known.
    pub fn micro_eur_per_hour(&self, shape: Shape) -> Option<u64> {
        let times = |price: Option<u64>, count: u64| price.map(|it| it.saturating_mul(count));
        let cores = times(self.micro_eur_per_core_hour, shape.cpus());
        match shape.gpus() {
            0 => cores,
            gpus => {
                Some(times(self.micro_eur_per_gpu_hour, gpus)?.saturating_add(cores.unwrap_or(0)))
            }
        }
    }
}

impl Terms {
    /// A cluster without limits, which shows at once what has come about, and does nothing by itself.
    pub fn of(queue: Queue) -> Self {
        Self {
            queue,
            max_time_ms: None,
            max_waiting: None,
            settle_ms: 0,
            chains: false,
            relayed: false,
            releases: false,
            country: None,
            price: Price::default(),
        }
    }
}

/// Who decides what runs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Queue {
    /// Schliff: a job is submitted once its nodes are free, to nodes that it chose.
    Ours,
    /// The batch system: jobs are submitted and wait there.
    Theirs,
}

impl Cluster {
    /// Nodes that are up and large enough for a share of `shape`.
    pub fn could(&self, shape: Shape) -> usize {
        let nodes = self.nodes.values();
        nodes.filter(|node| node.is_up && node.fits(shape)).count()
    }
}

/// One node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// It can run something.
    pub is_up: bool,
    /// GPUs in all.
    pub gpus: u32,
    /// Cores in all.
    pub cpus: u32,
    /// GPUs that live attempts hold.
    pub gpus_held: u32,
    /// Cores that live attempts hold.
    pub cpus_held: u32,
}

impl Node {
    /// GPUs that nobody holds.
    pub fn gpus_free(&self) -> u32 {
        self.gpus.saturating_sub(self.gpus_held)
    }

    /// Whether a share of `shape` fits it when nobody holds anything.
    pub fn fits(&self, shape: Shape) -> bool {
        self.gpus >= shape.gpus_per_node && self.cpus >= shape.cpus_per_node
    }

    /// Cores that nobody holds.
    pub fn cpus_free(&self) -> u32 {
        self.cpus.saturating_sub(self.cpus_held)
    }
}

/// Failures blamed on a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strikes {
    /// How many, of late.
    pub count: u32,
    /// The last one.
    pub last_at: Timestamp,
}
