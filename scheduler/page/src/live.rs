//! Server-sent events: what keeps an open page up to date.
//!
//! Rules: a stream looks at most twice a second, and only after a change or when times have grown
//! stale; it sends the parts of the page whose text differs from what it sent last. Points and lines
//! are sent once: an event's id says how far (`STEP.LINE`), and a browser that comes back goes on
//! from there. A stream ends when the coordinator does.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use schliff_wire::v1::SeriesRequest;
use serde_json::{Map, Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, broadcast};
use tokio::time::{Instant, sleep_until, timeout};

use crate::gather;
use crate::query::{LinesQuery, ListQuery, MOST_LINES};
use crate::source::{Change, Refusal, Source};
use crate::view::Part;
use crate::view::job::{JobParts, Known};
use crate::view::jobs;
use crate::view::lines::Lines;

/// Shortest time between two looks.
const PAUSE: Duration = Duration::from_millis(500);
/// Longest time without a look: what is told of times is stale then.
const STALE: Duration = Duration::from_secs(10);
/// Points in one event.
const POINTS: u32 = 1000;

/// What an open page shows.
pub(crate) enum Watched {
    /// The list.
    Jobs(ListQuery),
    /// A job.
    Job {
        job: u64,
        may_change: bool,
        lines: LinesQuery,
    },
    /// A job's lines and nothing else.
    Lines { job: u64, lines: LinesQuery },
    /// All clusters.
    Clusters,
}

/// How far the page's curves and lines are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) step: u64,
    /// Step of the last evaluation; an event's id is without it, so that one who comes back is told all.
    pub(crate) eval: u64,
    pub(crate) line: u64,
}

impl Seen {
    /// Where a page that has been away goes on; a new one says by its address what it has.
    pub(crate) fn resumed(headers: &HeaderMap, lines: &LinesQuery) -> Self {
        let (step, line) = lines.seen();
        let last = headers.get("last-event-id");
        let last = last.and_then(|value| value.to_str().ok());
        let eval = 0;
        last.and_then(Self::parse)
            .unwrap_or(Self { step, eval, line })
    }

    /// From an event's id.
    fn parse(id: &str) -> Option<Self> {
        let (step, line) = id.split_once('.')?;
        Some(Self {
            step: step.parse().ok()?,
            eval: 0,
            line: line.parse().ok()?,
        })
    }

    fn id(self) -> String {
        format!("{}.{}", self.step, self.line)
    }
}

impl Watched {
    fn is_about(&self, change: Change) -> bool {
        match (self, change) {
            (Self::Job { job, .. } | Self::Lines { job, .. }, Change::Job { job: changed }) => {
                *job == changed
            }
            (Self::Jobs(_), Change::Job { .. }) | (Self::Clusters, Change::Clusters) => true,
            _ => false,
        }
    }
}

/// The answer that keeps a page up to date for as long as it is open.
pub(crate) fn stream(
    source: Arc<dyn Source>,
    watched: Watched,
    seen: Seen,
    permit: OwnedSemaphorePermit,
) -> Response {
    let live = Live {
        // Before the first look, so that nothing falls between the two.
        changes: source.changes(),
        source,
        watched,
        seen,
        sent: Vec::new(),
        known: None,
        events: VecDeque::new(),
        looked: None,
        is_behind: false,
        is_over: false,
        _permit: permit,
    };
    let events = stream::unfold(live, |mut live| async move {
        let event = live.next().await?;
        Some((Ok::<_, Infallible>(event), live))
    });
    Sse::new(events)
        .keep_alive(KeepAlive::default())
        .into_response()
}

/// A stream's state.
struct Live {
    source: Arc<dyn Source>,
    watched: Watched,
    changes: Receiver<Change>,
    seen: Seen,
    sent: Vec<Part>,
    /// What the last look at a job has found.
    known: Option<Known>,
    events: VecDeque<Event>,
    looked: Option<Instant>,
    /// There is more to be told than one answer held.
    is_behind: bool,
    is_over: bool,
    _permit: OwnedSemaphorePermit,
}

