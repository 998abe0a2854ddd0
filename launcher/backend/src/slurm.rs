//! Slurm: allocations are jobs that `sbatch` took, with a folder each on storage that its nodes share.
//!
//! Rules: SB-1 submitting is one call where a shell leads to Slurm: it makes the folder, writes the
//! files and runs `sbatch`. SB-2 the folder says whether that happened: `mkdir` succeeds once, and
//! whatever is submitted twice all the same runs once, by the claim that its script takes. SB-3
//! looking is one question to Slurm's controller for all jobs, and none for a single one. SB-4 jobs of
//! another coordinator are left alone: their comment has another word. Absent on purpose: a queue
//! (Slurm keeps it), and deciding what is to follow on an end.
//!
//! The batch script (`batch`) chains past the wall-time cap and over requeues by itself, so that a key
//! may run, wait and run again.

mod adopt;
pub mod batch;
pub mod check;
mod desk;
mod fault;
mod folder;
mod listing;
mod node;
mod observe;
mod pending;
mod reach;
mod stop;
mod submit;

use std::sync::Arc;

use async_trait::async_trait;
use schliff_scheduler::allocation::{AllocationId, Listing, StopHow};
use schliff_scheduler::cluster::{Queue, Terms};
use schliff_scheduler::time::Timestamp;
use schliff_spec::cluster::{Chain, Reports, Slurm, Transport};
use schliff_spec::id::{ClusterName, SubmitKey};

use crate::backend::{Backend, Traffic};
use crate::calls::Calls;
use crate::error::BackendError;
use crate::foundling::{FindError, Foundling};
use crate::launch::Launch;

pub use reach::Reach;

use desk::Desk;

/// A Slurm site, and who uses it.
#[derive(Clone, Debug)]
pub struct SlurmOptions {
    /// Its name.
    pub cluster: ClusterName,
    /// What its profile says.
    pub site: Slurm,
    /// The longest wall time of an allocation.
    pub max_time_ms: Option<u64>,
    /// A word that no other coordinator has: letters and digits.
    pub instance: String,
}

/// Allocations that are jobs of Slurm's.
pub struct SlurmBackend {
    desk: Arc<Desk>,
    calls: Calls,
}

impl SlurmBackend {
    /// A site that is reached so. Nothing is asked of it yet.
    pub fn new(options: SlurmOptions, reach: Reach) -> Self {
        Self {
            desk: Arc::new(Desk::new(options, reach)),
            calls: Calls::default(),
        }
    }

    /// Does it to its end, even where nobody waits for it any more.
    async fn call<T: Send + 'static>(
        &self,
        doing: &str,
        what: impl Future<Output = Result<T, BackendError>> + Send + 'static,
    ) -> Result<T, BackendError> {
        let told = tokio::spawn(what).await;
        let told = told.unwrap_or_else(|error| {
            Err(BackendError::Lost {
                doing: doing.to_owned(),
                source: error.into(),
            })
        });
        self.calls.count(told)
    }
}

#[async_trait]
impl Backend for SlurmBackend {
    fn cluster(&self) -> &ClusterName {
        &self.desk.options.cluster
    }

    fn terms(&self) -> Terms {
        let options = &self.desk.options;
        // For so long something that was begun may still reach Slurm after its caller was given up.
        let settle_ms = match options.site.transport {
            Transport::Command => 5_000,
            Transport::Rest { .. } => 10_000,
            Transport::Ssh { .. } => 30_000,
        };
        Terms {
            max_time_ms: options.max_time_ms,
            max_waiting: options.site.max_queued,
            settle_ms,
            chains: options.site.chain != Chain::None,
            relayed: options.site.reports == Reports::Spool,
            releases: options.site.chain == Chain::Requeue && options.site.may_start_now,
            ..Terms::of(Queue::Theirs)
        }
    }

    fn kind(&self) -> &'static str {
        "slurm"
    }

    fn reports(&self) -> Reports {
        self.desk.options.site.reports
    }

    async fn submit(&self, launch: &Launch) -> Result<AllocationId, BackendError> {
        let (desk, launch) = (Arc::clone(&self.desk), launch.clone());
        let doing = format!("submit {} to {}", launch.key, self.cluster());
        let submit = async move { desk.submit(&launch).await };
        self.call(&doing, submit).await
    }

    async fn observe(&self) -> Result<Listing, BackendError> {
        let desk = Arc::clone(&self.desk);
        let doing = format!("list the jobs of {}", self.cluster());
        self.call(&doing, async move { desk.observe().await }).await
    }

    async fn stop(&self, key: SubmitKey, how: StopHow) -> Result<(), BackendError> {
        let desk = Arc::clone(&self.desk);
        let doing = format!("stop {key} on {}", self.cluster());
        self.call(&doing, async move { desk.stop(key, how).await })
            .await
    }

    async fn forget(&self, key: SubmitKey) -> Result<(), BackendError> {
        let desk = Arc::clone(&self.desk);
        let doing = format!("forget {key} on {}", self.cluster());
        self.call(&doing, async move { desk.forget(key).await })
            .await
    }

    async fn estimate(&self, launch: &Launch) -> Result<Option<Timestamp>, BackendError> {
        let (desk, launch) = (Arc::clone(&self.desk), launch.clone());
        let doing = format!("ask {} when {} would start", self.cluster(), launch.key);
        let estimate = async move { desk.estimate(&launch).await };
        self.call(&doing, estimate).await
    }

    async fn find(&self, id: &AllocationId) -> Result<Foundling, FindError> {
        self.desk.foundling(id).await
    }

    async fn adopt(
        &self,
        launch: &Launch,
        id: &AllocationId,
    ) -> Result<AllocationId, BackendError> {
        let (desk, launch, id) = (Arc::clone(&self.desk), launch.clone(), id.clone());
        let doing = format!("adopt {id} of {} as {}", self.cluster(), launch.key);
        let adopt = async move { desk.adopt(&launch, &id).await };
        self.call(&doing, adopt).await
    }

    fn calls(&self) -> (u64, u64) {
        self.calls.so_far()
    }

    fn traffic(&self) -> Traffic {
        self.desk.traffic()
    }
}
