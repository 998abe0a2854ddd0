//! What is to be done about the world, and what is known of it when that is decided.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schliff_spec::id::{ClusterName, JobId, NodeName, Step, SubmitKey};

use crate::allocation::{AllocationId, Listing, StopHow};
use crate::ask::Ask;
use crate::shape::Shape;
use crate::time::Timestamp;

/// The world, as last seen.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Since when this process is the one that submits. What was planned before may have been
    /// submitted by another, which died before it could say so.
    pub since: Timestamp,
    /// The newest listing of each cluster.
    pub listings: BTreeMap<ClusterName, Arc<Listing>>,
    /// Submits and stops that have not been answered yet.
    pub in_flight: BTreeSet<SubmitKey>,
    /// Clusters that were asked when they would start a job, and have not answered yet.
    pub asked: BTreeSet<(JobId, ClusterName)>,
    /// What was tried of attempts that no listing has shown yet, and of stops.
    pub tries: BTreeMap<SubmitKey, Try>,
}

/// What was tried, last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Try {
    /// The last submit.
    pub submit: Option<SubmitTry>,
    /// The last gentle stop.
    pub gentle_at: Option<Timestamp>,
    /// The last stop at once.
    pub now_at: Option<Timestamp>,
}

/// A submit that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubmitTry {
    /// When it was answered, or given up.
    pub ended_at: Timestamp,
    /// The batch system may have it.
    pub is_unknown: bool,
    /// Tries so far.
    pub count: u32,
}

/// One thing that is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Submit an attempt.
    Submit(Box<Order>),
    /// Ask when an attempt would start if it were submitted there now.
    Estimate(Box<Order>),
    /// End an allocation.
    Stop {
        /// Where.
        cluster: ClusterName,
        /// The attempt that it was for.
        key: SubmitKey,
        /// How.
        how: StopHow,
    },
    /// An ended allocation was taken note of: its traces may go.
    Forget {
        /// Where.
        cluster: ClusterName,
        /// The attempt that it was for.
        key: SubmitKey,
    },
}

/// What is submitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// The attempt.
    pub key: SubmitKey,
    /// Where.
    pub cluster: ClusterName,
    /// How much of it.
    pub shape: Shape,
    /// The nodes to take, where Schliff keeps the queue.
    pub placement: Vec<NodeName>,
    /// Nodes to avoid, where the batch system does.
    pub avoid: Vec<NodeName>,
    /// Wall time.
    pub time_limit_ms: Option<u64>,
    /// Wall time that the job still needs, over this attempt and what follows it.
    pub work_ms: Option<u64>,
    /// What is there already and becomes this attempt, where nothing is to be submitted.
    pub adopts: Option<AllocationId>,
    /// The newest committed checkpoint; training may go on from a newer one.
    pub resume_from: Option<Step>,
    /// What the job asks for.
    pub ask: Arc<Ask>,
}
