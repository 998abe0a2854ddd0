//! A job, its attempts, and what it is doing.
//!
//! Rules (checked by [`crate::invariant`]): a generation only grows; `Done` is final; at most the
//! last attempt is alive. Absent on purpose: how anything is brought about.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schliff_spec::id::{ClusterName, Generation, JobId, NodeName, Step, SubmitKey};
use serde::{Deserialize, Serialize};

use crate::allocation::{AllocationId, Estimate};
use crate::ask::{After, Ask, Sweep};
use crate::ending::{Consequence, Ending, Outcome};
use crate::shape::{Shape, Usage};
use crate::time::Timestamp;

/// What a user asked for, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// Who submitted it.
    pub owner: String,
    /// What it asks for.
    #[serde(with = "crate::shared")]
    pub ask: Arc<Ask>,
    /// Alone, a sweep, or a part of one.
    pub role: Role,
    /// The ended job that it goes on with.
    pub retry_of: Option<JobId>,
    /// Jobs that must end first.
    pub after: Vec<After>,
    /// When it was submitted.
    pub submitted_at: Timestamp,
    /// What it is doing.
    pub phase: Phase,
    /// That of its newest attempt; 0 before the first.
    pub generation: Generation,
    /// All of them, oldest first.
    pub attempts: Vec<Attempt>,
    /// The newest step that training can go on from.
    pub committed: Option<Step>,
    /// What is asked of clusters while one of several is chosen. Not kept in the journal.
    #[serde(skip)]
    pub comparison: Comparison,
    /// Held-out losses by step.
    pub measures: BTreeMap<Step, f64>,
    /// It is to stop.
    pub stop: Option<Stop>,
    /// Failed attempts since steps were gained.
    pub failures: u32,
    /// By its ended attempts.
    pub used: Usage,
}

impl Job {
    /// Its attempt at work, if it has one.
    pub fn live(&self) -> Option<&Attempt> {
        self.attempts
            .last()
            .filter(|attempt| attempt.ended.is_none())
    }

    /// The key of its newest attempt.
    pub fn key(&self) -> SubmitKey {
        SubmitKey {
            job: self.id,
            generation: self.generation,
        }
    }

    /// It has ended for good.
    pub fn is_done(&self) -> bool {
        matches!(self.phase, Phase::Done { .. })
    }

    /// How it ended.
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.phase {
            Phase::Done { outcome, .. } => Some(outcome),
            _ => None,
        }
    }

    /// What it has used until `now`.
    pub fn used_until(&self, now: Timestamp) -> Usage {
        let live = self.live().map(|attempt| attempt.usage(now));
        self.used.plus(live.unwrap_or_default())
    }
}

/// Alone, a sweep, or a part of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Role {
    /// One training.
    Single,
    /// A set of trainings; has no attempts itself.
    Sweep {
        /// How its trials are run.
        sweep: Sweep,
        /// They.
        trials: Vec<JobId>,
    },
    /// One of a sweep's.
    Trial {
        /// The sweep.
        parent: JobId,
        /// Its values.
        label: String,
        /// Rungs that it has passed.
        rung: u32,
        /// It waits for the other trials of its rung.
        is_paused: bool,
    },
}

/// What a job is doing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Phase {
    /// It waits; [`crate::explain`] says what for. A sweep is in it until all trials have ended.
    Queued,
    /// An allocation is asked for, or waits in the batch system.
    Allocating,
    /// The allocation is granted; agents and ranks come together.
    Starting {
        /// Numbers of the nodes whose agents have come.
        joined: BTreeSet<u32>,
        /// When they must have.
        deadline: Timestamp,
    },
    /// It trains.
    Running {
        /// Since when.
        since: Timestamp,
    },
    /// An attempt failed; the next one waits a while.
    Recovering {
        /// How it failed.
        cause: Ending,
        /// When the next may begin.
        not_before: Timestamp,
    },
    /// It has ended.
    Done {
        /// How.
        outcome: Outcome,
        /// When.
        at: Timestamp,
    },
}

/// One allocation's worth of work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its number.
    pub generation: Generation,
    /// Where.
    pub cluster: ClusterName,
    /// How much of it.
    pub shape: Shape,
    /// The nodes that were chosen for it, on clusters whose queue Schliff keeps.
    pub placement: Vec<NodeName>,
    /// Wall time of this allocation.
    pub time_limit_ms: Option<u64>,
    /// When it was decided on.
    pub planned_at: Timestamp,
    /// What it went on from.
    pub resume_from: Option<Step>,
    /// The batch system's name for it, once it is known.
    pub allocation: Option<AllocationId>,
    /// When its nodes were granted; `None` while it waits, also after a run.
    pub granted_at: Option<Timestamp>,
    /// Its nodes.
    pub nodes: Vec<NodeName>,
    /// When its ranks began to train.
    pub running_at: Option<Timestamp>,
    /// How it ended, and when.
    pub ended: Option<(Ending, Timestamp)>,
    /// The agent's last words, which may come before the allocation's end.
    pub last_words: Option<LastWords>,
    /// What somebody else had submitted, and became this attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopts: Option<AllocationId>,
    /// Runs before this one: so often the batch system took it back into its queue.
    #[serde(default)]
    pub requeues: u32,
    /// Wall time of those runs.
    #[serde(default)]
    pub earlier_ms: u64,
    /// What clusters offered, where it was chosen among several.
    #[serde(default)]
    pub offers: Vec<Offer>,
    /// Those of its nodes that it runs on, where some are or were gone.
    #[serde(default)]
    pub crew: Option<Crew>,
    /// Not kept in the journal.
    #[serde(skip)]
    pub vitals: Vitals,
}