impl Live {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if self.is_over || !self.is_due().await {
                return None;
            }
            self.looked = Some(Instant::now());
            if let Err(refusal) = self.look().await {
                self.is_over = true;
                let text = json!({ "code": refusal.code, "text": refusal.text });
                self.push("refused", &text);
            }
        }
    }

    /// Waits until it is time to look again; false where the coordinator ends.
    async fn is_due(&mut self) -> bool {
        let Some(looked) = self.looked else {
            return true;
        };
        if !self.is_behind && timeout(STALE, self.changed()).await == Ok(false) {
            return false;
        }
        sleep_until(looked + PAUSE).await;
        // What has come meanwhile is seen by the look that follows.
        loop {
            match self.changes.try_recv() {
                Ok(Change::Closing) | Err(broadcast::error::TryRecvError::Closed) => return false,
                Ok(_) | Err(broadcast::error::TryRecvError::Lagged(_)) => {}
                Err(broadcast::error::TryRecvError::Empty) => return true,
            }
        }
    }

    /// Waits for a change of what is watched; false where the coordinator ends.
    async fn changed(&mut self) -> bool {
        loop {
            match self.changes.recv().await {
                Ok(Change::Closing) | Err(RecvError::Closed) => return false,
                Err(RecvError::Lagged(_)) => return true,
                Ok(change) if self.watched.is_about(change) || self.is_of_a_trial(change) => {
                    return true;
                }
                Ok(_) => {}
            }
        }
    }

    /// A sweep's page shows its trials too.
    fn is_of_a_trial(&self, change: Change) -> bool {
        let trials = self.known.as_ref().map(|known| &known.job.children);
        match (change, trials) {
            (Change::Job { job }, Some(trials)) => trials.contains(&job),
            _ => false,
        }
    }

    async fn look(&mut self) -> Result<(), Refusal> {
        let source = Arc::clone(&self.source);
        let parts = match &self.watched {
            Watched::Jobs(query) => {
                let (notice, chips, list) = gather::jobs(&*source, query).await?;
                jobs::rendered(&chips, &list, &notice)?
            }
            Watched::Clusters => gather::clusters(&*source).await?.rendered()?,
            Watched::Lines { .. } => Vec::new(),
            Watched::Job {
                job, may_change, ..
            } => {
                let kept = self.known.take();
                let known = gather::known(&*source, *job, *may_change, kept).await?;
                let parts = JobParts::of(&known).rendered()?;
                self.known = Some(known);
                parts
            }
        };
        match &self.watched {
            // A sweep trains and writes nothing itself.
            Watched::Job { .. } if self.known.as_ref().is_some_and(|known| known.job.sweep) => {}
            Watched::Job { job, lines, .. } => {
                let (job, lines) = (*job, lines.clone());
                self.look_at_points(job).await?;
                self.look_at_lines(job, &lines).await?;
            }
            Watched::Lines { job, lines } => {
                let (job, lines) = (*job, lines.clone());
                self.look_at_lines(job, &lines).await?;
            }
            Watched::Jobs(_) | Watched::Clusters => {}
        }
        self.send_parts(parts);
        Ok(())
    }

    /// Sends those parts that differ from what was sent.
    fn send_parts(&mut self, parts: Vec<Part>) {
        let news: Map<String, Value> = parts
            .iter()
            .filter(|part| !self.sent.contains(part))
            .map(|(id, text)| ((*id).to_owned(), Value::from(text.as_str())))
            .collect();
        self.sent = parts;
        if !news.is_empty() {
            self.push("parts", &Value::Object(news));
        }
    }

    async fn look_at_points(&mut self, job: u64) -> Result<(), Refusal> {
        let ask = SeriesRequest {
            job,
            points: POINTS,
            after_step: self.seen.step,
        };
        let series = self.source.series(ask).await?;
        // Apart: an evaluation may be known before the steps up to it, or after the last one.
        let step = series.steps.iter().map(|point| point.step).max();
        let eval = series.evals.iter().map(|point| point.step).max();
        let before = (self.seen.step, self.seen.eval);
        self.seen.step = before.0.max(step.unwrap_or(0));
        self.seen.eval = before.1.max(eval.unwrap_or(0));
        if (self.seen.step, self.seen.eval) != before {
            self.push("series", &json!(series));
        }
        Ok(())
    }

    async fn look_at_lines(&mut self, job: u64, lines: &LinesQuery) -> Result<(), Refusal> {
        let ask = lines.ask(job, self.seen.line);
        let chunk = self.source.logs(ask).await?;
        self.is_behind = chunk.lines.len() >= MOST_LINES as usize;
        let Some(last) = chunk.lines.last() else {
            return Ok(());
        };
        self.seen.line = last.position;
        let html = Lines::of(&chunk.lines).rendered()?;
        self.push("lines", &json!({ "html": html }));
        Ok(())
    }

    fn push(&mut self, kind: &str, data: &Value) {
        let event = Event::default().event(kind).id(self.seen.id());
        self.events.push_back(event.data(data.to_string()));
    }
}
