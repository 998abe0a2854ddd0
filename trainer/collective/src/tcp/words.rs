//! What a rank says to its peers before it closes its connections: the first cause.

use std::fmt;

use super::exchange::{Cause, Fault};

/// Longest text, in bytes; longer ones are cut.
const MOST_TEXT_BYTES: usize = 1024;
/// Bytes before the text: kind, rank, waited, length.
const FIXED_BYTES: usize = 1 + 4 + 8 + 2;

/// The first cause of a broken group, as it goes over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LastWords {
    kind: Kind,
    /// The rank that left, is lost, or did not answer.
    rank: usize,
    waited_ms: u64,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Left = 1,
    Lost = 2,
    TimedOut = 3,
}

impl LastWords {
    /// A rank leaves by its own wish.
    pub(super) fn left(rank: usize, reason: &str) -> Self {
        Self {
            kind: Kind::Left,
            rank,
            waited_ms: 0,
            text: cut(reason).to_owned(),
        }
    }

    /// What is to be said about a fault.
    pub(super) fn of(fault: &Fault) -> Self {
        let rank = fault.rank;
        match &fault.cause {
            Cause::Left(reason) => Self::left(rank, reason),
            Cause::OutOfStep { told, own } => {
                let reason = format!("it is at {told}, another rank is at {own}");
                Self::left(rank, &reason)
            }
            Cause::Lost(error) => Self {
                kind: Kind::Lost,
                ..Self::left(rank, &error.to_string())
            },
            Cause::TimedOut { waited_ms } => Self {
                kind: Kind::TimedOut,
                waited_ms: *waited_ms,
                ..Self::left(rank, "")
            },
        }
    }

    /// The fault that a peer's words are to the rank that hears them.
    pub(super) fn into_fault(self) -> Fault {
        let cause = match self.kind {
            Kind::Left => Cause::Left(self.text),
            Kind::Lost => Cause::Lost(std::io::Error::other(self.text)),
            Kind::TimedOut => Cause::TimedOut {
                waited_ms: self.waited_ms,
            },
        };
        Fault {
            rank: self.rank,
            cause,
        }
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let text = cut(&self.text).as_bytes();
        let mut bytes = Vec::with_capacity(FIXED_BYTES + text.len());
        bytes.push(self.kind as u8);
        // Ranks and lengths are far below these types' ends; a number cut off would only misname.
        bytes.extend_from_slice(&u32::try_from(self.rank).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(&self.waited_ms.to_le_bytes());
        bytes.extend_from_slice(&u16::try_from(text.len()).unwrap_or(0).to_le_bytes());
        bytes.extend_from_slice(text);
        bytes
    }

    /// The words in what a peer sent so far, once they are whole.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (&kind, rest) = bytes.split_first()?;
        let kind = match kind {
            2 => Kind::Lost,
            3 => Kind::TimedOut,
            _ => Kind::Left,
        };
        let (rank, rest) = rest.split_first_chunk()?;
        let (waited_ms, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let text = rest.get(..u16::from_le_bytes(*length).into())?;
        Some(Self {
            kind,
            rank: u32::from_le_bytes(*rank) as usize,
            waited_ms: u64::from_le_bytes(*waited_ms),
            text: String::from_utf8_lossy(text).into_owned(),
        })
    }
}

impl fmt::Display for LastWords {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rank, text) = (self.rank, &self.text);
        match self.kind {
            Kind::Left => write!(formatter, "rank {rank} left it: {text}"),
            Kind::Lost => write!(formatter, "rank {rank} was lost: {text}"),
            Kind::TimedOut => write!(
                formatter,
                "rank {rank} did not answer within {} ms",
                self.waited_ms
            ),
        }
    }
}

/// The text, cut at a character where it is too long.
fn cut(text: &str) -> &str {
    let end = (0..=MOST_TEXT_BYTES.min(text.len())).rev();
    let end = end.into_iter().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_were_written_and_not_before_they_are_whole() {
        let causes = [
            Cause::Left("ende: \u{fc}".into()),
            Cause::Lost(std::io::Error::other("reset")),
            Cause::TimedOut { waited_ms: 1 << 40 },
        ];
        for cause in causes {
            let words = LastWords::of(&Fault { rank: 7, cause });
            let bytes = words.write();
            for cut in 0..bytes.len() {
                assert_eq!(LastWords::read(&bytes[..cut]), None);
            }
            assert_eq!(LastWords::read(&bytes), Some(words));
        }
    }

    #[test]
    fn long_words_are_cut_at_a_character() {
        let words = LastWords::left(0, &"\u{fc}".repeat(MOST_TEXT_BYTES));
        let read = LastWords::read(&words.write()).expect("whole");
        assert_eq!(read.text, "\u{fc}".repeat(MOST_TEXT_BYTES / 2));
    }
}