impl Attempt {
    /// What it has used until `now`.
    pub fn usage(&self, now: Timestamp) -> Usage {
        self.shape.usage(self.ran_ms(now))
    }

    /// Wall time of all its runs until `now`.
    pub fn ran_ms(&self, now: Timestamp) -> u64 {
        let end = self.ended.as_ref().map_or(now, |(_, at)| *at);
        let span_ms = self.granted_at.map_or(0, |granted| end.since(granted));
        self.earlier_ms.saturating_add(span_ms)
    }

    /// It ran, and waits in the batch system to run again.
    pub fn waits_again(&self) -> bool {
        self.requeues > 0 && self.granted_at.is_none() && self.ended.is_none()
    }

    /// The name of the node with this number, where it is known.
    pub fn node(&self, number: u32) -> Option<&NodeName> {
        let nodes = self.held_nodes();
        // Granted with fewer names than nodes, it is open whose they are.
        let is_whole = nodes.len() == self.shape.nodes as usize;
        nodes.get(number as usize).filter(|_| is_whole)
    }

    /// Its agents may tell of runs that are over, with the same key: of earlier ones of an allocation
    /// that goes back to the queue, or of those from before it was adopted.
    pub fn may_have_had_runs(&self) -> bool {
        self.requeues > 0 || self.adopts.is_some()
    }

    /// Whether a listing alone says that it runs: what its agents tell may be of an earlier run.
    pub fn is_listed_first(&self) -> bool {
        self.may_have_had_runs() && self.granted_at.is_none() && self.ended.is_none()
    }

    /// The nodes that it holds, as far as they are known.
    pub fn held_nodes(&self) -> &[NodeName] {
        if self.nodes.is_empty() {
            &self.placement
        } else {
            &self.nodes
        }
    }
}

/// Those nodes of an attempt that its ranks are on, by their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crew {
    /// They, in the order of their ranks.
    pub nodes: Vec<u32>,
    /// Nodes that are gone. Who is neither here nor there idles.
    pub gone: Vec<u32>,
}

/// What is asked of clusters while one of several is chosen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Since when; `None` where nothing is asked.
    pub since: Option<Timestamp>,
    /// Answers.
    pub answers: BTreeMap<ClusterName, Estimate>,
}

/// What a cluster offered to a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Which.
    pub cluster: ClusterName,
    /// When it would start it.
    pub estimate: Estimate,
}

/// What an agent said at its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastWords {
    /// Its exit code.
    pub exit_code: i32,
    /// What failed, in words; empty where nothing did.
    pub error: String,
    /// The node of the culprit, where one is known.
    pub culprit: Option<NodeName>,
}

impl LastWords {
    /// The ending that they stand for.
    pub fn ending(&self) -> Ending {
        Ending::of_exit(self.exit_code)
    }

    /// The job itself is at its end by them: no further run changes that.
    pub fn are_final(&self) -> bool {
        let consequence = self.ending().consequence();
        matches!(consequence, Consequence::Success | Consequence::Failure)
    }
}

/// What is known of an attempt for the moment: it is lost with the coordinator and heard anew.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vitals {
    /// When any of its agents, or the batch system, last told of it.
    pub heard_at: Option<Timestamp>,
    /// Since when complete listings lack it.
    pub missing_since: Option<Timestamp>,
    /// Steps done.
    pub step: Option<Step>,
    /// Steps in all.
    pub steps: Option<Step>,
    /// Why it waits in the batch system, or why that did not take it yet.
    pub pending_why: String,
    /// When it may start, by the batch system's estimate.
    pub start_estimate: Option<Timestamp>,
}

/// A job is to stop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stop {
    /// What for.
    pub why: StopWhy,
    /// Since when.
    pub since: Timestamp,
    /// Without a checkpoint.
    pub is_now: bool,
}

/// What a job is stopped for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stop", rename_all = "kebab-case")]
pub enum StopWhy {
    /// A user cancelled it.
    Cancelled {
        /// Who.
        by: String,
        /// Why; may be empty.
        why: String,
    },
    /// Its budget is spent.
    BudgetSpent,
    /// The wall time that it asked for, over all runs, is over.
    TimeOver,
    /// A trial that has reached its rung.
    AtRung,
    /// This attempt failed and its allocation must go.
    Failed {
        /// How it failed.
        ending: Ending,
    },
}
