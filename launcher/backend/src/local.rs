//! Processes on this host: the simplest batch system, which outlives its coordinators.
//!
//! Rules: LO-1 an allocation is a folder that appears whole, by a rename, and once. LO-2 it lives as
//! long as any of its processes: they inherit a lock, so that whoever looks knows, and nobody has to
//! be told or to reap. LO-3 a signal reaches only a process that was proven to be meant. LO-4 a core
//! or a GPU belongs to one live allocation. LO-5 submit, stop and forget happen one after the other,
//! also between coordinators. Absent on purpose: a queue (the brain keeps it), and other hosts.
//!
//! What is started gets `--exit-file PATH` behind its own arguments, and writes its exit code there
//! as the last thing that it does. It outlives the coordinator where nobody kills the two together,
//! as a service manager may do with all that a service started.
//!
//! The folder must be on a file system of this host: locks of network file systems are not inherited.

mod desk;
mod host;
mod lock;
mod place;
mod process;
mod start;
mod status;
mod stock;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use schliff_scheduler::allocation::{AllocationId, Listing, StopHow};
use schliff_scheduler::cluster::{Queue, Terms};
use schliff_spec::id::{ClusterName, SubmitKey};

use crate::backend::Backend;
use crate::calls::Calls;
use crate::error::BackendError;
use crate::launch::Launch;

pub use place::LocalError;

use desk::{Desk, Refusal};

/// What a local cluster is.
#[derive(Clone, Debug)]
pub struct LocalOptions {
    /// Its name.
    pub cluster: ClusterName,
    /// Where its allocations' folders are; on a file system of this host.
    pub folder: PathBuf,
    /// The program that is started, `schliff`.
    pub program: PathBuf,
    /// Cores to give out; those that this process may use where absent.
    pub cpu_slots: Option<u32>,
    /// GPUs to give out; those that are found where absent.
    pub gpu_slots: Option<u32>,
    /// The longest wall time of an allocation.
    pub max_time_ms: Option<u64>,
}

impl LocalOptions {
    /// All of this host.
    pub fn new(cluster: ClusterName, folder: PathBuf, program: PathBuf) -> Self {
        Self {
            cluster,
            folder,
            program,
            cpu_slots: None,
            gpu_slots: None,
            max_time_ms: None,
        }
    }
}

/// Allocations that are processes on this host.
pub struct Local {
    desk: Arc<Desk>,
    calls: Calls,
}

impl Local {
    /// Opens the cluster's folder, which is made where it is missing.
    ///
    /// # Errors
    /// The folder cannot be used, or its file system does not keep locks as it should.
    pub fn open(options: LocalOptions) -> Result<Self, LocalError> {
        Ok(Self {
            desk: Arc::new(Desk::open(options)?),
            calls: Calls::default(),
        })
    }

    /// Does it where waiting is allowed, and to its end even where nobody waits for it any more.
    async fn call<T: Send + 'static>(
        &self,
        doing: String,
        what: impl FnOnce(&Desk) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, BackendError> {
        let desk = Arc::clone(&self.desk);
        let told = tokio::task::spawn_blocking(move || what(&desk)).await;
        let told = match told {
            Ok(Ok(told)) => Ok(told),
            Ok(Err(Refusal::Never(why))) => Err(BackendError::Rejected { doing, why }),
            Ok(Err(Refusal::Now(source))) => Err(BackendError::Transient { doing, source }),
            Err(error) => Err(BackendError::Lost {
                doing,
                source: error.into(),
            }),
        };
        self.calls.count(told)
    }
}

#[async_trait]
impl Backend for Local {
    fn cluster(&self) -> &ClusterName {
        &self.desk.options().cluster
    }

    fn terms(&self) -> Terms {
        Terms {
            max_time_ms: self.desk.options().max_time_ms,
            ..Terms::of(Queue::Ours)
        }
    }

    fn kind(&self) -> &'static str {
        "local"
    }

    async fn submit(&self, launch: &Launch) -> Result<AllocationId, BackendError> {
        let launch = launch.clone();
        let doing = format!("start {} on this host", launch.key);
        self.call(doing, move |desk| desk.submit(&launch)).await
    }

    async fn observe(&self) -> Result<Listing, BackendError> {
        let doing = format!("list the allocations of {}", self.cluster());
        self.call(doing, Desk::observe).await
    }

    async fn stop(&self, key: SubmitKey, how: StopHow) -> Result<(), BackendError> {
        let doing = format!("stop {key} on this host");
        self.call(doing, move |desk| desk.stop(key, how)).await
    }

    async fn forget(&self, key: SubmitKey) -> Result<(), BackendError> {
        let doing = format!("forget {key} on this host");
        self.call(doing, move |desk| desk.forget(key)).await
    }

    fn calls(&self) -> (u64, u64) {
        self.calls.so_far()
    }
}
