//! Commits snapshots on a thread of its own, so that a step never waits for a store.
//!
//! One snapshot is in flight and one waits; a newer one replaces the one that waits. A store that
//! fails delays checkpoints and nothing else: that is told once, the newest state is tried again with
//! growing waits, and a commit says that all is well again.

use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use schliff_spec::event::CheckpointNews;

use super::commit::{CommitError, commit};
use super::waiting::{BackOff, Content, Desk, Next, Offer, Standing};
use super::{Manifest, Snapshot, retention};
use crate::store::yield_to_computation;
use crate::{JobDigest, Store, StoreError};

/// How a [`Writer`] works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriterSettings {
    /// Newest good checkpoints that stay; at least 1.
    pub keep: usize,
    /// Generation of this attempt.
    pub generation: u64,
    /// Waits between tries while the store fails.
    pub back_off: BackOff,
}

/// How [`Writer::flush`] ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// All that was offered last is in the store.
    All {
        /// The newest step there; none where nothing was offered.
        committed: Option<u64>,
    },
    /// The newest state is not in the store.
    Missing {
        /// Its step.
        step: u64,
        /// The newest step that is there.
        committed: Option<u64>,
        /// Why.
        reason: String,
    },
}

/// Commits snapshots in the background.
///
/// Dropping it lets the commit at work end, and gives up what waits: call [`Writer::flush`] before.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    desk: Mutex<Desk>,
    changed: Condvar,
}

impl Writer {
    /// Starts the thread. `report` is called on it; it should be quick.
    ///
    /// The store is first asked at the first commit, so that one that is down for the moment does
    /// not keep training from starting.
    pub fn start(
        store: &Store,
        settings: WriterSettings,
        report: impl FnMut(CheckpointNews) + Send + 'static,
    ) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared {
            desk: Mutex::new(Desk::new(settings.back_off)),
            changed: Condvar::new(),
        });
        let worker = Worker {
            store: store.clone(),
            settings,
            report,
            shared: Arc::clone(&shared),
            good: None,
        };
        let thread = std::thread::Builder::new()
            .name("checkpoints".into())
            .spawn(move || worker.work())
            .map_err(StoreError::Threads)?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Hands a snapshot over; never waits for the store.
    pub fn offer(&self, snapshot: Snapshot) {
        self.take(snapshot.step, Content::Made(Box::new(snapshot)));
    }

    /// Hands over what makes the snapshot of `step`: called on the writer's thread, and only if that
    /// state comes to be written before a newer one takes its place.
    pub fn offer_draft(
        &self,
        step: u64,
        make: impl FnOnce() -> Result<Snapshot, String> + Send + 'static,
    ) {
        self.take(step, Content::Draft(Box::new(make)));
    }

    fn take(&self, step: u64, content: Content) {
        let at = Instant::now();
        let replaced = self.shared.lock().offer(Offer { step, content, at });
        self.shared.changed.notify_all();
        // Outside the lock: freeing much memory takes a moment.
        drop(replaced);
    }

    /// Waits until the newest snapshot is in the store, or says that it is not.
    pub fn flush(&self, limit: Duration) -> Flushed {
        let until = Instant::now() + limit;
        let mut desk = self.shared.lock();
        desk.hurry();
        self.shared.changed.notify_all();
        loop {
            let committed = desk.newest_committed();
            let (step, reason) = match desk.standing() {
                Standing::AllDone => return Flushed::All { committed },
                Standing::Refused { step, reason } => (step, reason),
                Standing::Open { step, trouble } => {
                    let left = until.saturating_duration_since(Instant::now());
                    if !left.is_zero() {
                        desk = self.shared.wait(desk, left);
                        continue;
                    }
                    let late = || format!("not done within {} s", limit.as_secs_f64());
                    (step, trouble.unwrap_or_else(late))
                }
            };
            return Flushed::Missing {
                step,
                committed,
                reason,
            };
        }
    }

    /// The newest step that this writer has committed.
    pub fn committed(&self) -> Option<u64> {
        self.shared.lock().newest_committed()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.lock().close();
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic on that thread was printed there; there is nobody here to tell.
            thread.join().ok();
        }
    }
}

