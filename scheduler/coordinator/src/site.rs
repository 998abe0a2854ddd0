//! One cluster, looked after by one task: it is observed, and what is to be done there is done.
//!
//! Rules: observed at a steady pace, sooner after something was done, and ever more rarely while it
//! does not answer. So many calls at a time and no more. Nothing is done while another coordinator may
//! lead. Absent on purpose: deciding anything.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use schliff_backend::{Backend, BackendError, chain};
use schliff_scheduler::action::{Action, Order};
use schliff_scheduler::allocation::{Estimate, SubmitAnswer};
use schliff_scheduler::cluster::{Price, Terms};
use schliff_spec::cluster::Cost;
use schliff_spec::id::SubmitKey;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::journal::Lease;
use crate::launch::{Contact, launch};
use crate::owner::{Message, Tried};

/// Actions that wait, at most.
pub(crate) const ACTIONS: usize = 1_024;
/// Calls at a time.
const CALLS: usize = 8;
/// For one call; a batch system that hangs must not hold up the rest.
const CALL: Duration = Duration::from_millis(schliff_scheduler::policy::CALL_MS);
/// Between two looks at a lease that is not held.
const LOOK: Duration = Duration::from_millis(20);
/// The longest pause after observations that failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A cluster that the coordinator uses.
#[derive(Clone)]
pub struct Site {
    /// How it is reached.
    pub backend: Arc<dyn Backend>,
    /// What it costs.
    pub cost: Cost,
    /// Country where it stands, by its ISO 3166 code.
    pub country: Option<String>,
    /// It is observed so often.
    pub observe_every: Duration,
}

impl Site {
    /// What the brain has to know of it: what the back-end says, and what the profile does.
    pub(crate) fn terms(&self) -> Terms {
        let micro = |eur: Option<f64>| eur.map(|eur| (eur * 1e6).round() as u64);
        Terms {
            country: self.country.clone(),
            price: Price {
                micro_eur_per_gpu_hour: micro(self.cost.eur_per_gpu_hour),
                micro_eur_per_core_hour: micro(self.cost.eur_per_core_hour),
            },
            ..self.backend.terms()
        }
    }

    /// A cluster that is near and free.
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self {
            backend,
            cost: Cost::default(),
            country: None,
            observe_every: Duration::from_secs(1),
        }
    }
}

/// How it stands with a cluster.
pub(crate) struct Standing {
    pub(crate) backend: Arc<dyn Backend>,
    trouble: Mutex<String>,
}

impl Standing {
    /// Why it cannot be observed; empty where it can.
    pub(crate) fn trouble(&self) -> String {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.clone()
    }

    fn set_trouble(&self, text: String) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        *trouble = text;
    }
}

/// The task.
pub(crate) struct Keeper {
    pub(crate) site: Site,
    pub(crate) standing: Arc<Standing>,
    pub(crate) actions: mpsc::Receiver<Action>,
    /// Something was done, or a look is worth its price for another reason.
    pub(crate) nudge: Arc<Notify>,
    pub(crate) owner: mpsc::Sender<Message>,
    pub(crate) contact: Arc<Contact>,
    pub(crate) lease: Arc<Lease>,
}

impl Standing {
    pub(crate) fn new(site: &Site) -> Arc<Self> {
        Arc::new(Self {
            backend: Arc::clone(&site.backend),
            trouble: Mutex::new(String::new()),
        })
    }
}

impl Keeper {
    /// Works until `closing` says so; calls that are under way are finished.
    pub(crate) async fn run(mut self, mut closing: watch::Receiver<bool>) {
        let nudge = Arc::clone(&self.nudge);
        let calls = Arc::new(Semaphore::new(CALLS));
        let mut at_work = JoinSet::new();
        let observer = tokio::spawn(observe(
            (self.site.clone(), Arc::clone(&self.standing)),
            self.owner.clone(),
            Arc::clone(&nudge),
            closing.clone(),
        ));
        loop {
            let action = tokio::select! {
                action = self.actions.recv() => action,
                Some(_) = at_work.join_next() => continue,
                _ = closing.wait_for(|is_closing| *is_closing) => None,
            };
            let Some(action) = action else { break };
            let permit = tokio::select! {
                permit = Arc::clone(&calls).acquire_owned() => permit,
                _ = closing.wait_for(|is_closing| *is_closing) => break,
            };
            // What was decided under the lease may have waited for longer than that lasted. A renewal
            // that is late is no reason to end.
            tokio::select! {
                () = held(&self.lease) => {}
                _ = closing.wait_for(|is_closing| *is_closing) => break,
            }
            let (backend, contact) = (Arc::clone(&self.site.backend), Arc::clone(&self.contact));
            let (owner, nudge) = (self.owner.clone(), Arc::clone(&nudge));
            at_work.spawn(async move {
                let message = act(&*backend, &contact, action).await;
                drop(permit);
                // The owner may have ended.
                let _ = owner.send(message).await;
                nudge.notify_one();
            });
        }
        while at_work.join_next().await.is_some() {}
        let _ = observer.await;
    }
}

