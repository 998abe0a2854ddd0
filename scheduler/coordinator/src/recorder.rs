//! Writes what agents tell besides facts: many reports in one transaction.
//!
//! Rules: a report is answered once all of it is durable, so that its agent may forget it. What waits
//! is bounded in bytes: beyond that agents are asked to come back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use schliff_backend::chain;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout_at};

use crate::journal::{Batch, Journal, JournalError, Lease};
use crate::metrics::Metrics;
use crate::refusal::Refusal;

/// What may wait, in bytes of reports.
const MOST_BYTES: usize = 64 << 20;
/// Reports that may wait.
const MOST_WAITING: usize = 4_096;
/// For further reports to come into the same transaction.
const GATHER: Duration = Duration::from_millis(100);
/// Rows of a transaction; with more it would keep facts waiting.
const MOST_ROWS: usize = 4_000;
/// Tries of a transaction.
const TRIES: u32 = 5;
/// An agent whose report does not fit comes back after this.
const PAUSE_MS: u32 = 1_000;

/// Where reports are handed in.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    queue: mpsc::Sender<Waiting>,
    bytes: Arc<Semaphore>,
}

#[derive(Debug)]
struct Waiting {
    batch: Batch,
    done: oneshot::Sender<bool>,
    _bytes: OwnedSemaphorePermit,
}

/// The task behind it.
pub(crate) struct Writer {
    queue: mpsc::Receiver<Waiting>,
    journal: Journal,
    lease: Arc<Lease>,
    metrics: Arc<Metrics>,
}

/// Both ends.
pub(crate) fn recorder(
    journal: Journal,
    lease: Arc<Lease>,
    metrics: Arc<Metrics>,
) -> (Recorder, Writer) {
    let (sender, queue) = mpsc::channel(MOST_WAITING);
    let bytes = Arc::new(Semaphore::new(MOST_BYTES));
    let recorder = Recorder {
        queue: sender,
        bytes,
    };
    let writer = Writer {
        queue,
        journal,
        lease,
        metrics,
    };
    (recorder, writer)
}

impl Recorder {
    /// Returns once the batch is durable.
    pub(crate) async fn record(&self, batch: Batch, bytes: usize) -> Result<(), Refusal> {
        let overload = || Refusal::overload("reports wait to be written", PAUSE_MS);
        let bytes = u32::try_from(bytes.clamp(1, MOST_BYTES)).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.bytes).try_acquire_many_owned(bytes);
        let (done, written) = oneshot::channel();
        let waiting = Waiting {
            batch,
            done,
            _bytes: permit.map_err(|_| overload())?,
        };
        self.queue.try_send(waiting).map_err(|_| overload())?;
        match written.await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Refusal::overload(
                "the journal does not take reports",
                PAUSE_MS,
            )),
            Err(_) => Err(Refusal::closing()),
        }
    }
}

impl Writer {
    /// Works until nobody can hand in reports any more.
    ///
    /// # Errors
    /// This coordinator does not lead any more.
    pub(crate) async fn run(mut self) -> Result<(), JournalError> {
        while let Some(first) = self.queue.recv().await {
            let (batch, waiting) = self.gather(first).await;
            let before = Instant::now();
            let is_written = self.write(&batch).await?;
            let seconds = before.elapsed().as_secs_f64();
            self.metrics.record_seconds.observe(seconds);
            for done in waiting {
                // The agent may have gone.
                let _ = done.send(is_written);
            }
        }
        Ok(())
    }

    async fn gather(&mut self, first: Waiting) -> (Batch, Vec<Ready>) {
        let until = tokio::time::Instant::now() + GATHER;
        let mut batch = Batch::default();
        let mut waiting = Vec::new();
        let mut next = Some(first);
        while let Some(one) = next {
            let rows = put(&mut batch, one, &mut waiting);
            next = match rows < MOST_ROWS {
                true => timeout_at(until, self.queue.recv()).await.ok().flatten(),
                false => None,
            };
        }
        (batch, waiting)
    }

    async fn write(&self, batch: &Batch) -> Result<bool, JournalError> {
        for attempt in 0..TRIES {
            match self.journal.record(&self.lease, batch).await {
                Ok(()) => return Ok(true),
                Err(error @ JournalError::Deposed { .. }) => return Err(error),
                Err(error) => {
                    tracing::warn!("{}", chain(&error));
                    sleep(Duration::from_millis(100 << attempt)).await;
                }
            }
        }
        Ok(false)
    }
}

type Ready = oneshot::Sender<bool>;

fn put(batch: &mut Batch, one: Waiting, waiting: &mut Vec<Ready>) -> usize {
    let more = one.batch;
    batch.points.extend(more.points);
    batch.evals.extend(more.evals);
    batch.checkpoints.extend(more.checkpoints);
    batch.lines.extend(more.lines);
    batch.taken.extend(more.taken);
    waiting.push(one.done);
    batch.points.len() + batch.evals.len() + batch.lines.len()
}