impl Shared {
    /// The desk is whole between any two of its calls, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, desk: MutexGuard<'a, Desk>, limit: Duration) -> MutexGuard<'a, Desk> {
        let waited = self.changed.wait_timeout(desk, limit);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// The thread's side.
struct Worker<R> {
    store: Store,
    settings: WriterSettings,
    report: R,
    shared: Arc<Shared>,
    /// Steps of this job in the store that are good; known after the first look.
    good: Option<BTreeSet<u64>>,
}

impl<R: FnMut(CheckpointNews)> Worker<R> {
    fn work(mut self) {
        yield_to_computation();
        while let Some(offer) = self.next() {
            self.attempt(offer);
            self.shared.changed.notify_all();
        }
    }

    fn next(&self) -> Option<Offer> {
        let mut desk = self.shared.lock();
        loop {
            match desk.next(Instant::now()) {
                Next::Commit(offer) => return Some(offer),
                Next::End => return None,
                Next::Wait(Some(limit)) => desk = self.shared.wait(desk, limit),
                Next::Wait(None) => {
                    let woken = self.shared.changed.wait(desk);
                    desk = woken.unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    fn attempt(&mut self, offer: Offer) {
        let Offer { step, content, at } = offer;
        let snapshot = match content.make() {
            Ok(snapshot) => snapshot,
            Err(reason) => {
                return self.give_up(step, format!("step {step} cannot be written: {reason}"));
            }
        };
        let job = snapshot.job;
        let manifest = Manifest::of(&snapshot, self.settings.generation, unix_ms());
        let bytes = manifest.bytes();
        match self.commit(&snapshot, manifest) {
            Ok(()) => {
                let latency_ms = u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
                // Its memory may be wanted for the next state while old ones are removed.
                drop(snapshot);
                // Told before it counts: whoever waits for the commit finds its news sent.
                (self.report)(CheckpointNews::Committed {
                    step: in_memory(step),
                    bytes,
                    latency_ms,
                });
                self.shared.lock().committed(step);
                // Old checkpoints that could not be removed are removed after the next commit.
                self.tidy(job, step).ok();
            }
            Err(CommitError::Store(error)) => {
                let reason = error.in_words();
                let content = Content::Made(snapshot);
                let offer = Offer { step, content, at };
                let now = Instant::now();
                let is_news = self.shared.lock().failed(offer, reason.clone(), now);
                if is_news {
                    self.delayed(step, reason);
                }
            }
            Err(final_error) => self.give_up(step, final_error.to_string()),
        }
    }

    /// A state that cannot be committed, now or later.
    fn give_up(&mut self, step: u64, reason: String) {
        self.delayed(step, reason.clone());
        self.shared.lock().refused(step, reason);
    }

    fn commit(&self, snapshot: &Snapshot, manifest: Manifest) -> Result<(), CommitError> {
        let (store, snapshot) = (self.store.clone(), snapshot.clone());
        self.store
            .wait(async move { commit(&store, &snapshot, &manifest).await })?
    }

    fn delayed(&mut self, step: u64, reason: String) {
        let committed = self.shared.lock().newest_committed().map(in_memory);
        (self.report)(CheckpointNews::Delayed {
            step: in_memory(step),
            committed,
            reason,
        });
    }

    /// Removes what is surplus now that `step` is committed.
    fn tidy(&mut self, job: JobDigest, step: u64) -> Result<(), StoreError> {
        let (store, keep) = (self.store.clone(), self.settings.keep);
        let known = self.good.take();
        let good = self.store.wait(async move {
            let is_first = known.is_none();
            let mut good = match known {
                Some(known) => known,
                None => retention::good_steps(&store, &job).await?,
            };
            good.insert(step);
            let surplus = retention::surplus(&good, keep);
            for old in &surplus {
                retention::remove_one(&store, &job, *old).await?;
                good.remove(old);
            }
            if let Some(oldest) = good.first().filter(|_| is_first) {
                retention::sweep(&store, &job, *oldest).await?;
            }
            Ok::<_, StoreError>(good)
        })??;
        self.good = Some(good);
        Ok(())
    }
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

fn in_memory(step: u64) -> usize {
    usize::try_from(step).unwrap_or(usize::MAX)
}
