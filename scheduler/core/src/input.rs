//! What the brain is told.

use schliff_spec::id::{ClusterName, JobId, Step, SubmitKey};

use crate::allocation::{AllocationId, Estimate, Listing, SubmitAnswer};
use crate::ask::{After, Ask, Sweep, Trial};
use crate::cluster::Terms;
use crate::job::{Crew, LastWords};
use crate::shape::Shape;

/// One thing that it is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A user wants something.
    Command(Command),
    /// An agent tells something.
    Report(Report),
    /// A batch system told of everything of ours.
    Observed(Listing),
    /// A batch system answered a submit.
    Answered {
        /// The attempt.
        key: SubmitKey,
        /// The answer.
        answer: SubmitAnswer,
    },
    /// A batch system was asked when it would start a job.
    Estimated {
        /// The job.
        job: JobId,
        /// Which.
        cluster: ClusterName,
        /// What it says.
        estimate: Estimate,
    },
    /// Time has passed.
    Tick,
}

/// What a user, or the coordinator's configuration, wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// The clusters that there are from now on.
    Clusters(Vec<(ClusterName, Terms)>),
    /// A job.
    Submit(Box<Submission>),
    /// What somebody submitted to a batch system by hand becomes a job.
    Adopt(Box<Adoption>),
    /// A job is to end.
    Cancel {
        /// The job.
        job: JobId,
        /// Who wants it.
        by: String,
        /// Why; may be empty.
        why: String,
        /// Without a checkpoint.
        is_now: bool,
    },
    /// An ended job is to be tried again, from its newest checkpoint.
    Retry {
        /// The job.
        job: JobId,
        /// Who wants it.
        by: String,
    },
}

/// A job that comes in.
#[derive(Clone, Debug, PartialEq)]
pub struct Submission {
    /// The client's name for the request: the same one submits once.
    pub request_id: String,
    /// Who.
    pub owner: String,
    /// What it asks for.
    pub ask: Ask,
    /// Jobs that must end first.
    pub after: Vec<After>,
    /// For a sweep, how its trials are run, and they.
    pub sweep: Option<(Sweep, Vec<Trial>)>,
}

/// A job that is at work already, or waits in a batch system.
#[derive(Clone, Debug, PartialEq)]
pub struct Adoption {
    /// The client's name for the request: the same one adopts once.
    pub request_id: String,
    /// Who.
    pub owner: String,
    /// What it asks for; it names the cluster.
    pub ask: Ask,
    /// Where it is.
    pub cluster: ClusterName,
    /// The batch system's name for it.
    pub allocation: AllocationId,
    /// How much it takes there.
    pub shape: Shape,
    /// Its wall time there.
    pub time_limit_ms: Option<u64>,
}

/// What an agent tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The attempt.
    pub key: SubmitKey,
    /// The agent's node's number, from 0.
    pub node: u32,
    /// What.
    pub news: Vec<News>,
}

/// One thing that an agent tells.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// It is there.
    Joined,
    /// All ranks train.
    Started {
        /// The checkpoint that they went on from.
        resumed_from: Option<Step>,
    },
    /// Nodes are gone, or were and are back.
    Regrouped(Crew),
    /// It lives.
    Alive {
        /// Steps done, where told.
        step: Option<Step>,
        /// Steps in all, where told.
        steps: Option<Step>,
    },
    /// A checkpoint is safe.
    Committed {
        /// Steps that it holds.
        step: Step,
    },
    /// A held-out loss was measured.
    Measured {
        /// Optimizer steps done.
        step: Step,
        /// Mean loss a trained token.
        loss: f64,
    },
    /// Its last words.
    Ended(LastWords),
}
