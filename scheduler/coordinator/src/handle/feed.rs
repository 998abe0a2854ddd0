//! Streams of views and lines.
//!
//! Rules: little is kept for a reader. One that does not take it in time is dropped and told so; what
//! it missed is in the journal. A stream looks again at most five times a second.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use schliff_page::Change;
use schliff_spec::id::JobId;
use schliff_wire::v1::{JobView, LogChunk, LogsRequest, Phase};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::mpsc::{self, error::SendTimeoutError};
use tokio::time::{sleep, timeout};
use tonic::Status;

use super::Handle;
use super::ask::MOST_LINES;
use crate::refusal::{Refusal, RefusalKind};

/// Items that wait for a reader.
const WAITING: usize = 4;
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);
/// A look is due though no change was told of.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// What a reader gets.
pub(crate) struct Feed<T> {
    items: mpsc::Receiver<T>,
    /// Why it ends, where not because all is told.
    end: Arc<OnceLock<Refusal>>,
    is_over: bool,
}

impl<T> Stream for Feed<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        match self.items.poll_recv(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(item)) => Poll::Ready(Some(Ok(item))),
            Poll::Ready(None) => {
                self.is_over = true;
                let end = self.end.get().cloned();
                Poll::Ready(end.map(|refusal| Err(refusal.into())))
            }
        }
    }
}

/// Where a stream is fed.
struct Reader<T> {
    handle: Handle,
    items: mpsc::Sender<T>,
    end: Arc<OnceLock<Refusal>>,
    changes: broadcast::Receiver<Change>,
    job: u64,
    _permit: OwnedSemaphorePermit,
}

/// The stream is over.
struct Over;

impl Handle {
    /// A job's view whenever it changes, until it has ended.
    pub(crate) async fn watch(&self, job: u64) -> Result<Feed<JobView>, Refusal> {
        self.must_exist(job).await?;
        let (mut reader, feed) = self.reader(job)?;
        tokio::spawn(async move {
            let _ = reader.watch().await;
        });
        Ok(feed)
    }

    /// A job's lines, on until it has ended where they are followed.
    pub(crate) async fn follow(&self, request: LogsRequest) -> Result<Feed<LogChunk>, Refusal> {
        self.must_exist(request.job).await?;
        let (mut reader, feed) = self.reader(request.job)?;
        tokio::spawn(async move {
            let _ = reader.logs(request).await;
        });
        Ok(feed)
    }

    fn reader<T>(&self, job: u64) -> Result<(Reader<T>, Feed<T>), Refusal> {
        let permit = Arc::clone(&self.shared.streams).try_acquire_owned();
        let permit = permit.map_err(|_| Refusal::overload("too many streams are open", 1_000))?;
        let (items, receiver) = mpsc::channel(WAITING);
        let end = Arc::new(OnceLock::new());
        let reader = Reader {
            handle: self.clone(),
            items,
            end: Arc::clone(&end),
            changes: self.changes(),
            job,
            _permit: permit,
        };
        let feed = Feed {
            items: receiver,
            end,
            is_over: false,
        };
        Ok((reader, feed))
    }
}

impl<T> Reader<T> {
    async fn put(&self, item: T) -> Result<(), Over> {
        let shared = &self.handle.shared;
        match self
            .items
            .send_timeout(item, shared.limits.slow_reader)
            .await
        {
            Ok(()) => Ok(()),
            Err(SendTimeoutError::Closed(_)) => Err(Over),
            Err(SendTimeoutError::Timeout(_)) => {
                shared.metrics.dropped_readers.inc();
                let text = "what was told was not read in time";
                let refusal = Refusal::new(RefusalKind::Overload, "slow-reader", text);
                Err(self.over(refusal))
            }
        }
    }

    fn over(&self, refusal: Refusal) -> Over {
        // Only the first reason counts.
        let _ = self.end.set(refusal);
        Over
    }

    /// Waits for a change of the job.
    async fn changed(&mut self) -> Result<(), Over> {
        let Self {
            items,
            changes,
            job,
            handle,
            ..
        } = self;
        let mut closing = handle.shared.closing.subscribe();
        let change = async {
            loop {
                match changes.recv().await {
                    Ok(Change::Job { job: other }) if other == *job => return,
                    Ok(Change::Closing) | Err(RecvError::Lagged(_) | RecvError::Closed) => return,
                    Ok(_) => {}
                }
            }
        };
        let is_closing = tokio::select! {
            () = items.closed() => return Err(Over),
            is_closing = closing.wait_for(|is_closing| *is_closing) => is_closing.is_ok(),
            _ = timeout(LOOK_AGAIN, change) => false,
        };
        if is_closing {
            return Err(self.over(Refusal::closing()));
        }
        sleep(PAUSE).await;
        Ok(())
    }

    async fn is_done(&self) -> Result<bool, Over> {
        let is_done = self.handle.look(|look| {
            let job = look.state.jobs.get(&JobId(self.job))?;
            Some(job.outcome().is_some())
        });
        let is_done = is_done.await.and_then(|is_done| {
            // A job that was there stays.
            is_done.ok_or_else(|| Refusal::no_job(self.job))
        });
        is_done.map_err(|refusal| self.over(refusal))
    }
}

impl Reader<JobView> {
    async fn watch(&mut self) -> Result<(), Over> {
        let mut last = None;
        loop {
            let view = self.handle.get(self.job).await;
            let view = view.map_err(|refusal| self.over(refusal))?;
            let is_done = view.phase() == Phase::Done;
            if last.as_ref() != Some(&view) {
                last = Some(view.clone());
                self.put(view).await?;
            }
            if is_done {
                return Ok(());
            }
            self.changed().await?;
        }
    }
}

impl Reader<LogChunk> {
    async fn logs(&mut self, mut request: LogsRequest) -> Result<(), Over> {
        let begun = self.handle.begin_at(&mut request).await;
        begun.map_err(|refusal| self.over(refusal))?;
        loop {
            // Asked first: what comes in before the end is then surely among the lines.
            let is_last = !request.follow || self.is_done().await?;
            self.all(&mut request).await?;
            if is_last {
                return Ok(());
            }
            self.changed().await?;
        }
    }

    async fn all(&self, request: &mut LogsRequest) -> Result<(), Over> {
        loop {
            let lines = self.handle.lines(request).await;
            let (chunk, next) = lines.map_err(|refusal| self.over(refusal))?;
            let is_more = chunk.lines.len() >= MOST_LINES as usize && request.tail == 0;
            (request.after, request.tail) = (next, 0);
            if !chunk.lines.is_empty() {
                self.put(chunk).await?;
            }
            if !is_more {
                return Ok(());
            }
        }
    }
}
