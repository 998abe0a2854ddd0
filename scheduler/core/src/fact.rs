//! What has happened: the only way in which state changes.
//!
//! Rules: facts are journalled before anything acts on them, except those that are not kept (what is
//! observed again anyway). A fact says everything that applying it needs: replay never decides. Old
//! journals stay readable: fields are added with a default, never renamed.

use schliff_spec::id::{ClusterName, Generation, JobId, NodeName, Step};
use serde::{Deserialize, Serialize};

use crate::allocation::{AllocationId, Estimate, NodeReport};
use crate::ask::{After, Ask, Sweep};
use crate::cluster::Terms;
use crate::ending::{Ending, Outcome};
use crate::job::{Crew, LastWords, Offer, StopWhy};
use crate::shape::{Shape, Usage};
use crate::time::Timestamp;

/// One of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "kebab-case")]
pub enum What {
    /// A cluster was added, or its profile changed.
    ClusterAdded {
        /// Its name.
        cluster: ClusterName,
        /// Its profile.
        terms: Terms,
    },
    /// A cluster was taken away.
    ClusterRemoved {
        /// Its name.
        cluster: ClusterName,
    },
    /// A job came in.
    Submitted {
        /// Its number.
        job: JobId,
        /// The client's name for the request.
        request_id: String,
        /// Who.
        owner: String,
        /// What it asks for.
        ask: Box<Ask>,
        /// Jobs that must end first.
        after: Vec<After>,
        /// For a sweep: how its trials are run.
        #[serde(default)]
        sweep: Option<Sweep>,
        /// For a trial: its sweep and its values.
        #[serde(default)]
        trial_of: Option<(JobId, String)>,
        /// The ended job that it goes on with, from that one's newest checkpoint.
        #[serde(default)]
        retry_of: Option<JobId>,
    },
    /// An attempt begins: from here on its submit key is in use.
    Planned {
        /// The job.
        job: JobId,
        /// The attempt's number.
        generation: Generation,
        /// Where.
        cluster: ClusterName,
        /// How much of it.
        shape: Shape,
        /// The nodes that were chosen for it.
        placement: Vec<NodeName>,
        /// Wall time of this allocation.
        time_limit_ms: Option<u64>,
        /// The newest committed checkpoint.
        resume_from: Option<Step>,
        /// An allocation that somebody else submitted and that becomes this attempt.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        adopts: Option<AllocationId>,
    },
    /// Its cluster was chosen among several.
    Chosen {
        /// The job.
        job: JobId,
        /// The attempt.
        generation: Generation,
        /// What they offered, the chosen one first.
        offers: Vec<Offer>,
    },
    /// The batch system has it.
    Accepted {
        /// The job.
        job: JobId,
        /// The attempt.
        generation: Generation,
        /// The batch system's name for it.
        allocation: AllocationId,
    },
    /// Its nodes were granted.
    Granted {
        /// The job.
        job: JobId,
        /// The attempt.
        generation: Generation,
        /// They, in order.
        nodes: Vec<NodeName>,
        /// When all agents must have come.
        deadline: Timestamp,
    },
    /// The batch system put an allocation back into its queue: it waits again and will run again, with
    /// the same key, perhaps on other nodes.
    RequeuedInPlace {
        /// The job.
        job: JobId,
        /// The attempt.
        generation: Generation,
        /// Why it waits now.
        why: String,
        /// Wall time of the run that is over.
        ran_ms: u64,
    },
    /// An agent has come.
    Joined {
        /// The job.
        job: JobId,
        /// The attempt.
        generation: Generation,
        /// Its node's number.
        node: u32,
    },
    /// All ranks train.
    Started {
        /// The job.
        job: JobId,
        /// The attempt.
        generation: Generation,
        /// The checkpoint that it went on from.
        resumed_from: Option<Step>,
    },
    /// Its ranks are on other nodes of the attempt than before: some are gone, or were and are back.
    Regrouped {
        /// The job.
        job: JobId,
        /// The attempt.
        generation: Generation,
        /// On which.
        crew: Crew,
    },
    /// A checkpoint is safe.
    Committed {
        /// The job.
        job: JobId,
        /// The attempt.
        generation: Generation,
        /// Steps that it holds.
        step: Step,
    },
    /// A held-out loss was measured.
    Measured {
        /// The job.
        job: JobId,
        /// Optimizer steps done.
        step: Step,
        /// Mean loss a trained token.
        loss: f64,
    },
    /// An agent's last words.
    Spoke {
        /// The job.
        job: JobId,
        /// The attempt.
        generation: Generation,
        /// They.
        words: LastWords,
    },
    /// A job is to stop.
    StopAsked {
        /// The job.
        job: JobId,
        /// What for.
        why: StopWhy,
        /// Without a checkpoint.
        is_now: bool,
    },
    /// An attempt is over: its nodes are free.
    Ended {
        /// The job.
        job: JobId,
        /// The attempt.
        generation: Generation,
        /// How.
        ending: Ending,
        /// What it used.
        usage: Usage,
    },
    /// The job goes back to the queue at once.
    Requeued {
        /// The job.
        job: JobId,
        /// Failures in a row, as they count now.
        failures: u32,
    },
    /// The job is tried again after a pause.
    RetryPlanned {
        /// The job.
        job: JobId,
        /// How the last attempt failed.
        cause: Ending,
        /// Failures in a row, as they count now.
        failures: u32,
        /// When the next attempt may begin.
        not_before: Timestamp,
    },
    /// A failure is blamed on a node.
    NodeStruck {
        /// Where.
        cluster: ClusterName,
        /// Which.
        node: NodeName,
    },
    /// A trial waits for the others of its rung.
    Paused {
        /// The trial.
        job: JobId,
    },
    /// A trial is among the best of its rung.
    Promoted {
        /// The trial.
        job: JobId,
        /// Rungs that it has passed now.
        rung: u32,
    },
    /// A job has ended for good.
    Finished {
        /// The job.
        job: JobId,
        /// How.
        outcome: Outcome,
    },
    /// The cluster's nodes, as observed. Not kept.
    NodesSeen {
        /// Where.
        cluster: ClusterName,
        /// All of them.
        nodes: Vec<NodeReport>,
    },
    /// The cluster answered. Not kept.
    ClusterSeen {
        /// Which.
        cluster: ClusterName,
    },
    /// An attempt was told of. Not kept.
    Heard {
        /// The job.
        job: JobId,
        /// The attempt.
        generation: Generation,
        /// Steps done, where told.
        step: Option<Step>,
        /// Steps in all, where told.
        steps: Option<Step>,
    },
    /// An allocation waits in the batch system, or to be submitted again. Not kept.
    Waiting {
        /// The job.
        job: JobId,
        /// The attempt.
        generation: Generation,
        /// Why.
        why: String,
        /// When it may start.
        start_estimate: Option<Timestamp>,
    },
    /// Clusters are asked when they would start a job. Not kept.
    Comparing {
        /// The job.
        job: JobId,
    },
    /// One of them answered. Not kept.
    Estimated {
        /// The job.
        job: JobId,
        /// Which.
        cluster: ClusterName,
        /// What it says.
        estimate: Estimate,
    },
    /// A listing shows it again. Not kept.
    Seen {
        /// The job.
        job: JobId,
        /// The attempt.
        generation: Generation,
    },
    /// A complete listing lacks it, for the first time in a row. Not kept.
    Missed {
        /// The job.
        job: JobId,
        /// The attempt.
        generation: Generation,
    },
}

