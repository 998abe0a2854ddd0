//! The one task that owns the state.
//!
//! Rules: what is told becomes facts, facts change the state and are written to the journal in one
//! transaction a batch; only then is anybody answered or anything done. Readers wait for a commit that
//! is under way, so that they never see what may be lost. Where the journal cannot be written the
//! owner ends: the state is ahead of it. Everything that waits is bounded.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use schliff_backend::chain;
use schliff_page::Change;
use schliff_scheduler::action::{Action, Observed, SubmitTry};
use schliff_scheduler::allocation::{Estimate, Listing, StopHow, SubmitAnswer};
use schliff_scheduler::fact::{Fact, What};
use schliff_scheduler::input::{Command, Input};
use schliff_scheduler::rejection::Rejection;
use schliff_scheduler::{State, decide, looks, reconcile};
use schliff_spec::id::{ClusterName, JobId, SubmitKey};
use tokio::sync::{Notify, broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::clock::now;
use crate::edge::submit::choose_out;
use crate::journal::{Journal, JournalError, Lease};
use crate::memory::Memory;
use crate::metrics::Metrics;

/// Messages that wait, at most.
pub(crate) const INBOX: usize = 4_096;
/// Messages of one batch, at most: so long may a commit become.
const BATCH: usize = 512;
/// Between two looks at the queue where nothing happens.
const TICK: Duration = Duration::from_millis(200);
/// Between two looks at the queue where much happens, at least.
const NUDGE: Duration = Duration::from_millis(20);
/// No more than a share of one in so many of the time goes into looks.
const LOOK_SHARE: u32 = 4;
/// Facts between two snapshots.
const SNAPSHOT_FACTS: u64 = 50_000;

/// What readers see.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    pub(crate) state: tokio::sync::RwLock<State>,
    pub(crate) memory: RwLock<Memory>,
}

/// What the owner is told.
#[derive(Debug)]
pub(crate) enum Message {
    /// Somebody wants or tells something, and waits for the answer.
    Told {
        input: Input,
        reply: oneshot::Sender<Result<Taken, Rejection>>,
    },
    /// A cluster told of everything of ours.
    Observed(Listing),
    /// A cluster was asked when it would start a job.
    Estimated {
        job: JobId,
        cluster: ClusterName,
        estimate: Estimate,
    },
    /// An action was tried.
    Tried { key: SubmitKey, tried: Tried },
}

/// How an action went.
#[derive(Clone, Debug)]
pub(crate) enum Tried {
    Submitted(SubmitAnswer),
    Stopped(StopHow),
    Forgotten(ClusterName),
}

/// Something was taken, and what came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// The first job that it made.
    pub(crate) job: Option<JobId>,
}

/// The way to the task of a cluster.
pub(crate) struct Line {
    pub(crate) actions: mpsc::Sender<Action>,
    /// Wakes it for a look before its turn.
    pub(crate) nudge: Arc<Notify>,
}

/// The owner.
pub(crate) struct Owner {
    pub(crate) desk: Arc<Desk>,
    pub(crate) journal: Journal,
    pub(crate) lease: Arc<Lease>,
    pub(crate) next_seq: u64,
    pub(crate) inbox: mpsc::Receiver<Message>,
    pub(crate) sites: BTreeMap<ClusterName, Line>,
    pub(crate) observed: Observed,
    pub(crate) changes: broadcast::Sender<Change>,
    pub(crate) runs: PathBuf,
    pub(crate) metrics: Arc<Metrics>,
}

type Reply = (
    oneshot::Sender<Result<Taken, Rejection>>,
    Result<Taken, Rejection>,
);

/// What one batch comes to.
#[derive(Default)]
struct Turn {
    facts: Vec<Fact>,
    replies: Vec<Reply>,
}

