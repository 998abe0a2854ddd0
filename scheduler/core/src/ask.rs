//! What a job asks of the scheduler: the part of a job file that the brain decides by.

use schliff_spec::cluster::BatchWish;
use schliff_spec::id::{ClusterName, JobId, Step};
use serde::{Deserialize, Serialize};

use crate::cluster::Cluster;
use crate::shape::{Budget, Shape};

/// A job as the brain sees it; checked when it was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// Name, for people.
    pub name: String,
    /// The only cluster it may run on; any where absent.
    pub cluster: Option<ClusterName>,
    /// Shapes it can train in, the wanted one first, then ever smaller ones. Never empty.
    pub shapes: Vec<Shape>,
    /// Wall time that it needs in all, over all its attempts; unknown where absent.
    pub time_ms: Option<u64>,
    /// 0 to 100, more urgent first.
    pub priority: u8,
    /// Failed attempts without progress in between that are allowed.
    pub retries: u32,
    /// The most that it may use.
    pub budget: Budget,
    /// Countries in which it may lie; any where empty. Journals of before it had this lack it.
    #[serde(default)]
    pub residency: Vec<String>,
    /// What it says to the batch system. Journals of before it had this lack it.
    #[serde(default)]
    pub wish: BatchWish,
    /// Folder of the result.
    pub out: String,
    /// The resolved job file, as TOML.
    pub document: String,
}

impl Ask {
    /// Whether it may run on a cluster.
    pub fn may_run_on(&self, cluster: &Cluster) -> bool {
        self.means(cluster) && self.may_lie_on(cluster)
    }

    /// Whether it names this cluster, or none.
    pub fn means(&self, cluster: &Cluster) -> bool {
        let own = self.cluster.as_ref();
        own.is_none_or(|own| *own == cluster.name)
    }

    /// Whether its data may lie where a cluster stands. Where that is not told, only if the job itself
    /// names the cluster: whoever wrote it knows.
    pub fn may_lie_on(&self, cluster: &Cluster) -> bool {
        match &cluster.terms.country {
            _ if self.residency.is_empty() => true,
            Some(country) => {
                let is_it = |one: &String| one.eq_ignore_ascii_case(country);
                self.residency.iter().any(is_it)
            }
            None => self.cluster.is_some(),
        }
    }

    /// The shape that it is meant to run in.
    pub fn wanted(&self) -> Shape {
        self.shapes.first().copied().unwrap_or(Shape {
            nodes: 1,
            gpus_per_node: 0,
            cpus_per_node: 1,
            ranks: 1,
        })
    }
}

/// A job that must end first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// That job.
    pub job: JobId,
    /// Also where it did not succeed.
    pub any_end: bool,
}

/// A job that is a set of jobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    /// Trials at work at the same time; all where absent.
    pub max_parallel: Option<u32>,
    /// Trials are compared on the way, and only the best go on.
    pub halving: Option<Halving>,
}

/// Successive halving (Jamieson and Talwalkar 2016): at each rung the best `1 / eta` go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halving {
    /// At least 2.
    pub eta: u32,
    /// Steps at which trials are compared by held-out loss, rising.
    pub rungs: Vec<Step>,
}

/// One job of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Its values, such as `lr=3e-4`.
    pub label: String,
    /// What it asks for.
    pub ask: Ask,
}
