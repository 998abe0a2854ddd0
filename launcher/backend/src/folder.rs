//! A back-end of pretended allocations: nothing runs, everything else is real.
//!
//! For tests, benchmarks and several coordinators that share one folder. All that happened is one
//! log in that folder; each back-end value keeps what it has read of it in memory, so that a listing
//! of thousands costs what is new. [`FolderWorld`] plays what batch systems and agents do by
//! themselves. Rules: a change is read and written under the log's lock, so that two processes never
//! grant the same node twice. Absent on purpose: surviving a power failure.

mod log;
mod state;
mod world;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use schliff_scheduler::allocation::{AllocationId, Listing, StopHow};
use schliff_scheduler::cluster::{Queue, Terms};
use schliff_spec::id::{ClusterName, SubmitKey};

use crate::backend::Backend;
use crate::calls::Calls;
use crate::clock;
use crate::error::BackendError;
use crate::launch::Launch;

pub use log::FolderError;
pub use world::FolderWorld;

use log::Log;
use state::{Event, NoRoom, State};

/// How a pretended cluster behaves.
#[derive(Clone, Debug)]
pub struct FolderOptions {
    /// Its name.
    pub cluster: ClusterName,
    /// Where its log is.
    pub folder: PathBuf,
    /// What the brain is told of it. Where the queue is ours, an allocation is granted its nodes as
    /// it is submitted.
    pub terms: Terms,
    /// An allocation is started as soon as its nodes are granted, else by [`FolderWorld::start`].
    pub starts_at_once: bool,
    /// A stop ends an allocation by itself, else [`FolderWorld::stops`] tells of it.
    pub obeys_stops: bool,
    /// How long each call takes, half of it before its effect.
    pub call_delay_ms: u64,
}

impl FolderOptions {
    /// A prompt cluster whose queue is ours.
    pub fn new(cluster: ClusterName, folder: PathBuf) -> Self {
        Self {
            cluster,
            folder,
            terms: Terms::of(Queue::Ours),
            starts_at_once: true,
            obeys_stops: true,
            call_delay_ms: 0,
        }
    }
}

/// Pretended allocations, as a coordinator reaches them.
pub struct Folder {
    options: FolderOptions,
    log: Mutex<Log>,
    calls: Calls,
}

impl Folder {
    /// Opens the folder, which is made where it is missing.
    ///
    /// # Errors
    /// The folder or its log cannot be opened or read.
    pub fn open(options: FolderOptions) -> Result<Self, FolderError> {
        let log = Mutex::new(Log::open(&options.folder)?);
        Ok(Self {
            options,
            log,
            calls: Calls::default(),
        })
    }

    /// Decides under the log's lock what happens.
    fn change<T>(
        &self,
        decide: impl FnOnce(&State) -> (Vec<Event>, T),
        doing: impl Fn() -> String,
    ) -> Result<T, BackendError> {
        // A panic while it is held leaves at worst a log that is read again.
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.change(decide).map_err(|error| error.of_call(doing()))
    }

    /// Half of a call's time.
    async fn delay(&self) {
        if self.options.call_delay_ms > 0 {
            let half = Duration::from_micros(self.options.call_delay_ms * 500);
            tokio::time::sleep(half).await;
        }
    }

    fn take(&self, launch: &Launch) -> Result<AllocationId, BackendError> {
        let doing = || format!("submit {} to {}", launch.key, self.options.cluster);
        let told = self.change(|state| self.granted(state, launch), doing)?;
        told.map_err(|no_room| match no_room {
            NoRoom::Never(why) => BackendError::Rejected {
                doing: doing(),
                why,
            },
            NoRoom::Now(why) => BackendError::Transient {
                doing: doing(),
                source: why.into(),
            },
        })
    }

    /// What follows from a submit.
    fn granted(
        &self,
        state: &State,
        launch: &Launch,
    ) -> (Vec<Event>, Result<AllocationId, NoRoom>) {
        let key = launch.key;
        let id = AllocationId(key.to_string());
        if state.knows(key) {
            return (Vec::new(), Ok(id));
        }
        match state.submitted(launch, &self.options.terms) {
            Err(no_room) => (Vec::new(), Err(no_room)),
            Ok(nodes) => {
                let starts = self.options.starts_at_once && !nodes.is_empty();
                let started = starts.then(|| Event::Started {
                    key,
                    nodes: nodes.clone(),
                });
                let submitted = Event::Submitted {
                    key,
                    shape: launch.shape,
                    nodes,
                };
                (std::iter::once(submitted).chain(started).collect(), Ok(id))
            }
        }
    }

    fn look(&self) -> Result<Listing, BackendError> {
        let asked_at = clock::now();
        let doing = || format!("list the allocations of {}", self.options.cluster);
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let read = log.catch_up();
        read.map_err(|error| error.of_call(doing()))?;
        while self.options.starts_at_once && log.state().has_waiting() {
            let granted = log.change(|state| {
                let start: Vec<_> = state.next_start().into_iter().collect();
                let is_one = !start.is_empty();
                (start, is_one)
            });
            if !granted.map_err(|error| error.of_call(doing()))? {
                break;
            }
        }
        Ok(Listing {
            cluster: self.options.cluster.clone(),
            asked_at,
            is_complete: true,
            allocations: log.state().allocations(),
            nodes: Some(log.state().nodes()),
        })
    }
}

#[async_trait]
impl Backend for Folder {
    fn cluster(&self) -> &ClusterName {
        &self.options.cluster
    }

    fn terms(&self) -> Terms {
        self.options.terms.clone()
    }

    fn kind(&self) -> &'static str {
        "folder"
    }

    async fn submit(&self, launch: &Launch) -> Result<AllocationId, BackendError> {
        self.delay().await;
        let told = self.calls.count(self.take(launch));
        self.delay().await;
        told
    }

    async fn observe(&self) -> Result<Listing, BackendError> {
        self.delay().await;
        let told = self.calls.count(self.look());
        self.delay().await;
        told
    }

    async fn stop(&self, key: SubmitKey, how: StopHow) -> Result<(), BackendError> {
        self.delay().await;
        let obeys = self.options.obeys_stops;
        let doing = || format!("stop {key} of {}", self.options.cluster);
        let told = self.change(|state| (state.stopped(key, how, obeys), ()), doing);
        let told = self.calls.count(told);
        self.delay().await;
        told
    }

    async fn forget(&self, key: SubmitKey) -> Result<(), BackendError> {
        self.delay().await;
        let doing = || format!("forget {key} of {}", self.options.cluster);
        let told = self.change(|state| (state.forgotten(key), ()), doing);
        let told = self.calls.count(told);
        self.delay().await;
        told
    }

    fn calls(&self) -> (u64, u64) {
        self.calls.so_far()
    }
}
