//! A cluster whose agents are heard over a relay: all of them, or those of jobs that were adopted.
//!
//! Rules: REL-1 an attempt's end is not told before its last words were looked for: until the relay
//! has shipped what the attempt left, or failed at that a few times, the listing lacks it, and says that
//! it is not complete. REL-2 an attempt is forgotten only after that, too. Absent on purpose:
//! everything else, which is done by the back-end behind it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use schliff_backend::{Backend, BackendError, FindError, Foundling, Launch, Traffic};
use schliff_scheduler::allocation::{AllocationId, AllocationStatus, Listing, StopHow};
use schliff_scheduler::cluster::Terms;
use schliff_scheduler::time::Timestamp;
use schliff_spec::cluster::Reports;
use schliff_spec::id::{ClusterName, Step, SubmitKey};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::supply::Supply;

/// Attempts that wait for the relay, at most.
const WAITING: usize = 64;
/// A listing waits for the relay so long in all, and forgetting.
const PATIENCE: Duration = Duration::from_secs(20);
/// After so many tries an end is told all the same.
const TRIES: u32 = 5;

/// An attempt of which all is to be shipped, and who waits for that.
pub(super) struct Drain {
    pub(super) key: SubmitKey,
    pub(super) done: oneshot::Sender<bool>,
}

/// Who asks for it.
pub(super) type Drains = mpsc::Sender<Drain>;

/// The way from back-ends to the relay.
pub(super) fn drains() -> (Drains, mpsc::Receiver<Drain>) {
    mpsc::channel(WAITING)
}

/// A back-end and its relay.
pub(super) struct Relayed {
    inner: Arc<dyn Backend>,
    relay: Drains,
    supply: Supply,
    ends: Mutex<Ends>,
}

/// Ended attempts that are listed. Pure.
#[derive(Debug, Default)]
struct Ends(BTreeMap<SubmitKey, End>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// All of it was shipped, or that was tried often enough.
    Told,
    /// It was tried so often in vain.
    Tried(u32),
}

impl Ends {
    /// Which of the ended ones that are listed wait for the relay. Forgets those that are not listed.
    fn of(&mut self, listing: &Listing) -> Vec<SubmitKey> {
        let is_ended = |status: &AllocationStatus| matches!(status, AllocationStatus::Ended { .. });
        let ended = listing.allocations.iter().filter(|it| is_ended(&it.status));
        let ended: Vec<_> = ended.map(|it| it.key).collect();
        if listing.is_complete {
            self.0.retain(|key, _| ended.contains(key));
        }
        let waits = |key: &SubmitKey| self.0.get(key) != Some(&End::Told);
        ended.into_iter().filter(waits).collect()
    }

    /// What came of a try; says whether its end may be told.
    fn tried(&mut self, key: SubmitKey, is_shipped: bool) -> bool {
        let end = self.0.entry(key).or_insert(End::Tried(0));
        *end = match *end {
            End::Tried(times) if !is_shipped && times + 1 < TRIES => End::Tried(times + 1),
            End::Tried(_) | End::Told => End::Told,
        };
        *end == End::Told
    }
}

impl Relayed {
    pub(super) fn new(inner: Arc<dyn Backend>, relay: Drains, supply: Supply) -> Self {
        Self {
            inner,
            relay,
            supply,
            ends: Mutex::default(),
        }
    }

    /// Whether all that the attempt left was shipped.
    async fn drain(&self, key: SubmitKey) -> bool {
        let (done, answer) = oneshot::channel();
        let drained = async {
            self.relay.send(Drain { key, done }).await.ok()?;
            answer.await.ok()
        };
        timeout(PATIENCE, drained).await.ok().flatten() == Some(true)
    }

    async fn without_unheard(&self, mut listing: Listing) -> Listing {
        let waiting = self.ends().of(&listing);
        let drains = async {
            for key in &waiting {
                let is_shipped = self.drain(*key).await;
                self.ends().tried(*key, is_shipped);
            }
        };
        // Those that had no turn have it with the next listing.
        let _ = timeout(PATIENCE, drains).await;
        let unheard =
            |key: &SubmitKey| waiting.contains(key) && self.ends().0.get(key) != Some(&End::Told);
        let before = listing.allocations.len();
        listing.allocations.retain(|it| !unheard(&it.key));
        listing.is_complete &= listing.allocations.len() == before;
        listing
    }

    fn ends(&self) -> std::sync::MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[tonic::async_trait]
impl Backend for Relayed {
    fn cluster(&self) -> &ClusterName {
        self.inner.cluster()
    }

    fn terms(&self) -> Terms {
        self.inner.terms()
    }

    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    fn reports(&self) -> Reports {
        self.inner.reports()
    }

    async fn prepare(&self, launch: &Launch, committed: Option<Step>) -> Result<(), BackendError> {
        let transient = |why: String| BackendError::Transient {
            doing: format!("submit {} to {}", launch.key, self.cluster()),
            source: why.into(),
        };
        if self.reports() == Reports::Spool {
            let ready = self.supply.ready(launch, committed).await;
            ready.map_err(transient)?;
        }
        self.inner.prepare(launch, committed).await
    }

    async fn submit(&self, launch: &Launch) -> Result<AllocationId, BackendError> {
        self.inner.submit(launch).await
    }

    async fn observe(&self) -> Result<Listing, BackendError> {
        let listing = self.inner.observe().await?;
        Ok(self.without_unheard(listing).await)
    }

    async fn stop(&self, key: SubmitKey, how: StopHow) -> Result<(), BackendError> {
        self.inner.stop(key, how).await
    }

    async fn forget(&self, key: SubmitKey) -> Result<(), BackendError> {
        let is_told = self.ends().0.get(&key) == Some(&End::Told);
        // What came after the end was told is shipped, too, where that can be.
        if !self.drain(key).await && !is_told {
            return Err(BackendError::Transient {
                doing: format!("forget {key}"),
                source: "its reports are not shipped yet".into(),
            });
        }
        self.inner.forget(key).await
    }

    async fn find(&self, id: &AllocationId) -> Result<Foundling, FindError> {
        self.inner.find(id).await
    }

    async fn adopt(
        &self,
        launch: &Launch,
        id: &AllocationId,
    ) -> Result<AllocationId, BackendError> {
        self.inner.adopt(launch, id).await
    }

    async fn estimate(&self, launch: &Launch) -> Result<Option<Timestamp>, BackendError> {
        self.inner.estimate(launch).await
    }

    fn calls(&self) -> (u64, u64) {
        self.inner.calls()
    }

    fn traffic(&self) -> Traffic {
        self.inner.traffic()
    }
}

#[cfg(test)]
mod tests;
