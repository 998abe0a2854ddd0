//! What can be asked of a coordinator, by whatever way it is asked.
//!
//! Rules: cheap to copy; answers are wire types. A coordinator on standby refuses everything but
//! telling of itself. Absent on purpose: who may ask; the doors check that.

mod adopt;
mod ask;
mod feed;
mod report;
mod source;
mod tell;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use schliff_page::Change;
use schliff_scheduler::{Explainer, State};
use schliff_spec::cluster::Cost;
use schliff_spec::id::ClusterName;
use tokio::sync::{Semaphore, broadcast, mpsc, watch};

use crate::access::Access;
use crate::clock::now;
use crate::error::Error;
use crate::intake::Intake;
use crate::journal::Journal;
use crate::metrics::Metrics;
use crate::options::Limits;
use crate::owner::{Desk, Message};
use crate::recorder::Recorder;
use crate::refusal::Refusal;
use crate::site::Standing;
use crate::view::Look;

pub(crate) use ask::step_point;
pub(crate) use feed::Feed;

/// Between two looks at who leads.
const LOOK: std::time::Duration = std::time::Duration::from_millis(2);
/// Changes that a reader may lag behind by.
const CHANGES: usize = 1_024;

/// A coordinator.
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

/// What all parts of it share.
pub(crate) struct Shared {
    pub(crate) address: SocketAddr,
    pub(crate) url: String,
    pub(crate) version: String,
    pub(crate) started_ms: i64,
    pub(crate) access: Access,
    pub(crate) journal: Journal,
    pub(crate) limits: Limits,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) changes: broadcast::Sender<Change>,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) costs: BTreeMap<ClusterName, Cost>,
    pub(crate) closing: watch::Sender<bool>,
    pub(crate) leading: OnceLock<Leading>,
    /// The URL of the coordinator that leads, as last seen.
    pub(crate) leader: Mutex<String>,
    pub(crate) ended: watch::Sender<Option<Arc<Result<(), Error>>>>,
}

/// What there is only where it leads.
pub(crate) struct Leading {
    pub(crate) desk: Arc<Desk>,
    pub(crate) inbox: mpsc::Sender<Message>,
    pub(crate) recorder: Recorder,
    pub(crate) intake: Intake,
    pub(crate) standings: BTreeMap<ClusterName, Arc<Standing>>,
}

impl Shared {
    pub(crate) fn changes() -> broadcast::Sender<Change> {
        broadcast::channel(CHANGES).0
    }

    pub(crate) fn set_leader(&self, url: String) {
        *self.leader.lock().unwrap_or_else(PoisonError::into_inner) = url;
    }
}

impl Handle {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// How others reach it.
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// Whether it leads.
    pub fn is_leading(&self) -> bool {
        self.shared.leading.get().is_some()
    }

    /// Waits until it leads, or knows who does, or has ended: from then on it answers for good.
    pub async fn settled(&self) {
        let is_open = || self.shared.ended.borrow().is_none();
        let is_standby = || !self.other_leader().is_empty();
        while is_open() && !self.is_leading() && !is_standby() {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Asks it to end; [`Self::ended`] tells when it has.
    pub fn close(&self) {
        self.shared.closing.send_replace(true);
    }

    /// Waits for its end.
    pub async fn ended(&self) -> Arc<Result<(), Error>> {
        let mut ended = self.shared.ended.subscribe();
        let end = ended.wait_for(Option::is_some).await;
        let end = end.ok().and_then(|end| end.clone());
        end.unwrap_or_else(|| Arc::new(Ok(())))
    }

    /// Notes of what may look different from now on.
    pub(crate) fn changes(&self) -> broadcast::Receiver<Change> {
        self.shared.changes.subscribe()
    }

    pub(crate) fn leader(&self) -> String {
        let leader = self.shared.leader.lock();
        leader.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same where it is another one; empty while this one begins to lead.
    pub(crate) fn other_leader(&self) -> String {
        let leader = self.leader();
        match leader == self.shared.url {
            true => String::new(),
            false => leader,
        }
    }

    pub(crate) fn leading(&self) -> Result<&Leading, Refusal> {
        if *self.shared.closing.borrow() {
            return Err(Refusal::closing());
        }
        let leading = self.shared.leading.get();
        leading.ok_or_else(|| Refusal::standby(self.other_leader()))
    }

    /// Shows the state to `see`.
    pub(crate) async fn look<T>(&self, see: impl FnOnce(Look<'_>) -> T) -> Result<T, Refusal> {
        let desk = &self.leading()?.desk;
        let state = desk.state.read().await;
        Ok(self.see(desk, &state, see))
    }

    fn see<T>(&self, desk: &Desk, state: &State, see: impl FnOnce(Look<'_>) -> T) -> T {
        let memory = desk.memory.read().unwrap_or_else(PoisonError::into_inner);
        let now = now();
        see(Look {
            state,
            memory: &memory,
            costs: &self.shared.costs,
            now,
            explainer: &Explainer::new(state, now),
        })
    }
}
