//! One spool file on its way: what to read next, what to send next, what to mark. Pure.
//!
//! Rules: a file of which nothing is taken is left alone for a while, and that is told once.

use schliff_wire::v1::News;

use super::cursor::{Cursor, Fed};
use super::source::{Got, Listed, Want};
use crate::report::ledger::BATCH_NEWS;

/// So much of a file is read at a time; more where a single record has more.
const READ_BYTES: u64 = 1 << 20;
const MOST_READ_BYTES: u64 = 64 << 20;
/// A file with more news than these waiting is not read on.
const MOST_WAITING: usize = 4 * BATCH_NEWS;
/// What is refused is offered again so much later.
const AGAIN_MS: u64 = 300_000;

/// What to do about a batch that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Send less at a time.
    Less,
    /// The one that is refused was emptied.
    Blanked,
    /// Even nothing is refused.
    Whole,
}

/// One file.
#[derive(Debug)]
pub(super) struct Track {
    cursor: Cursor,
    /// What its mark says.
    marked: u64,
    /// Its mark was read.
    is_begun: bool,
    /// There was more than was read.
    has_more: bool,
    read_bytes: u64,
    /// Most news of a batch; fewer after one was refused.
    most: usize,
    refused_until_ms: Option<u64>,
    told: Option<String>,
}

impl Default for Track {
    fn default() -> Self {
        Self {
            cursor: Cursor::new(0),
            marked: 0,
            is_begun: false,
            has_more: false,
            read_bytes: READ_BYTES,
            most: BATCH_NEWS,
            refused_until_ms: None,
            told: None,
        }
    }
}

impl Track {
    /// What to read of the file, if anything.
    pub(super) fn want(&self, listed: Listed, is_thorough: bool, now_ms: u64) -> Option<Want> {
        let is_left_alone = self.refused_until_ms.is_some_and(|until| now_ms < until);
        let is_again = self.is_refused() || self.has_more;
        let is_new = listed.bytes != self.cursor.at() || is_thorough || is_again;
        let has_room = self.cursor.waiting() <= MOST_WAITING;
        (is_new && has_room && !is_left_alone).then_some(Want {
            file: listed.file,
            from: self.cursor.at(),
            most: self.read_bytes,
        })
    }

    /// Takes over what was read.
    pub(super) fn read(&mut self, got: &Got) {
        self.refused_until_ms = None;
        if !std::mem::replace(&mut self.is_begun, true) {
            self.marked = got.taken.unwrap_or(0);
            self.cursor.answered(self.marked);
        }
        let is_full = got.bytes.len() as u64 >= got.want.most;
        match self.cursor.feed(&got.head, &got.bytes) {
            Fed::Replaced => self.has_more = true,
            Fed::Some => {
                self.has_more = is_full;
                self.read_bytes = READ_BYTES;
            }
            Fed::Nothing if is_full && self.read_bytes < MOST_READ_BYTES => {
                self.has_more = true;
                self.read_bytes *= 2;
            }
            Fed::Nothing => self.has_more = false,
        }
    }

    /// The next news to send.
    pub(super) fn batch(&self) -> Option<(u64, Vec<News>)> {
        self.cursor.batch(self.most)
    }

    /// The node that writes the file.
    pub(super) fn node_name(&self) -> &str {
        self.cursor.node_name()
    }

    /// News that wait to be sent.
    pub(super) fn waiting(&self) -> usize {
        self.cursor.waiting()
    }

    /// All up to `taken` were taken. Says whether that is news.
    pub(super) fn answered(&mut self, taken: u64) -> bool {
        self.most = (self.most * 2).clamp(2, BATCH_NEWS);
        self.told = None;
        self.cursor.answered(taken)
    }

    /// A batch of `count` news is refused.
    pub(super) fn is_too_much(&mut self, count: usize) -> Refusal {
        if count > 1 {
            self.most = count / 2;
            return Refusal::Less;
        }
        match self.cursor.blank_oldest() {
            true => Refusal::Blanked,
            false => Refusal::Whole,
        }
    }

    /// Nothing of it is taken for now. Gives what people should know of that, once.
    pub(super) fn refuse(&mut self, text: String, now_ms: u64) -> Option<String> {
        self.refused_until_ms = Some(now_ms + AGAIN_MS);
        let is_told = self.told.as_ref() == Some(&text);
        self.told = Some(text.clone());
        (!is_told).then_some(text)
    }

    /// Nothing of it is taken for now.
    pub(super) fn is_refused(&self) -> bool {
        self.refused_until_ms.is_some()
    }

    /// More is to be read, or to be sent.
    pub(super) fn is_unfinished(&self) -> bool {
        !self.is_refused() && (self.has_more || self.cursor.waiting() > 0)
    }

    /// What its mark should say, where that is something else.
    pub(super) fn unmarked(&self) -> Option<u64> {
        let taken = self.cursor.taken();
        (taken > self.marked).then_some(taken)
    }

    /// Its mark says so.
    pub(super) fn marked(&mut self, taken: u64) {
        self.marked = self.marked.max(taken);
    }
}
