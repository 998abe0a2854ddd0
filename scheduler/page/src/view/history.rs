//! A job's entries of the journal.

use askama::Template;
use schliff_wire::v1::{HistoryReply, JobView};

use crate::show::time::Moment;
use crate::view::frame::Frame;

/// Entries that a job's own page shows, the newest ones.
const LATEST: usize = 8;

/// The page of all of them.
#[derive(Template)]
#[template(path = "history.html")]
pub(crate) struct HistoryPage {
    pub(crate) frame: Frame,
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) entries: Vec<Entry>,
}

impl HistoryPage {
    pub(crate) fn of(frame: Frame, job: &JobView, reply: &HistoryReply, now_ms: i64) -> Self {
        Self {
            frame,
            id: job.id,
            name: job.name.clone(),
            entries: entries(reply, now_ms).collect(),
        }
    }
}

/// The newest ones.
#[derive(Template)]
#[template(path = "job_history.html")]
pub(crate) struct Latest {
    id: u64,
    entries: Vec<Entry>,
    more: usize,
}

impl Latest {
    pub(crate) fn of(job: u64, reply: &HistoryReply, now_ms: i64) -> Self {
        Self {
            id: job,
            entries: entries(reply, now_ms).take(LATEST).collect(),
            more: reply.entries.len().saturating_sub(LATEST),
        }
    }
}

/// One fact.
pub(crate) struct Entry {
    sequence: u64,
    at: Moment,
    kind: String,
    text: String,
    json: String,
}

/// The newest first.
fn entries(reply: &HistoryReply, now_ms: i64) -> impl Iterator<Item = Entry> {
    reply.entries.iter().rev().map(move |entry| Entry {
        sequence: entry.sequence,
        at: Moment {
            at_ms: entry.at_ms,
            now_ms,
        },
        kind: entry.kind.clone(),
        text: entry.text.clone(),
        json: entry.fact_json.clone(),
    })
}
