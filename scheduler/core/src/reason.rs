//! Why a job waits or is as it is: one type that log, command line and page render.
//!
//! Reasons are derived from the state when somebody asks, so that they cannot be stale; they are not
//! journalled.

use std::fmt;

use schliff_spec::id::{ClusterName, JobId, NodeName};

use crate::allocation::Estimate;
use crate::ending::{Ending, Outcome};
use crate::job::{Offer, StopWhy};
use crate::shape::Shape;
use crate::time::{Timestamp, span};

/// One reason.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// The next look at the queue takes it.
    Next,
    /// Jobs must end first.
    AfterJobs {
        /// They.
        jobs: Vec<JobId>,
    },
    /// Nothing has enough free.
    Capacity {
        /// What it needs.
        shape: Shape,
        /// Where.
        cluster: ClusterName,
        /// Nodes with enough free now.
        nodes_free: u32,
        /// Jobs that go before it.
        ahead: u64,
        /// The first of them.
        first: Option<JobId>,
    },
    /// A job that has waited for long is next, and nobody overtakes it any more.
    Behind {
        /// That job.
        job: JobId,
        /// Where.
        cluster: ClusterName,
    },
    /// The cluster's nodes that would do are avoided or down.
    NodesAvoided {
        /// Where.
        cluster: ClusterName,
        /// They.
        nodes: Vec<NodeName>,
    },
    /// As many allocations wait in the batch system as may.
    ClusterQueueFull {
        /// Where.
        cluster: ClusterName,
        /// The most.
        most: u32,
    },
    /// The cluster has not been observed yet.
    ClusterUnseen {
        /// Which.
        cluster: ClusterName,
    },
    /// Its cluster is configured no more.
    ClusterGone {
        /// Which; `None` where there is no cluster at all.
        cluster: Option<ClusterName>,
    },
    /// No cluster stands where its data may lie.
    Residency {
        /// Countries in which it may.
        wanted: Vec<String>,
    },
    /// Clusters are asked when they would start it.
    Comparing {
        /// Which.
        clusters: Vec<ClusterName>,
    },
    /// Its cluster was chosen among several.
    Chosen {
        /// What they offered, the chosen one first.
        offers: Vec<Offer>,
        /// When that was.
        at: Timestamp,
    },
    /// As many trials of its sweep are at work as may.
    SweepLimit {
        /// The sweep.
        sweep: JobId,
        /// The most.
        most: u32,
    },
    /// It waits for the other trials of its rung.
    Rung {
        /// The sweep.
        sweep: JobId,
        /// Trials of the rung that are not there yet.
        missing: u32,
    },
    /// A sweep whose trials have not all ended.
    Trials {
        /// Those that have.
        ended: u32,
        /// All.
        of: u32,
    },
    /// It is about to be submitted.
    Submitting {
        /// Where.
        cluster: ClusterName,
        /// Why the last try was in vain; empty where there was none.
        why: String,
    },
    /// It waits in the batch system.
    Pending {
        /// Where.
        cluster: ClusterName,
        /// Why, in the batch system's words.
        why: String,
    },
    /// It ran, was taken back into the batch system's queue, and waits there to run again.
    Requeued {
        /// Where.
        cluster: ClusterName,
        /// How often that was.
        times: u32,
        /// Why it waits, in the batch system's words.
        why: String,
    },
    /// Agents have not all come.
    Joining {
        /// Those that have.
        joined: u32,
        /// All.
        expected: u32,
    },
    /// Ranks read the model and the data.
    Preparing,
    /// It trains.
    Training,
    /// It trains on fewer nodes than it has had: some are gone.
    FewerNodes {
        /// Those that it trains on.
        nodes: u32,
        /// Those that it had.
        of: u32,
        /// The ones that are gone, as far as their names are known.
        gone: Vec<NodeName>,
    },
    /// It trains, and its agents have not been heard for a while.
    Quiet {
        /// For so long.
        for_ms: u64,
    },
    /// It is stopping.
    Stopping {
        /// What for.
        why: StopWhy,
    },
    /// The last attempt failed; the next waits a while.
    BackOff {
        /// How it failed.
        cause: Ending,
        /// Failures in a row.
        failures: u32,
        /// Those that are allowed.
        retries: u32,
        /// When the next begins.
        not_before: Timestamp,
        /// From now.
        in_ms: u64,
    },
    /// It has ended.
    Done {
        /// How.
        outcome: Outcome,
    },
}

