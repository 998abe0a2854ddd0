//! News that the coordinator has not taken yet, in the order of their sequence. Pure.
//!
//! Rules: LE-1 a sequence that may have been sent stands for the same news for ever, in later lives
//! of the agent, too: nothing within one batch of the oldest is ever removed. LE-2 too much is made
//! less by the oldest lines, then the oldest steps and remarks; facts stay. LE-3 signs of life have
//! a sequence like all news, and no lasting content: at most one waits, and it is filled when it is
//! sent. LE-4 where the coordinator has taken more than this agent ever had, an earlier life's
//! ledger is lost, and what waits is counted on from there.

use std::collections::VecDeque;

use prost::Message;
use schliff_wire::v1::news::Body;
use schliff_wire::v1::{Lines, News};

/// Most news of one batch.
pub(crate) const BATCH_NEWS: usize = 256;
/// Most bytes of one batch, unless a single piece of news has more.
pub(crate) const BATCH_BYTES: usize = 512 << 10;
/// What an entry takes besides its news.
const ENTRY_BYTES: usize = 48;

/// How dear a piece of news is, and how soon it is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Never dropped, sent at once.
    Fact,
    /// Steps and remarks.
    Course,
    /// Lines for people.
    Lines,
    /// Signs of life with their content.
    Beats,
}

impl Kind {
    /// How dear this is.
    pub(crate) fn of(news: &News) -> Self {
        match news.body {
            Some(Body::Lines(_)) => Self::Lines,
            Some(Body::Step(_) | Body::Remark(_)) => Self::Course,
            Some(Body::Beats(_)) => Self::Beats,
            _ => Self::Fact,
        }
    }
}

/// One piece of news that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// News, encoded.
    News {
        /// Its bytes.
        bytes: Vec<u8>,
        /// How dear it is.
        kind: Kind,
    },
    /// A sign of life.
    Beats,
}

impl Entry {
    /// News as an entry.
    pub(crate) fn of(news: &News) -> Self {
        Self::News {
            bytes: news.encode_to_vec(),
            kind: Kind::of(news),
        }
    }

    /// News that were encoded; nothing where they cannot be read.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let news = News::decode(bytes).ok()?;
        Some(Self::of(&news))
    }

    fn bytes(&self) -> usize {
        match self {
            Self::News { bytes, .. } => bytes.len() + ENTRY_BYTES,
            Self::Beats => ENTRY_BYTES,
        }
    }
}

/// News with the sequence of the first.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Batch {
    pub(super) first: u64,
    pub(super) news: Vec<News>,
}

/// What an answer of the coordinator came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Some of what waited was taken.
    Taken,
    /// Nothing new.
    Nothing,
    /// All that waits has other sequences now: see LE-4.
    CountOn,
}

/// What waits.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// All up to this were taken.
    taken: u64,
    entries: VecDeque<Entry>,
    bytes: usize,
    /// The highest sequence that this or an earlier life may have sent.
    known: u64,
    /// Nothing beyond this is sent before the first answer: see LE-4.
    probe: Option<u64>,
}

impl Ledger {
    /// Goes on with what an earlier life left: what was taken, and what waits.
    pub(crate) fn new(taken: u64, entries: impl IntoIterator<Item = Entry>) -> Self {
        let entries: VecDeque<_> = entries.into_iter().collect();
        let known = taken + entries.len() as u64;
        Self {
            taken,
            bytes: entries.iter().map(Entry::bytes).sum(),
            entries,
            known,
            probe: Some(known.max(taken + 1)),
        }
    }

    /// Adds an entry at the end.
    pub(crate) fn push(&mut self, entry: Entry) {
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
    }

    /// A sign of life waits.
    pub(crate) fn has_beats(&self) -> bool {
        let is_beats = |entry: &Entry| match entry {
            Entry::News { kind, .. } => *kind == Kind::Beats,
            Entry::Beats => true,
        };
        self.entries.iter().any(is_beats)
    }