impl Fact {
    /// It goes to the journal.
    pub fn is_kept(&self) -> bool {
        !matches!(
            self.what,
            What::NodesSeen { .. }
                | What::ClusterSeen { .. }
                | What::Heard { .. }
                | What::Waiting { .. }
                | What::Comparing { .. }
                | What::Estimated { .. }
                | What::Seen { .. }
                | What::Missed { .. }
        )
    }

    /// Its name, as it is written.
    pub fn kind(&self) -> &'static str {
        match self.what {
            What::ClusterAdded { .. } => "cluster-added",
            What::ClusterRemoved { .. } => "cluster-removed",
            What::Submitted { .. } => "submitted",
            What::Planned { .. } => "planned",
            What::Chosen { .. } => "chosen",
            What::Accepted { .. } => "accepted",
            What::Granted { .. } => "granted",
            What::RequeuedInPlace { .. } => "requeued-in-place",
            What::Joined { .. } => "joined",
            What::Started { .. } => "started",
            What::Regrouped { .. } => "regrouped",
            What::Committed { .. } => "committed",
            What::Measured { .. } => "measured",
            What::Spoke { .. } => "spoke",
            What::StopAsked { .. } => "stop-asked",
            What::Ended { .. } => "ended",
            What::Requeued { .. } => "requeued",
            What::RetryPlanned { .. } => "retry-planned",
            What::NodeStruck { .. } => "node-struck",
            What::Paused { .. } => "paused",
            What::Promoted { .. } => "promoted",
            What::Finished { .. } => "finished",
            What::NodesSeen { .. } => "nodes-seen",
            What::ClusterSeen { .. } => "cluster-seen",
            What::Heard { .. } => "heard",
            What::Waiting { .. } => "waiting",
            What::Comparing { .. } => "comparing",
            What::Estimated { .. } => "estimated",
            What::Seen { .. } => "seen",
            What::Missed { .. } => "missed",
        }
    }

    /// The job that it is about.
    pub fn job(&self) -> Option<JobId> {
        match &self.what {
            What::Submitted { job, .. }
            | What::Planned { job, .. }
            | What::Chosen { job, .. }
            | What::Accepted { job, .. }
            | What::Granted { job, .. }
            | What::RequeuedInPlace { job, .. }
            | What::Joined { job, .. }
            | What::Started { job, .. }
            | What::Regrouped { job, .. }
            | What::Committed { job, .. }
            | What::Measured { job, .. }
            | What::Spoke { job, .. }
            | What::StopAsked { job, .. }
            | What::Ended { job, .. }
            | What::Requeued { job, .. }
            | What::RetryPlanned { job, .. }
            | What::Paused { job }
            | What::Promoted { job, .. }
            | What::Finished { job, .. }
            | What::Heard { job, .. }
            | What::Waiting { job, .. }
            | What::Comparing { job }
            | What::Estimated { job, .. }
            | What::Seen { job, .. }
            | What::Missed { job, .. } => Some(*job),
            What::ClusterAdded { .. }
            | What::ClusterRemoved { .. }
            | What::NodeStruck { .. }
            | What::NodesSeen { .. }
            | What::ClusterSeen { .. } => None,
        }
    }
}
