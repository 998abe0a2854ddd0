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

mod host;
mod lock;
mod place;
mod process;
mod start;
mod status;
mod stock;

use std::path::PathBuf;
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use schliff_scheduler::allocation::{Allocation, AllocationId, Listing, NodeReport, StopHow};
use schliff_scheduler::cluster::{Queue, Terms};
use schliff_spec::id::{ClusterName, NodeName, SubmitKey};

use crate::backend::Backend;
use crate::calls::Calls;
use crate::clock;
use crate::error::BackendError;
use crate::launch::Launch;

pub use place::LocalError;

use place::{Place, Places, Record};
use stock::{Short, Stock};

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
        let places = Places::open(&options.folder)?;
        let stock = Stock {
            cpus: options.cpu_slots.unwrap_or_else(host::cpus),
            cores: host::cores(),
            gpus: host::gpus(options.gpu_slots),
        };
        let desk = Desk {
            node: host::name()?,
            options,
            places,
            stock,
            children: Mutex::default(),
        };
        Ok(Self {
            desk: Arc::new(desk),
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
        &self.desk.options.cluster
    }

    fn terms(&self) -> Terms {
        Terms {
            queue: Queue::Ours,
            max_time_ms: self.desk.options.max_time_ms,
            max_waiting: None,
            settle_ms: 0,
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

/// Why a call came to nothing; it had no effect.
enum Refusal {
    Never(String),
    Now(Box<dyn std::error::Error + Send + Sync>),
}

impl From<LocalError> for Refusal {
    fn from(error: LocalError) -> Self {
        match error {
            LocalError::FileName { .. } => Self::Never(error.to_string()),
            error => Self::Now(error.into()),
        }
    }
}

/// The blocking half of a [`Local`].
struct Desk {
    node: NodeName,
    options: LocalOptions,
    places: Places,
    stock: Stock,
    /// Started from here, and perhaps to be reaped.
    children: Mutex<Vec<Child>>,
}

impl Desk {
    fn submit(&self, launch: &Launch) -> Result<AllocationId, Refusal> {
        let _alone = self.places.alone()?;
        let key = launch.key;
        let id = AllocationId(key.to_string());
        if self.places.find(key)?.is_some() {
            return Ok(id);
        }
        if self.places.is_forgotten(key)? {
            let why = "its allocation has ended and was forgotten";
            return Err(Refusal::Never(why.to_owned()));
        }
        self.check(launch).map_err(Refusal::Never)?;
        let share = self.stock.share(launch.shape, &self.shares()?);
        let share = share.map_err(|short| match short {
            Short::Never(why) => Refusal::Never(why),
            Short::Now(why) => Refusal::Now(why.into()),
        })?;
        let record = Record {
            name: launch.name.clone(),
            time_limit_ms: launch.time_limit_ms,
            share,
        };
        let (place, lock) = self.places.create(launch, &record)?;
        let cores = self.stock.bound(&record.share);
        let command = start::command(&self.options.program, launch, &place, &record.share);
        match start::start(command, &place, &lock, &cores) {
            Ok(child) => self.children().push(child),
            // It is accepted all the same: its folder was there to be seen. Its lock is free only
            // after this.
            Err(error) => place.note_failure(&self.options.program, &error)?,
        }
        drop(lock);
        Ok(id)
    }

    /// What no change of the moment could make fit.
    fn check(&self, launch: &Launch) -> Result<(), String> {
        if let Some(node) = launch.placement.iter().find(|node| **node != self.node) {
            return Err(format!("there is no node {node}, only {}", self.node));
        }
        if launch.shape.nodes != 1 || launch.placement.len() > 1 {
            return Err(format!("this host is one node, not {}", launch.shape.nodes));
        }
        let most = self.options.max_time_ms;
        let is_over = |most: u64| launch.time_limit_ms.is_some_and(|limit| limit > most);
        match most.filter(|most| is_over(*most)) {
            Some(most) => Err(format!("its time limit is over {most} ms")),
            None => Ok(()),
        }
    }

    /// What live allocations hold.
    fn shares(&self) -> Result<Vec<stock::Share>, LocalError> {
        let mut shares = Vec::new();
        for place in self.places.list()? {
            if place.is_held()? {
                shares.push(place.record()?.share);
            }
        }
        Ok(shares)
    }

    fn observe(&self) -> Result<Listing, Refusal> {
        let asked_at = clock::now();
        let mut allocations = Vec::new();
        let mut is_complete = true;
        for place in self.places.list()? {
            match self.look(&place) {
                Ok(allocation) => allocations.extend(allocation),
                Err(_) => is_complete = false,
            }
        }
        self.reap();
        let node = NodeReport {
            name: self.node.clone(),
            is_up: true,
            gpus: u32::try_from(self.stock.gpus.len()).unwrap_or(u32::MAX),
            cpus: self.stock.cpus,
        };
        Ok(Listing {
            cluster: self.options.cluster.clone(),
            asked_at,
            is_complete,
            allocations,
            nodes: Some(vec![node]),
        })
    }

    /// What is in a folder; nothing where it has just been forgotten.
    fn look(&self, place: &Place) -> Result<Option<Allocation>, LocalError> {
        let Some(traces) = place.traces()? else {
            return Ok(None);
        };
        if traces.is_held && self.is_overdue(place, &traces) {
            place.note_timeout()?;
            process::kill_all(&place.lock_file(), traces.birth);
        }
        Ok(Some(Allocation {
            key: place.key,
            id: AllocationId(place.key.to_string()),
            status: status::of(traces),
            nodes: vec![self.node.clone()],
        }))
    }

    /// Whether it runs longer than it may.
    fn is_overdue(&self, place: &Place, traces: &status::Traces) -> bool {
        let limit = place.record().ok().and_then(|record| record.time_limit_ms);
        let age = traces.birth.and_then(|birth| birth.age_ms());
        matches!((limit, age), (Some(limit), Some(age)) if age > limit)
    }

    fn stop(&self, key: SubmitKey, how: StopHow) -> Result<(), Refusal> {
        let _alone = self.places.alone()?;
        let traces = match self.places.find(key)? {
            Some(place) => place.traces()?.map(|traces| (place, traces)),
            None => None,
        };
        let Some((place, traces)) = traces.filter(|(_, traces)| traces.is_held) else {
            return Ok(());
        };
        match how {
            StopHow::Gently => process::terminate(traces.birth),
            StopHow::Now => process::kill_all(&place.lock_file(), traces.birth),
        }
        self.reap();
        Ok(())
    }

    fn forget(&self, key: SubmitKey) -> Result<(), Refusal> {
        let _alone = self.places.alone()?;
        if let Some(place) = self.places.find(key)?
            && !place.is_held()?
        {
            self.places.forget(&place)?;
        }
        self.reap();
        Ok(())
    }

    /// Takes note of children that have ended, so that no zombie is left of them.
    fn reap(&self) {
        // A child that cannot be asked is not there any more.
        self.children()
            .retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }

    fn children(&self) -> std::sync::MutexGuard<'_, Vec<Child>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