/// Waits until nobody else can lead.
async fn held(lease: &Lease) {
    while !lease.is_held() {
        sleep(LOOK).await;
    }
}

async fn act(backend: &dyn Backend, contact: &Contact, action: Action) -> Message {
    match action {
        Action::Submit(order) => {
            let answer = submit(backend, contact, &order).await;
            Message::Tried {
                key: order.key,
                tried: Tried::Submitted(answer),
            }
        }
        Action::Estimate(order) => Message::Estimated {
            job: order.key.job,
            cluster: order.cluster.clone(),
            estimate: estimate(backend, contact, &order).await,
        },
        Action::Stop { key, how, .. } => {
            tell("stop", key, timeout(CALL, backend.stop(key, how)).await);
            Message::Tried {
                key,
                tried: Tried::Stopped(how),
            }
        }
        Action::Forget { cluster, key, .. } => {
            tell("forget", key, timeout(CALL, backend.forget(key)).await);
            Message::Tried {
                key,
                tried: Tried::Forgotten(cluster),
            }
        }
    }
}

async fn submit(backend: &dyn Backend, contact: &Contact, order: &Order) -> SubmitAnswer {
    let launch = launch(order, contact, backend.reports());
    let call = async {
        if let Some(id) = &order.adopts {
            return backend.adopt(&launch, id).await;
        }
        backend.prepare(&launch, order.resume_from).await?;
        backend.submit(&launch).await
    };
    let answer = match timeout(CALL, call).await {
        Ok(Ok(id)) => return SubmitAnswer::Accepted { id },
        Ok(Err(error)) => error.answer(),
        Err(_) => SubmitAnswer::Unknown {
            why: format!("no answer within {} s", CALL.as_secs()),
        },
    };
    tracing::warn!(key = %order.key, ?answer, "a submit did not go well");
    answer
}

async fn estimate(backend: &dyn Backend, contact: &Contact, order: &Order) -> Estimate {
    let launch = launch(order, contact, backend.reports());
    match timeout(CALL, backend.estimate(&launch)).await {
        Ok(Ok(Some(at))) => Estimate::Starts { at },
        Ok(Ok(None)) => Estimate::Unknown,
        Ok(Err(BackendError::Rejected { why, .. })) => Estimate::Refused { why },
        Ok(Err(error)) => {
            let job = order.key.job;
            tracing::warn!(%job, "cannot estimate a start: {}", chain(&error));
            Estimate::Unknown
        }
        Err(_) => Estimate::Unknown,
    }
}

/// What fails is tried again later: the next listing shows what is left.
fn tell(
    what: &str,
    key: SubmitKey,
    answer: Result<Result<(), BackendError>, tokio::time::error::Elapsed>,
) {
    match answer {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%key, "cannot {what} an allocation: {}", chain(&error)),
        Err(_) => tracing::warn!(%key, "cannot {what} an allocation: no answer"),
    }
}

async fn observe(
    (site, standing): (Site, Arc<Standing>),
    owner: mpsc::Sender<Message>,
    nudge: Arc<Notify>,
    mut closing: watch::Receiver<bool>,
) {
    let mut failures = 0_u32;
    loop {
        let begun = Instant::now();
        let listing = tokio::select! {
            listing = timeout(CALL, site.backend.observe()) => listing,
            _ = closing.wait_for(|is_closing| *is_closing) => return,
        };
        let trouble = match listing {
            Ok(Ok(listing)) => {
                if owner.send(Message::Observed(listing)).await.is_err() {
                    return;
                }
                None
            }
            Ok(Err(error)) => Some(chain(&error)),
            Err(_) => Some(format!("no answer within {} s", CALL.as_secs())),
        };
        failures = if trouble.is_some() { failures + 1 } else { 0 };
        if let Some(trouble) = &trouble {
            tracing::warn!(cluster = %site.backend.cluster(), failures, "cannot observe: {trouble}");
        }
        standing.set_trouble(trouble.unwrap_or_default());
        let (soonest, latest) = pauses(site.observe_every, failures);
        tokio::select! {
            () = sleep_until(begun + latest) => {}
            () = nudged(&nudge, begun + soonest) => {}
            _ = closing.wait_for(|is_closing| *is_closing) => return,
        }
    }
}

/// After something was done, and no sooner than `soonest`.
async fn nudged(nudge: &Notify, soonest: Instant) {
    nudge.notified().await;
    sleep_until(soonest).await;
}

/// From one observation to the next, with a nudge and without.
fn pauses(every: Duration, failures: u32) -> (Duration, Duration) {
    let longest = LONGEST_PAUSE.max(every);
    let latest = every.saturating_mul(1 << failures.min(16)).min(longest);
    match failures {
        0 => (every / 5, latest),
        _ => (latest, latest),
    }
}

#[cfg(test)]
mod tests;