impl Reason {
    /// Its code, as `docs/reasons.md` lists it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::AfterJobs { .. } => "after-jobs",
            Self::Capacity { .. } => "capacity",
            Self::Behind { .. } => "behind",
            Self::NodesAvoided { .. } => "nodes-avoided",
            Self::ClusterQueueFull { .. } => "cluster-queue-full",
            Self::ClusterUnseen { .. } => "cluster-unseen",
            Self::ClusterGone { .. } => "cluster-gone",
            Self::Residency { .. } => "residency",
            Self::Comparing { .. } => "comparing",
            Self::Chosen { .. } => "chosen",
            Self::SweepLimit { .. } => "sweep-limit",
            Self::Rung { .. } => "rung",
            Self::Trials { .. } => "trials",
            Self::Submitting { .. } => "submitting",
            Self::Pending { .. } => "pending",
            Self::Requeued { .. } => "requeued",
            Self::Joining { .. } => "joining",
            Self::Preparing => "preparing",
            Self::Training => "training",
            Self::FewerNodes { .. } => "fewer-nodes",
            Self::Quiet { .. } => "quiet",
            Self::Stopping { .. } => "stopping",
            Self::BackOff { .. } => "back-off",
            Self::Done { outcome } => outcome.code(),
        }
    }

    /// What the user can do about it; empty where nothing.
    pub fn hint(&self) -> String {
        match self {
            Self::Capacity { .. } | Self::Behind { .. } => {
                "a higher scheduling.priority goes first; resources.min_nodes lets it run on less"
                    .into()
            }
            Self::NodesAvoided { .. } => {
                "nodes with failures are avoided for a while: see `schliff nodes`".into()
            }
            Self::ClusterGone { .. } => {
                "start the coordinator with that cluster's profile, or submit to another".into()
            }
            Self::Residency { .. } => {
                "a cluster's profile says by site.country where it stands".into()
            }
            Self::ClusterUnseen { .. } => "see `schliff clusters` for what is wrong".into(),
            Self::BackOff { .. } | Self::Quiet { .. } => "see `schliff logs`".into(),
            Self::Done {
                outcome: Outcome::BudgetSpent,
            } => {
                "raise scheduling.budget_gpu_hours or budget_core_hours and submit it again".into()
            }
            Self::Done {
                outcome: Outcome::Failed { .. },
            } => "see `schliff logs`; `schliff retry` goes on from the newest checkpoint".into(),
            _ => String::new(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Next => write!(f, "starts with the next look at the queue"),
            Self::AfterJobs { jobs } => write!(f, "waits for the end of {}", numbers(jobs)),
            Self::Capacity { .. } => self.capacity(f),
            Self::Behind { job, cluster } => {
                write!(f, "job {job} has waited long for {cluster} and goes first")
            }
            Self::NodesAvoided { cluster, nodes } => write!(
                f,
                "nodes of {cluster} that would do are down or avoided: {}",
                names(nodes)
            ),
            Self::ClusterQueueFull { cluster, most } => {
                write!(
                    f,
                    "{most} jobs wait in {cluster} already, the most that may"
                )
            }
            Self::ClusterUnseen { cluster } => write!(f, "{cluster} has not answered yet"),
            Self::ClusterGone {
                cluster: Some(name),
            } => {
                write!(f, "the cluster {name} is not configured any more")
            }
            Self::ClusterGone { cluster: None } => write!(f, "no cluster is configured"),
            Self::Residency { wanted } => {
                write!(f, "no cluster is known to stand in {}", wanted.join(" or "))
            }
            Self::Comparing { clusters } => {
                let names: Vec<_> = clusters.iter().map(ClusterName::as_str).collect();
                write!(f, "{} are asked when they would start it", names.join(", "))
            }
            Self::Chosen { offers, at } => chosen(offers, *at, f),
            Self::SweepLimit { sweep, most } => {
                write!(f, "sweep {sweep} runs {most} trials at a time")
            }
            Self::Rung { sweep, missing } => write!(
                f,
                "reached its rung; {missing} more trials of sweep {sweep} have to"
            ),
            Self::Trials { ended, of } => write!(f, "{ended} of {of} trials have ended"),
            Self::Submitting { cluster, why } if why.is_empty() => {
                write!(f, "is being submitted to {cluster}")
            }
            Self::Submitting { cluster, why } => {
                write!(f, "is to be submitted to {cluster} again: {why}")
            }
            Self::Pending { cluster, why } if why.is_empty() => write!(f, "waits in {cluster}"),
            Self::Pending { cluster, why } => write!(f, "waits in {cluster}: {why}"),
            Self::Requeued {
                cluster,
                times,
                why,
            } => requeued(cluster, *times, why, f),
            Self::Joining { joined, expected } => {
                write!(f, "{joined} of {expected} agents have come")
            }
            Self::Preparing => write!(f, "ranks read the model and the data"),
            Self::Training => write!(f, "trains"),
            Self::FewerNodes { nodes, of, gone } => fewer(*nodes, *of, gone, f),
            Self::Quiet { for_ms } => {
                write!(f, "trains; nothing was heard for {}", span(*for_ms))
            }
            Self::Stopping { why } => stopping(why, f),
            Self::BackOff { .. } => self.back_off(f),
            Self::Done { outcome } => outcome.fmt(f),
        }
    }
}