    /// The next batch to send, at most `most` news of it; `beats` fills the sign of life.
    pub(crate) fn batch(&mut self, most: usize, beats: impl Fn() -> News) -> Option<Batch> {
        let probe = self
            .probe
            .map(|last| last.saturating_sub(self.taken).max(1));
        let most = most.min(probe.map_or(BATCH_NEWS, |probe| probe as usize));
        let (mut news, mut bytes) = (Vec::new(), 0);
        for entry in self.entries.iter().take(most.clamp(1, BATCH_NEWS)) {
            bytes += entry.bytes();
            if !news.is_empty() && bytes > BATCH_BYTES {
                break;
            }
            news.push(match entry {
                // What this program encoded is read again; an empty piece of news keeps the count.
                Entry::News { bytes, .. } => News::decode(bytes.as_slice()).unwrap_or_default(),
                Entry::Beats => beats(),
            });
        }
        let first = self.taken + 1;
        self.known = self.known.max(self.taken + news.len() as u64);
        (!news.is_empty()).then_some(Batch { first, news })
    }

    /// The coordinator has taken all up to `taken`.
    pub(crate) fn answered(&mut self, taken: u64) -> Answer {
        self.probe = None;
        let before = self.taken;
        if taken > self.known {
            (self.taken, self.known) = (taken, taken);
            return Answer::CountOn;
        }
        while self.taken < taken
            && let Some(entry) = self.entries.pop_front()
        {
            self.bytes -= entry.bytes();
            self.taken += 1;
        }
        match self.taken > before {
            true => Answer::Taken,
            false => Answer::Nothing,
        }
    }

    /// Somebody else may have sent all that waits.
    pub(crate) fn all_shown(&mut self) {
        self.known = self.known.max(self.taken + self.entries.len() as u64);
    }

    /// The oldest is refused: something empty takes its place. False where it was empty already.
    pub(crate) fn blank_oldest(&mut self) -> bool {
        let blank = Entry::of(&lines_dropped(0, 0));
        match self.entries.front_mut() {
            Some(entry) if *entry != blank => {
                self.bytes = self.bytes - entry.bytes() + blank.bytes();
                *entry = blank;
                true
            }
            _ => false,
        }
    }

    /// Drops the oldest lines, and then steps and remarks, where more than `most_bytes` wait. Says
    /// whether anything was dropped.
    pub(crate) fn shed(&mut self, most_bytes: usize, now_ms: i64) -> bool {
        if self.bytes <= most_bytes {
            return false;
        }
        let before = self.entries.len();
        // Some more than needed, so that this is rare.
        let goal = most_bytes / 4 * 3;
        for kind in [Kind::Lines, Kind::Course] {
            self.shed_kind(kind, goal, now_ms);
        }
        self.entries.len() < before
    }

    fn shed_kind(&mut self, shed: Kind, goal: usize, now_ms: i64) {
        let mut dropped = 0;
        let mut kept = VecDeque::with_capacity(self.entries.len());
        let mut place = None;
        for (at, entry) in std::mem::take(&mut self.entries).into_iter().enumerate() {
            match &entry {
                Entry::News { bytes, kind }
                    if *kind == shed && at >= BATCH_NEWS && self.bytes > goal =>
                {
                    self.bytes -= entry.bytes();
                    dropped += lines_in(bytes);
                    place.get_or_insert(kept.len());
                }
                _ => kept.push_back(entry),
            }
        }
        if let Some(place) = place.filter(|_| dropped > 0) {
            let told = Entry::of(&lines_dropped(dropped, now_ms));
            self.bytes += told.bytes();
            kept.insert(place, told);
        }
        self.entries = kept;
    }

    /// All up to this were taken.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// What waits, the oldest first.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// How much waits: news, and bytes.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        (self.entries.len(), self.bytes)
    }

    /// Facts are among the next batch.
    pub(crate) fn is_urgent(&self) -> bool {
        let is_fact = |entry: &Entry| {
            matches!(
                entry,
                Entry::News {
                    kind: Kind::Fact,
                    ..
                }
            )
        };
        self.entries.iter().take(BATCH_NEWS).any(is_fact)
    }
}

/// So many lines are missing here.
pub(crate) fn lines_dropped(dropped: u64, at_ms: i64) -> News {
    let lines = Vec::new();
    let body = Some(Body::Lines(Lines { lines, dropped }));
    News { at_ms, body }
}

/// Lines in a piece of news, those that it lacks included.
pub(crate) fn lines_of(news: &News) -> u64 {
    match &news.body {
        Some(Body::Lines(lines)) => lines.dropped + lines.lines.len() as u64,
        _ => 0,
    }
}

fn lines_in(bytes: &[u8]) -> u64 {
    News::decode(bytes).map_or(0, |news| lines_of(&news))
}

#[cfg(test)]
mod tests;
