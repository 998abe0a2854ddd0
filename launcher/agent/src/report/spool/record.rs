//! The form of a spool file. Pure.
//!
//! Rules: a file begins with [`MAGIC`]; records follow, each its length, a check sum and a body whose
//! first byte says what it is. The first record names the file by a number of its own, so that who
//! reads it piece by piece notices when another one took its place; the second says how many news
//! were taken before the first of this file. Each piece of news has one sequence more than the one
//! before. Absent on purpose: files.

/// How a file begins.
pub(crate) const MAGIC: &[u8] = b"schliff spool 1\n";
/// Length and check sum of a record.
const HEAD_BYTES: usize = 8;

/// The first byte of a record's body.
const NEWS: u8 = 1;
const BEATS: u8 = 2;
const TAKEN: u8 = 3;
const FILE: u8 = 4;

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record<'a> {
    /// News, encoded.
    News(&'a [u8]),
    /// A sign of life, without content.
    Beats,
    /// All up to this were taken.
    Taken(u64),
    /// The file's own number, and the node that writes it.
    File {
        /// No other file has it.
        id: u64,
        /// The node's name.
        node_name: &'a str,
    },
}

impl Record<'_> {
    /// Its bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut record = vec![0; HEAD_BYTES];
        match self {
            Self::News(news) => {
                record.push(NEWS);
                record.extend_from_slice(news);
            }
            Self::Beats => record.push(BEATS),
            Self::Taken(taken) => {
                record.push(TAKEN);
                record.extend_from_slice(&taken.to_le_bytes());
            }
            Self::File { id, node_name } => {
                record.push(FILE);
                record.extend_from_slice(&id.to_le_bytes());
                record.extend_from_slice(node_name.as_bytes());
            }
        }
        let (head, body) = record.split_at_mut(HEAD_BYTES);
        head[..4].copy_from_slice(&(body.len() as u32).to_le_bytes());
        head[4..].copy_from_slice(&check_sum(body).to_le_bytes());
        record
    }
}

/// The record that `bytes` begin with, and its length; nothing where it is not whole, or none.
pub(crate) fn record_at(bytes: &[u8]) -> Option<(Record<'_>, usize)> {
    let (head, rest) = bytes.split_at_checked(HEAD_BYTES)?;
    let (length, sum) = head.split_at(4);
    let body = rest.get(..u32::from_le_bytes(length.try_into().ok()?) as usize)?;
    if check_sum(body).to_le_bytes() != sum {
        return None;
    }
    let number = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).ok();
    let record = match body.split_first()? {
        (&NEWS, news) => Record::News(news),
        (&BEATS, []) => Record::Beats,
        (&TAKEN, taken) => Record::Taken(number(taken)?),
        (&FILE, content) => {
            let (id, node_name) = content.split_at_checked(8)?;
            Record::File {
                id: number(id)?,
                node_name: str::from_utf8(node_name).ok()?,
            }
        }
        _ => return None,
    };
    Some((record, HEAD_BYTES + body.len()))
}

/// FNV-1a: tells a torn record from a whole one, and nobody who wants to deceive.
fn check_sum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, &byte| {
        (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn records_read_back_and_torn_ones_do_not() {
        let file = Record::File {
            id: u64::MAX - 1,
            node_name: "jwb0001",
        };
        for record in [Record::News(b"abc"), Record::Beats, Record::Taken(7), file] {
            let bytes = record.encode();
            assert_eq!(record_at(&bytes), Some((record, bytes.len())));
            for cut in 0..bytes.len() {
                assert_eq!(record_at(&bytes[..cut]), None);
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Some((_, length)) = record_at(&bytes) {
                prop_assert!(length <= bytes.len());
            }
        }
    }
}
