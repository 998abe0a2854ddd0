//! Why the brain does not do what it is told.

use schliff_spec::id::{ClusterName, Generation, JobId, Step};
use thiserror::Error;

use crate::allocation::AllocationId;
use crate::shape::Shape;

/// A refusal; nothing has changed.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum Rejection {
    /// No such job.
    #[error("there is no job {0}")]
    NoJob(JobId),
    /// It has ended.
    #[error("job {0} has ended")]
    Ended(JobId),
    /// It has not ended.
    #[error("job {0} has not ended")]
    NotEnded(JobId),
    /// It succeeded.
    #[error("job {0} succeeded: there is nothing to try again")]
    Succeeded(JobId),
    /// A sweep is not tried again.
    #[error("job {0} is a sweep: retry its trials, or submit it again")]
    IsSweep(JobId),
    /// No such cluster.
    #[error("there is no cluster {name}{}", known(.others))]
    NoCluster {
        /// What was asked for.
        name: ClusterName,
        /// What there is.
        others: Vec<ClusterName>,
    },
    /// No cluster could ever run it.
    #[error("no cluster can ever run it: it needs {shape}; {largest}")]
    TooLarge {
        /// The smallest shape that it can train in.
        shape: Shape,
        /// What there is, in words.
        largest: String,
    },
    /// Its data may lie on no cluster that it could run on.
    #[error("its data may lie in {wanted} only; {clusters}")]
    NoResidency {
        /// Countries, in words.
        wanted: String,
        /// Where clusters stand, in words.
        clusters: String,
    },
    /// Too many jobs wait.
    #[error("{jobs} jobs have not ended yet; the most is {most}")]
    QueueFull {
        /// They.
        jobs: usize,
        /// The limit.
        most: usize,
    },
    /// A sweep has no trials.
    #[error("a sweep without trials")]
    EmptySweep,
    /// Schliff itself decides what runs there.
    #[error("nothing can be adopted on {0}: nobody but Schliff submits to it")]
    NoAdoption(ClusterName),
    /// It was adopted before.
    #[error("job {job} is what became of {allocation} on {cluster}")]
    Adopted {
        /// What it became.
        job: JobId,
        /// The batch system's name for it.
        allocation: AllocationId,
        /// Where.
        cluster: ClusterName,
    },
    /// An agent tells of an attempt that never was.
    #[error("job {job} has had {newest} attempts; a report of attempt {generation} cannot be")]
    Future {
        /// The job.
        job: JobId,
        /// What the report says.
        generation: Generation,
        /// What there is.
        newest: Generation,
    },
    /// An agent tells what cannot be.
    #[error("step {step} of job {job} cannot be: it has {steps} steps")]
    ImpossibleStep {
        /// The job.
        job: JobId,
        /// What the report says.
        step: Step,
        /// What the job's agents say that it has.
        steps: Step,
    },
    /// An agent's node is outside of its attempt.
    #[error("node {node} of job {job} cannot be: its attempt has {nodes}")]
    ImpossibleNode {
        /// The job.
        job: JobId,
        /// What the report says.
        node: u32,
        /// What there is.
        nodes: u32,
    },
}

fn known(others: &[ClusterName]) -> String {
    let names: Vec<_> = others.iter().map(ClusterName::as_str).collect();
    match names.is_empty() {
        true => String::new(),
        false => format!("; there is {}", names.join(", ")),
    }
}

impl Rejection {
    /// Its code, as `docs/reasons.md` lists it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoJob(_) => "no-such-job",
            Self::Ended(_) => "has-ended",
            Self::NotEnded(_) => "has-not-ended",
            Self::Succeeded(_) => "has-succeeded",
            Self::IsSweep(_) => "is-a-sweep",
            Self::NoCluster { .. } => "no-such-cluster",
            Self::TooLarge { .. } => "too-large",
            Self::NoResidency { .. } => "no-residency",
            Self::QueueFull { .. } => "queue-full",
            Self::EmptySweep => "empty-sweep",
            Self::NoAdoption(_) => "no-adoption",
            Self::Adopted { .. } => "adopted-before",
            Self::Future { .. } => "impossible-attempt",
            Self::ImpossibleStep { .. } => "impossible-step",
            Self::ImpossibleNode { .. } => "impossible-node",
        }
    }
}
