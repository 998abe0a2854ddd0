//! Checkpoints on their way to a cluster whose nodes cannot fetch them.
//!
//! Rules: the same is brought once at a time; what is on its way goes on where nobody waits for it any
//! more, so that the next who asks finds more of it there. Absent on purpose: what is brought, which is
//! [`crate::relaying::bring`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use schliff_agent::relay::allowance::Bandwidth;
use schliff_backend::Launch;
use schliff_registry::checkpoint::staging::is_remote;
use schliff_spec::id::{ClusterName, Step};
use schliff_spec::load::{Options, load_text};
use tokio::sync::watch;
use tokio::time::timeout;

use super::relayer::Storage;
use crate::figures;
use crate::relaying::{Sought, bring};

/// Whoever submits waits for so long.
const PATIENCE: Duration = Duration::from_secs(20);
/// The job in an attempt's folder.
const JOB: &str = "job.toml";

/// They.
pub(super) struct Supply {
    cluster: ClusterName,
    storage: Storage,
    folder: String,
    bandwidth: Bandwidth,
    under_way: Arc<Mutex<BTreeMap<Sought, watch::Receiver<State>>>>,
}

/// How it stands with one.
#[derive(Clone, Debug)]
enum State {
    /// So many bytes are there, of so many.
    Coming(u64, u64),
    /// It is there, or it is said why not.
    Over(Result<(), String>),
}

/// What an attempt is to find on its cluster; none where it needs nothing brought.
fn sought(launch: &Launch, committed: Option<Step>) -> Option<Sought> {
    let file = launch.files.iter().find(|file| file.name == JOB)?;
    let text = str::from_utf8(&file.content).ok()?;
    let options = Options { check_files: false };
    let job = load_text(text, JOB, &[], options).ok()?.job;
    let uri = job.checkpoint.uri.filter(|uri| is_remote(uri))?;
    let committed = committed.map(|Step(step)| step);
    Some(Sought { uri, committed })
}

impl Supply {
    pub(super) fn new(
        cluster: ClusterName,
        storage: Storage,
        folder: &str,
        bandwidth: Bandwidth,
    ) -> Self {
        Self {
            cluster,
            storage,
            folder: folder.to_owned(),
            bandwidth,
            under_way: Arc::default(),
        }
    }

    /// Waits a while until what the attempt goes on from is there; gives why it is not.
    pub(super) async fn ready(
        &self,
        launch: &Launch,
        committed: Option<Step>,
    ) -> Result<(), String> {
        let Some(sought) = sought(launch, committed) else {
            return Ok(());
        };
        let uri = sought.uri.clone();
        let mut state = self.begin(sought);
        let over = state.wait_for(|state| matches!(state, State::Over(_)));
        let over = match timeout(PATIENCE, over).await {
            Ok(Ok(state)) => Some(state.clone()),
            // It ended without a word: a defect that the log tells of.
            Ok(Err(_)) => Some(State::Over(Err(format!(
                "cannot bring checkpoints of {uri}"
            )))),
            Err(_) => None,
        };
        let now = over.unwrap_or_else(|| state.borrow().clone());
        match now {
            State::Over(over) => over,
            State::Coming(_, 0) => Err(format!("its checkpoints are looked for in {uri}")),
            State::Coming(sent, whole) => {
                let size = |bytes: u64| figures::bytes(bytes as f64);
                let (sent, whole) = (size(sent), size(whole));
                Err(format!(
                    "its checkpoint is on its way from {uri}: {sent} of {whole}"
                ))
            }
        }
    }

    /// Has it brought, unless that is being done.
    fn begin(&self, sought: Sought) -> watch::Receiver<State> {
        let mut under_way = lock(&self.under_way);
        if let Some(state) = under_way.get(&sought) {
            return state.clone();
        }
        let (outbox, state) = watch::channel(State::Coming(0, 0));
        under_way.insert(sought.clone(), state.clone());
        drop(under_way);
        let mut stages = self.storage.stages(&self.folder);
        let (bandwidth, cluster) = (self.bandwidth.clone(), self.cluster.clone());
        let all = Arc::clone(&self.under_way);
        tokio::task::spawn_blocking(move || {
            let progress = |sent, whole| {
                outbox.send_replace(State::Coming(sent, whole));
            };
            let brought = bring(&mut stages, &sought, &bandwidth, &progress);
            if let Ok(brought) = &brought {
                for why in brought.passed.iter().chain(&brought.unasked) {
                    tracing::warn!(%cluster, uri = sought.uri, "{why}");
                }
            }
            lock(&all).remove(&sought);
            outbox.send_replace(State::Over(brought.map(drop)));
        });
        state
    }
}

type UnderWay = BTreeMap<Sought, watch::Receiver<State>>;

fn lock(under_way: &Mutex<UnderWay>) -> std::sync::MutexGuard<'_, UnderWay> {
    under_way.lock().unwrap_or_else(PoisonError::into_inner)
}