impl Reason {
    fn capacity(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Capacity {
            shape,
            cluster,
            nodes_free,
            ahead,
            first,
        } = self
        else {
            return Ok(());
        };
        write!(f, "needs {shape}; {cluster} has {nodes_free} such free")?;
        match (ahead, first) {
            (0, _) | (_, None) => Ok(()),
            (1, Some(job)) => write!(f, "; ahead: job {job}"),
            (more, Some(job)) => write!(f, "; ahead: job {job} and {} more", more - 1),
        }
    }

    fn back_off(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::BackOff {
            cause,
            failures,
            retries,
            in_ms,
            ..
        } = self
        else {
            return Ok(());
        };
        let wait = span(*in_ms);
        write!(
            f,
            "{cause}; failure {failures}, {retries} allowed; next attempt in {wait}"
        )
    }
}

fn chosen(offers: &[Offer], at: Timestamp, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let name = offers.first().map_or("", |offer| offer.cluster.as_str());
    write!(f, "{name} was chosen: ")?;
    let told = offers.iter().map(|offer| match &offer.estimate {
        Estimate::Starts { at: start } => {
            format!(
                "{} would start it in {}",
                offer.cluster,
                span(start.since(at))
            )
        }
        Estimate::Unknown => format!("{} cannot tell when", offer.cluster),
        Estimate::Refused { why } => format!("{} would not take it: {why}", offer.cluster),
    });
    write!(f, "{}", told.collect::<Vec<_>>().join("; "))
}

fn requeued(
    cluster: &ClusterName,
    times: u32,
    why: &str,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    write!(f, "was taken back into the queue of {cluster}")?;
    if times > 1 {
        write!(f, ", {times} times by now,")?;
    }
    write!(f, " and waits to run again")?;
    match why.is_empty() {
        true => Ok(()),
        false => write!(f, ": {why}"),
    }
}

fn fewer(nodes: u32, of: u32, gone: &[NodeName], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "goes on with {nodes} of {of} nodes")?;
    match gone {
        [] => Ok(()),
        [one] => write!(f, "; {one} is gone"),
        several => write!(f, "; {} are gone", names(several)),
    }
}

fn stopping(why: &StopWhy, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match why {
        StopWhy::Cancelled { by, why } if why.is_empty() => write!(f, "stops: cancelled by {by}"),
        StopWhy::Cancelled { by, why } => write!(f, "stops: cancelled by {by}: {why}"),
        StopWhy::BudgetSpent => write!(f, "stops: its budget is spent"),
        StopWhy::TimeOver => write!(f, "stops: the wall time that it asked for is over"),
        StopWhy::AtRung => write!(f, "stops at its rung"),
        StopWhy::Failed { ending } => write!(f, "is taken down: {ending}"),
    }
}

fn numbers(jobs: &[JobId]) -> String {
    let numbers: Vec<_> = jobs.iter().map(JobId::to_string).collect();
    let word = if jobs.len() == 1 { "job" } else { "jobs" };
    format!("{word} {}", numbers.join(", "))
}

fn names(nodes: &[NodeName]) -> String {
    let shown: Vec<_> = nodes.iter().take(4).map(NodeName::as_str).collect();
    match nodes.len().saturating_sub(4) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
