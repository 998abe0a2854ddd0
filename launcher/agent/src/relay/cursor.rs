//! How far a spool file was read, and what of it waits to be sent. Pure.
//!
//! Rules: CU-1 only whole records count; what follows is looked at again. CU-2 a file that took
//! another one's place has another number, and is read from its beginning. CU-3 each piece of news has
//! the sequence that its place in the file gives it; those that were taken are passed over.

use std::collections::VecDeque;

use prost::Message;
use schliff_wire::v1::News;

use crate::report::ledger::{BATCH_BYTES, BATCH_NEWS, lines_dropped};
use crate::report::spool::record::{MAGIC, Record, record_at};

/// What reading came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fed {
    /// Records were read.
    Some,
    /// No record is whole.
    Nothing,
    /// Another file is there now.
    Replaced,
}

/// One file.
#[derive(Debug)]
pub(super) struct Cursor {
    id: Option<u64>,
    node_name: String,
    at: u64,
    /// Sequence of the next piece of news in the file.
    next: u64,
    waiting: VecDeque<(u64, News)>,
    /// All up to this were taken.
    taken: u64,
}

impl Cursor {
    /// Nothing was read yet of a file of which all up to `taken` was taken.
    pub(super) fn new(taken: u64) -> Self {
        Self {
            id: None,
            node_name: String::new(),
            at: 0,
            next: 1,
            waiting: VecDeque::new(),
            taken,
        }
    }

    /// So many bytes were read.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// All up to this were taken.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// The node that writes the file.
    pub(super) fn node_name(&self) -> &str {
        &self.node_name
    }

    /// News that were read and not taken.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Takes over what was read: the file's beginning, and bytes that begin at [`Cursor::at`].
    pub(super) fn feed(&mut self, head: &[u8], bytes: &[u8]) -> Fed {
        let Some((id, node_name)) = identity(head) else {
            return Fed::Nothing;
        };
        if self.id != Some(id) {
            let began = self.at > 0;
            *self = Self {
                id: Some(id),
                node_name: node_name.to_owned(),
                ..Self::new(self.taken)
            };
            if began {
                return Fed::Replaced;
            }
        }
        let mut rest = bytes;
        if self.at == 0 {
            let Some(after) = rest.strip_prefix(MAGIC) else {
                return Fed::Nothing;
            };
            rest = after;
        }
        while let Some((record, length)) = record_at(rest) {
            self.note(record);
            rest = &rest[length..];
        }
        let read = bytes.len() - rest.len();
        self.at += read as u64;
        if read > 0 { Fed::Some } else { Fed::Nothing }
    }

    fn note(&mut self, record: Record<'_>) {
        let news = match record {
            Record::File { .. } => return,
            Record::Taken(taken) => {
                self.next = self.next.max(taken + 1);
                return;
            }
            // What cannot be read, or has no content, keeps its sequence all the same.
            Record::News(bytes) => News::decode(bytes).unwrap_or_else(|_| blank()),
            Record::Beats => blank(),
        };
        if self.next > self.taken {
            self.waiting.push_back((self.next, news));
        }
        self.next += 1;
    }

    /// The next news to send, at most `most`, and the sequence of the first.
    pub(super) fn batch(&self, most: usize) -> Option<(u64, Vec<News>)> {
        let first = self.waiting.front()?.0;
        let (mut news, mut bytes) = (Vec::new(), 0);
        let in_a_row = (first..).zip(&self.waiting);
        for (expected, (sequence, next)) in in_a_row.take(most.clamp(1, BATCH_NEWS)) {
            bytes += next.encoded_len();
            if *sequence != expected || (!news.is_empty() && bytes > BATCH_BYTES) {
                break;
            }
            news.push(next.clone());
        }
        Some((first, news))
    }

    /// All up to `taken` were taken. Says whether that is news.
    pub(super) fn answered(&mut self, taken: u64) -> bool {
        while self.waiting.front().is_some_and(|(it, _)| *it <= taken) {
            self.waiting.pop_front();
        }
        let is_news = taken > self.taken;
        self.taken = self.taken.max(taken);
        is_news
    }

    /// The oldest is refused: something empty takes its place. False where it was empty already.
    pub(super) fn blank_oldest(&mut self) -> bool {
        match self.waiting.front_mut() {
            Some((_, news)) if *news != blank() => {
                *news = blank();
                true
            }
            _ => false,
        }
    }
}

/// The number and the node of a file that begins so.
fn identity(head: &[u8]) -> Option<(u64, &str)> {
    match record_at(head.strip_prefix(MAGIC)?)?.0 {
        Record::File { id, node_name } => Some((id, node_name)),
        _ => None,
    }
}

fn blank() -> News {
    lines_dropped(0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(id: u64, taken: u64, texts: &[i64]) -> Vec<u8> {
        let node_name = "n0";
        let mut bytes = MAGIC.to_vec();
        bytes.extend(Record::File { id, node_name }.encode());
        bytes.extend(Record::Taken(taken).encode());
        for at_ms in texts {
            let (at_ms, body) = (*at_ms, None);
            let news = News { at_ms, body }.encode_to_vec();
            bytes.extend(Record::News(&news).encode());
        }
        bytes
    }

    fn held(cursor: &Cursor) -> Vec<(u64, i64)> {
        let waiting = cursor.waiting.iter();
        waiting.map(|(it, news)| (*it, news.at_ms)).collect()
    }

    #[test]
    fn a_growing_file_is_read_on_and_torn_records_wait() {
        let whole = file(1, 4, &[15, 16, 17]);
        for cut in 0..=whole.len() {
            let mut cursor = Cursor::new(5);
            let fed = cursor.feed(&whole[..cut], &whole[..cut]);
            assert_eq!(fed == Fed::Some, cursor.at() > 0);
            let rest = &whole[cursor.at() as usize..];
            cursor.feed(&whole, rest);
            assert_eq!(held(&cursor), [(6, 16), (7, 17)], "5 was taken before");
            assert_eq!(cursor.node_name(), "n0");
            assert_eq!(cursor.feed(&whole, b""), Fed::Nothing);
        }
    }

    #[test]
    fn a_file_in_anothers_place_is_read_from_its_beginning() {
        let (one, other) = (file(1, 0, &[1, 2, 3]), file(2, 2, &[3, 4]));
        let mut cursor = Cursor::new(0);
        assert_eq!(cursor.feed(&one, &one), Fed::Some);
        assert!(cursor.answered(1));
        assert_eq!(cursor.feed(&other, b"middle of it"), Fed::Replaced);
        assert_eq!((cursor.at(), cursor.waiting()), (0, 0));
        assert_eq!(cursor.feed(&other, &other), Fed::Some);
        assert_eq!(held(&cursor), [(3, 3), (4, 4)]);
    }

    #[test]
    fn batches_are_bounded_and_in_a_row() {
        let mut bytes = file(1, 0, &[1, 2]);
        bytes.extend(Record::Taken(10).encode());
        bytes.extend(Record::Beats.encode());
        let mut cursor = Cursor::new(0);
        cursor.feed(&bytes, &bytes);
        let (first, news) = cursor.batch(100).expect("a batch");
        assert_eq!((first, news.len()), (1, 2));
        assert_eq!(cursor.batch(1).expect("a batch").1.len(), 1);
        assert!(cursor.answered(2) && !cursor.answered(2));
        assert_eq!(cursor.batch(100), Some((11, vec![blank()])));
        assert!(!cursor.blank_oldest());
        assert!(cursor.answered(500));
        assert_eq!((cursor.batch(100), cursor.taken()), (None, 500));
    }
}
