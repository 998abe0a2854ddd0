//! A batch system that only pretends.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use schliff_backend::{Backend, BackendError, Launch};
use schliff_scheduler::allocation::{
    Allocation, AllocationEnd, AllocationId, AllocationStatus, Listing, NodeReport, StopHow,
};
use schliff_scheduler::cluster::{Queue, Terms};
use schliff_scheduler::time::Timestamp;
use schliff_spec::id::{ClusterName, SubmitKey};

/// What was started and what became of it; it outlives coordinators.
pub(crate) struct Pretend {
    cluster: ClusterName,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    allocations: BTreeMap<SubmitKey, (Launch, AllocationStatus)>,
    /// Times that something was really started for a key.
    starts: BTreeMap<SubmitKey, u32>,
    stops: Vec<(SubmitKey, StopHow)>,
}

impl Pretend {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            cluster: name.parse().expect("a name"),
            held: Mutex::default(),
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().expect("no panic before")
    }

    /// What was launched for a key.
    pub(crate) fn launch(&self, key: SubmitKey) -> Option<Launch> {
        let held = self.held();
        held.allocations.get(&key).map(|(launch, _)| launch.clone())
    }

    /// Ends an allocation.
    pub(crate) fn end(&self, key: SubmitKey, code: i32) {
        if let Some((_, status)) = self.held().allocations.get_mut(&key) {
            let end = AllocationEnd::Exited { code };
            *status = AllocationStatus::Ended { end };
        }
    }

    /// How often something was started for each key.
    pub(crate) fn starts(&self) -> BTreeMap<SubmitKey, u32> {
        self.held().starts.clone()
    }

    pub(crate) fn stops(&self) -> Vec<(SubmitKey, StopHow)> {
        self.held().stops.clone()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.held().allocations.is_empty()
    }
}

#[async_trait]
impl Backend for Pretend {
    fn cluster(&self) -> &ClusterName {
        &self.cluster
    }

    fn terms(&self) -> Terms {
        Terms::of(Queue::Ours)
    }

    fn kind(&self) -> &'static str {
        "pretended"
    }

    async fn submit(&self, launch: &Launch) -> Result<AllocationId, BackendError> {
        let mut held = self.held();
        let id = AllocationId(format!("p{}", launch.key));
        if held.allocations.contains_key(&launch.key) {
            return Ok(id);
        }
        *held.starts.entry(launch.key).or_default() += 1;
        let started = (launch.clone(), AllocationStatus::Running);
        held.allocations.insert(launch.key, started);
        Ok(id)
    }

    async fn observe(&self) -> Result<Listing, BackendError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now_ms = now.expect("after 1970").as_millis();
        let held = self.held();
        let node = NodeReport {
            name: "n1".parse().expect("a name"),
            is_up: true,
            gpus: 0,
            cpus: 64,
        };
        let allocations = held
            .allocations
            .iter()
            .map(|(key, (_, status))| Allocation {
                key: *key,
                id: AllocationId(format!("p{key}")),
                status: status.clone(),
                nodes: vec![node.name.clone()],
            });
        Ok(Listing {
            cluster: self.cluster.clone(),
            asked_at: Timestamp(u64::try_from(now_ms).expect("this era")),
            is_complete: true,
            allocations: allocations.collect(),
            nodes: Some(vec![node.clone()]),
        })
    }

    async fn stop(&self, key: SubmitKey, how: StopHow) -> Result<(), BackendError> {
        self.held().stops.push((key, how));
        // Agents take their time over a gentle one.
        if how == StopHow::Now {
            self.end(key, 137);
        }
        Ok(())
    }

    async fn forget(&self, key: SubmitKey) -> Result<(), BackendError> {
        self.held().allocations.remove(&key);
        Ok(())
    }

    fn calls(&self) -> (u64, u64) {
        (0, 0)
    }
}
