//! The simulator's batch system behind the seam that real ones are behind, so that the suite which every
//! back-end must pass proves this one, too.
//!
//! Rules: time stands still between calls; a test moves it. Absent on purpose: faults, which the world
//! puts between the coordinator and a site.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use schliff_backend::{Backend, BackendError, Launch};
use schliff_scheduler::allocation::{AllocationEnd, AllocationId, Listing, StopHow};
use schliff_scheduler::cluster::Terms;
use schliff_scheduler::time::Timestamp;
use schliff_spec::exit::ExitCode;
use schliff_spec::id::{ClusterName, IdError, SubmitKey};

use crate::scenario::SitePlan;
use crate::site::{Refusal, Site, Stopped};

/// A site that back-ends share, and its clock.
#[derive(Clone, Debug)]
pub struct SharedSite {
    desk: Arc<Mutex<Desk>>,
}

#[derive(Debug)]
struct Desk {
    site: Site,
    now_ms: u64,
    starts: BTreeMap<SubmitKey, u32>,
    calls: u64,
    failed: u64,
}

impl SharedSite {
    /// A site as planned, which shows at once what it has.
    ///
    /// # Errors
    /// A name that is none.
    pub fn new(plan: &SitePlan) -> Result<Self, IdError> {
        let mut site = Site::planned(plan)?;
        site.lag_ms = 0;
        let desk = Desk {
            site,
            now_ms: 0,
            starts: BTreeMap::new(),
            calls: 0,
            failed: 0,
        };
        Ok(Self {
            desk: Arc::new(Mutex::new(desk)),
        })
    }

    /// A back-end on it, as a coordinator opens it that has just been started.
    pub fn open(&self) -> SimBackend {
        let desk = self.desk();
        SimBackend {
            cluster: desk.site.name.clone(),
            terms: desk.site.terms.clone(),
            site: self.clone(),
        }
    }

    /// Lets time pass: what waits and fits begins, what takes too long ends.
    pub fn pass(&self, span_ms: u64) {
        let desk = &mut *self.desk();
        desk.now_ms += span_ms;
        for key in desk.site.overdue(desk.now_ms) {
            desk.site.end(key, AllocationEnd::TimedOut);
        }
        for key in desk.site.turn(desk.now_ms) {
            *desk.starts.entry(key).or_default() += 1;
        }
    }

    /// Ends an allocation, however that comes.
    pub fn end(&self, key: SubmitKey, end: AllocationEnd) {
        self.desk().site.end(key, end);
    }

    /// How often a key was started.
    pub fn starts(&self, key: SubmitKey) -> u32 {
        self.desk().starts.get(&key).copied().unwrap_or(0)
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        // Whoever panicked while it held the desk has left it as it was before or after a call.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self) -> MutexGuard<'_, Desk> {
        let mut desk = self.desk();
        desk.calls += 1;
        desk
    }
}

/// A site as a coordinator reaches it.
#[derive(Clone, Debug)]
pub struct SimBackend {
    cluster: ClusterName,
    terms: Terms,
    site: SharedSite,
}

#[async_trait]
impl Backend for SimBackend {
    fn cluster(&self) -> &ClusterName {
        &self.cluster
    }

    fn terms(&self) -> Terms {
        self.terms.clone()
    }

    fn kind(&self) -> &'static str {
        "simulated"
    }

    async fn submit(&self, launch: &Launch) -> Result<AllocationId, BackendError> {
        let desk = &mut *self.site.call();
        let is_new = !desk.site.held().contains_key(&launch.key);
        let doing = || format!("submit {} to {}", launch.key, self.cluster);
        let id = desk.site.submit(desk.now_ms, launch);
        desk.failed += u64::from(id.is_err());
        let id = id.map_err(|refusal| match refusal {
            Refusal::Never(why) => BackendError::Rejected {
                doing: doing(),
                why,
            },
            Refusal::Later(why) => BackendError::Transient {
                doing: doing(),
                source: why.into(),
            },
        })?;
        let held = desk.site.held().get(&launch.key);
        if is_new && held.is_some_and(|held| held.is_running()) {
            *desk.starts.entry(launch.key).or_default() += 1;
        }
        Ok(id)
    }

    async fn observe(&self) -> Result<Listing, BackendError> {
        let desk = &mut *self.site.call();
        let shown = desk.site.shows(desk.now_ms);
        Ok(Listing {
            cluster: self.cluster.clone(),
            asked_at: Timestamp(desk.now_ms),
            is_complete: true,
            allocations: shown.allocations,
            nodes: Some(shown.nodes),
        })
    }

    async fn stop(&self, key: SubmitKey, how: StopHow) -> Result<(), BackendError> {
        let mut desk = self.site.call();
        if desk.site.stop(key, how) == Stopped::Signalled {
            // There are no ranks here that would have to commit first.
            let code = ExitCode::MoreToDo.code();
            desk.site.end(key, AllocationEnd::Exited { code });
        }
        Ok(())
    }

    async fn forget(&self, key: SubmitKey) -> Result<(), BackendError> {
        self.site.call().site.forget(key);
        Ok(())
    }

    fn calls(&self) -> (u64, u64) {
        let desk = self.site.desk();
        (desk.calls, desk.failed)
    }
}
