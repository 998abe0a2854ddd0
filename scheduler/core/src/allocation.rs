//! What a batch system tells of allocations: the words that back-ends and the brain share.
//!
//! Rules: a listing names everything that is tagged as ours, in one call. What is missing from it is
//! unknown, not ended. Absent on purpose: what runs inside.

use std::fmt;

use schliff_spec::id::{ClusterName, NodeName, SubmitKey};
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// What the batch system calls an allocation, such as a Slurm job id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AllocationId(pub String);

impl fmt::Display for AllocationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Everything of ours on one cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listing {
    /// The cluster.
    pub cluster: ClusterName,
    /// When the question was asked: it knows nothing of what was submitted later.
    pub asked_at: Timestamp,
    /// Every allocation is in it. A partial answer proves nothing by what is missing.
    pub is_complete: bool,
    /// Allocations that carry a submit key.
    pub allocations: Vec<Allocation>,
    /// The cluster's nodes, where the back-end can tell.
    pub nodes: Option<Vec<NodeReport>>,
}

/// One allocation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Allocation {
    /// The attempt that it is for.
    pub key: SubmitKey,
    /// The batch system's name for it.
    pub id: AllocationId,
    /// What it does.
    pub status: AllocationStatus,
    /// Its nodes, in the order of their numbers; empty before they are granted.
    pub nodes: Vec<NodeName>,
}

/// What an allocation does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum AllocationStatus {
    /// It waits.
    Pending {
        /// Why, in the batch system's words.
        why: String,
        /// When it may start, by the batch system's estimate.
        start_estimate: Option<Timestamp>,
    },
    /// It was granted and runs.
    Running,
    /// It is over.
    Ended {
        /// How.
        end: AllocationEnd,
    },
}

/// How an allocation ended, as the batch system tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum AllocationEnd {
    /// The agent of node 0 ended with this exit code.
    Exited {
        /// A code of [`schliff_spec::exit::ExitCode`], or a foreign one.
        code: i32,
    },
    /// It was killed, and nobody said why.
    Killed {
        /// The signal, where one is known.
        signal: Option<i32>,
    },
    /// Its wall time was over.
    TimedOut,
    /// Somebody more urgent took its nodes.
    Preempted,
    /// Nodes failed.
    NodesLost {
        /// Which; empty where that is not told.
        nodes: Vec<NodeName>,
    },
    /// Somebody cancelled it.
    Cancelled,
    /// It took more memory than it may.
    OutOfMemory,
    /// It was accepted, and could not be started.
    NeverStarted {
        /// Why.
        why: String,
    },
}

/// A node as its cluster tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReport {
    /// Its name.
    pub name: NodeName,
    /// It can run something.
    pub is_up: bool,
    /// GPUs in all.
    pub gpus: u32,
    /// Cores in all.
    pub cpus: u32,
}

/// How a back-end answered a submit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum SubmitAnswer {
    /// It has it.
    Accepted {
        /// Its name for it.
        id: AllocationId,
    },
    /// It will never take it as it is: the user must change something.
    Refused {
        /// Why.
        why: String,
    },
    /// It certainly does not have it, and may take it later.
    TryLater {
        /// Why.
        why: String,
    },
    /// It may or may not have it: only a listing can tell.
    Unknown {
        /// Why.
        why: String,
    },
}

/// What a batch system says of when it would start something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "estimate", rename_all = "snake_case")]
pub enum Estimate {
    /// Then.
    Starts {
        /// When.
        at: Timestamp,
    },
    /// It cannot tell, or could not be asked.
    Unknown,
    /// It would never take it as it is.
    Refused {
        /// Why.
        why: String,
    },
}

/// How an allocation is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopHow {
    /// Its ranks agree on a step, commit it and end.
    Gently,
    /// At once.
    Now,
}