impl Owner {
    /// Works until `closing` says so.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub(crate) async fn run(
        mut self,
        mut closing: watch::Receiver<bool>,
    ) -> Result<(), JournalError> {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut next_look = Instant::now();
        let mut snapshot_at = self.next_seq + SNAPSHOT_FACTS;
        let mut snapshot = None;
        loop {
            let mut batch = Vec::new();
            tokio::select! {
                count = self.inbox.recv_many(&mut batch, BATCH) => if count == 0 { break },
                _ = tick.tick() => {}
                _ = closing.wait_for(|is_closing| *is_closing) => break,
            }
            self.metrics.inbox.set(self.inbox.len() as i64);
            let begun = Instant::now();
            let is_look = batch.is_empty() || begun >= next_look;
            self.turn(batch, is_look).await?;
            if is_look {
                let pause = begun
                    .elapsed()
                    .saturating_mul(LOOK_SHARE)
                    .clamp(NUDGE, TICK);
                next_look = Instant::now() + pause;
            }
            if self.next_seq >= snapshot_at {
                snapshot_at = self.next_seq + SNAPSHOT_FACTS;
                snapshot = Some(self.snapshot().await);
            }
        }
        // Those who have been let in are answered.
        self.inbox.close();
        let mut batch = Vec::new();
        while self.inbox.recv_many(&mut batch, BATCH).await > 0 {
            let batch = std::mem::take(&mut batch);
            self.turn(batch, false).await?;
        }
        // Nothing may be written any more once the lease is given back.
        for last in snapshot.into_iter().chain([self.snapshot().await]) {
            let _ = last.await;
        }
        Ok(())
    }

    async fn turn(&mut self, batch: Vec<Message>, is_look: bool) -> Result<(), JournalError> {
        let desk = Arc::clone(&self.desk);
        let mut state = desk.state.write().await;
        let mut turn = Turn::default();
        for message in batch {
            self.take(&mut state, message, &mut turn);
        }
        if is_look && let Ok(facts) = decide(&state, now(), Input::Tick) {
            put(&mut state, facts, &mut turn);
        }
        self.commit(&turn.facts).await?;
        let actions = match is_look && self.lease.is_held() {
            true => reconcile(&state, &self.observed, now()),
            false => Vec::new(),
        };
        if is_look {
            self.nudge(&looks(&state, now()));
        }
        drop(state);
        for (reply, answer) in turn.replies {
            // Who asked may have gone.
            let _ = reply.send(answer);
        }
        self.publish(&turn.facts);
        self.hand_out(actions);
        Ok(())
    }

    fn take(&mut self, state: &mut State, message: Message, turn: &mut Turn) {
        let now = now();
        match message {
            Message::Told { mut input, reply } => {
                if let Input::Command(Command::Submit(submission)) = &mut input {
                    choose_out(submission, &self.runs, state.next_job());
                }
                let answer = decide(state, now, input).map(|facts| {
                    let job = facts.iter().find_map(made);
                    put(state, facts, turn);
                    Taken { job }
                });
                turn.replies.push((reply, answer));
            }
            Message::Observed(listing) => {
                if let Ok(facts) = decide(state, now, Input::Observed(listing.clone())) {
                    put(state, facts, turn);
                }
                self.observe(state, listing);
            }
            Message::Estimated {
                job,
                cluster,
                estimate,
            } => {
                self.observed.asked.remove(&(job, cluster.clone()));
                let input = Input::Estimated {
                    job,
                    cluster,
                    estimate,
                };
                if let Ok(facts) = decide(state, now, input) {
                    put(state, facts, turn);
                }
            }
            Message::Tried { key, tried } => self.tried(state, key, tried, turn),
        }
    }

    fn observe(&mut self, state: &State, listing: Listing) {
        let cluster = listing.cluster.clone();
        let _ = self.changes.send(Change::Clusters);
        self.observed.listings.insert(cluster, Arc::new(listing));
        let Observed {
            listings,
            in_flight,
            tries,
            ..
        } = &mut self.observed;
        // What was tried of attempts that are over and gone is worth nothing any more.
        let is_live = |key: &SubmitKey| {
            let job = state.jobs.get(&key.job);
            job.and_then(|job| job.live())
                .is_some_and(|it| it.generation == key.generation)
        };
        let is_listed = |key: &SubmitKey| {
            let mut listings = listings.values();
            listings.any(|it| {
                it.allocations
                    .iter()
                    .any(|allocation| allocation.key == *key)
            })
        };
        tries.retain(|key, _| is_live(key) || in_flight.contains(key) || is_listed(key));
    }

    fn tried(&mut self, state: &mut State, key: SubmitKey, tried: Tried, turn: &mut Turn) {
        let now = now();
        self.observed.in_flight.remove(&key);
        let before = self.observed.tries.entry(key).or_default();
        match tried {
            Tried::Submitted(answer) => {
                before.submit = Some(SubmitTry {
                    ended_at: now,
                    is_unknown: matches!(answer, SubmitAnswer::Unknown { .. }),
                    count: before.submit.map_or(0, |last| last.count).saturating_add(1),
                });
                if let Ok(facts) = decide(state, now, Input::Answered { key, answer }) {
                    put(state, facts, turn);
                }
            }
            Tried::Stopped(StopHow::Gently) => before.gentle_at = Some(now),
            Tried::Stopped(StopHow::Now) => before.now_at = Some(now),
            Tried::Forgotten(cluster) => {
                if let Some(listing) = self.observed.listings.get_mut(&cluster) {
                    let listing = Arc::make_mut(listing);
                    listing
                        .allocations
                        .retain(|allocation| allocation.key != key);
                }
            }
        }
    }

    async fn commit(&mut self, facts: &[Fact]) -> Result<(), JournalError> {
        if !facts.iter().any(Fact::is_kept) {
            return Ok(());
        }
        let before = Instant::now();
        let next_seq = self
            .journal
            .append(&self.lease, self.next_seq, facts)
            .await?;
        self.metrics.facts.inc_by(next_seq - self.next_seq);
        let seconds = before.elapsed().as_secs_f64();
        self.metrics.commit_seconds.observe(seconds);
        self.next_seq = next_seq;
        Ok(())
    }

    /// Tells those who look at jobs that something has changed.
    fn publish(&self, facts: &[Fact]) {
        let mut last = None;
        for fact in facts {
            let job = fact.job();
            if matches!(fact.what, What::Finished { .. })
                && let Some(job) = job
            {
                let memory = self.desk.memory.write();
                memory.unwrap_or_else(PoisonError::into_inner).end(job);
            }
            if let Some(job) = job.filter(|job| last != Some(*job)) {
                // Nobody may be looking.
                let _ = self.changes.send(Change::Job { job: job.0 });
                last = Some(job);
            }
        }
    }

    /// Hands actions to their clusters. What does not fit is decided again.
    fn hand_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            let (cluster, key) = place(&action);
            let cluster = cluster.clone();
            let is_question = matches!(action, Action::Estimate(_));
            let line = self.sites.get(&cluster);
            if line.is_none_or(|line| line.actions.try_send(action).is_err()) {
                continue;
            }
            match is_question {
                true => self.observed.asked.insert((key.job, cluster)),
                false => self.observed.in_flight.insert(key),
            };
        }
    }

    fn nudge(&self, clusters: &BTreeSet<&ClusterName>) {
        let lines = clusters
            .iter()
            .filter_map(|cluster| self.sites.get(*cluster));
        lines.for_each(|line| line.nudge.notify_one());
    }

    /// Makes the next start fast. That it fails is no harm: the facts are there.
    async fn snapshot(&self) -> JoinHandle<()> {
        let state = self.desk.state.read().await.clone();
        let (journal, lease) = (self.journal.clone(), Arc::clone(&self.lease));
        let next_seq = self.next_seq;
        tokio::spawn(async move {
            if let Err(error) = journal.snapshot(&lease, state, next_seq).await {
                tracing::warn!("{}", chain(&error));
            }
        })
    }
}

fn put(state: &mut State, facts: Vec<Fact>, turn: &mut Turn) {
    for fact in &facts {
        state.apply(fact);
    }
    turn.facts.extend(facts);
}

fn made(fact: &Fact) -> Option<JobId> {
    match &fact.what {
        What::Submitted { job, .. } => Some(*job),
        _ => None,
    }
}

fn place(action: &Action) -> (&ClusterName, SubmitKey) {
    match action {
        Action::Submit(order) | Action::Estimate(order) => (&order.cluster, order.key),
        Action::Stop { cluster, key, .. } | Action::Forget { cluster, key, .. } => (cluster, *key),
    }
}
