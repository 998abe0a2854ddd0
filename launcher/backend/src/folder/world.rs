//! What batch systems, agents and people do by themselves, for a pretended cluster.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use schliff_scheduler::allocation::{AllocationEnd, NodeReport, StopHow};
use schliff_scheduler::shape::Shape;
use schliff_spec::id::SubmitKey;

use super::log::{FolderError, Log};
use super::state::{Event, NoRoom};
use super::{Folder, FolderOptions};
use crate::backend::Backend;
use crate::conformance::{World, WorldError};
use crate::launch::Launch;

/// The other end of a [`Folder`]: makes things happen on it, from this or another process.
pub struct FolderWorld {
    options: FolderOptions,
    log: Mutex<Log>,
}

impl FolderWorld {
    /// Opens the folder that back-ends with the same options share.
    ///
    /// # Errors
    /// The folder or its log cannot be opened or read.
    pub fn open(options: FolderOptions) -> Result<Self, FolderError> {
        let log = Mutex::new(Log::open(&options.folder)?);
        Ok(Self { options, log })
    }

    /// A back-end on it.
    ///
    /// # Errors
    /// The folder or its log cannot be opened or read.
    pub fn backend(&self) -> Result<Folder, FolderError> {
        Folder::open(self.options.clone())
    }

    /// The cluster has these nodes from now on. What runs on one that is left out runs on.
    ///
    /// # Errors
    /// The log cannot be written.
    pub fn set_nodes(&self, nodes: Vec<NodeReport>) -> Result<(), FolderError> {
        self.with(|log| log.change(|_| (vec![Event::Nodes { nodes }], ())))
    }

    /// As many nodes alike, called `n0000` and so on.
    ///
    /// # Errors
    /// The log cannot be written.
    pub fn set_equal_nodes(&self, count: u32, gpus: u32, cpus: u32) -> Result<(), FolderError> {
        let node = |number| {
            let name = format!("n{number:04}").parse();
            let name = name.map_err(|error: schliff_spec::id::IdError| FolderError::World {
                doing: format!("name node {number}"),
                why: error.to_string(),
            })?;
            Ok(NodeReport {
                name,
                is_up: true,
                gpus,
                cpus,
            })
        };
        self.set_nodes((0..count).map(node).collect::<Result<_, FolderError>>()?)
    }

    /// Starts an allocation that waits; nothing changes where it does not.
    ///
    /// # Errors
    /// There is no room for it, or the log cannot be written.
    pub fn start(&self, key: SubmitKey) -> Result<(), FolderError> {
        let started = self.with(|log| {
            log.change(|state| match state.start(key) {
                Ok(event) => (event.into_iter().collect(), Ok(())),
                Err(NoRoom::Never(why) | NoRoom::Now(why)) => (Vec::new(), Err(why)),
            })
        })?;
        started.map_err(|why| FolderError::World {
            doing: format!("start {key}"),
            why,
        })
    }

    /// Ends an allocation; nothing changes where it has ended.
    ///
    /// # Errors
    /// The log cannot be written.
    pub fn end(&self, key: SubmitKey, end: AllocationEnd) -> Result<(), FolderError> {
        self.with(|log| log.change(|_| (vec![Event::Ended { key, end }], ())))
    }

    /// What lives and was asked to end, and how.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn stops(&self) -> Result<Vec<(SubmitKey, StopHow)>, FolderError> {
        self.with(|log| {
            log.catch_up()?;
            let live = log.state().live();
            Ok(live.filter_map(|(key, how)| Some((key, how?))).collect())
        })
    }

    /// What lives.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn live(&self) -> Result<Vec<SubmitKey>, FolderError> {
        self.with(|log| {
            log.catch_up()?;
            Ok(log.state().live().map(|(key, _)| key).collect())
        })
    }

    /// How often an allocation of this key was started, ever.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn starts(&self, key: SubmitKey) -> Result<u32, FolderError> {
        self.with(|log| {
            log.catch_up()?;
            Ok(log.state().starts(key))
        })
    }

    fn with<T>(&self, what: impl FnOnce(&mut Log) -> T) -> T {
        what(&mut self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl World for FolderWorld {
    async fn open(&self) -> Result<Arc<dyn Backend>, WorldError> {
        Ok(Arc::new(self.backend()?))
    }

    fn launch(&self, key: SubmitKey) -> Launch {
        pretended(key, 1)
    }

    fn unfit(&self, key: SubmitKey) -> Option<Launch> {
        Some(pretended(key, 1 << 20))
    }

    async fn start(&self, key: SubmitKey) -> Result<(), WorldError> {
        Ok(Self::start(self, key)?)
    }

    async fn end(&self, key: SubmitKey, code: i32) -> Result<(), WorldError> {
        Ok(Self::end(self, key, AllocationEnd::Exited { code })?)
    }

    async fn kill(&self, key: SubmitKey) -> Result<(), WorldError> {
        Ok(Self::end(
            self,
            key,
            AllocationEnd::Killed { signal: Some(9) },
        )?)
    }

    async fn starts(&self, key: SubmitKey) -> Result<u32, WorldError> {
        Ok(Self::starts(self, key)?)
    }

    async fn pause(&self) {
        // Others may want to run; nothing here takes time.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// An allocation of so many nodes with one core each.
fn pretended(key: SubmitKey, nodes: u32) -> Launch {
    Launch {
        key,
        name: "pretended".to_owned(),
        shape: Shape {
            nodes,
            gpus_per_node: 0,
            cpus_per_node: 1,
            ranks: nodes,
        },
        min_nodes: None,
        placement: Vec::new(),
        avoid: Vec::new(),
        time_limit_ms: None,
        work_ms: None,
        wish: schliff_spec::cluster::BatchWish::default(),
        args: Vec::new(),
        env: Vec::new(),
        files: Vec::new(),
    }
}
