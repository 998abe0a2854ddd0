//! What every operation begins with on every connection.

use std::fmt;

use super::exchange::Cause;

/// Bytes of a header on the wire: four numbers.
pub(super) const BYTES: usize = 32;

/// An operation, with what all ranks must agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    AllReduce { len: usize },
    AllGather,
    Broadcast { root: usize },
}

/// An operation and its number in the group's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) operation: Operation,
    pub(super) sequence: u64,
}

impl Operation {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::AllReduce { .. } => "all_reduce",
            Self::AllGather => "all_gather",
            Self::Broadcast { .. } => "broadcast",
        }
    }

    /// Its number on the wire, and what goes with it.
    const fn code(self) -> (u64, u64) {
        match self {
            Self::AllReduce { len } => (1, len as u64),
            Self::AllGather => (2, 0),
            Self::Broadcast { root } => (3, root as u64),
        }
    }
}

impl Header {
    /// The header, followed by `bytes` of a parcel.
    pub(super) fn write(self, bytes: usize) -> [u8; BYTES] {
        let (code, detail) = self.operation.code();
        let mut header = [0; BYTES];
        let numbers = [code, self.sequence, detail, bytes as u64];
        for (place, number) in header.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        header
    }

    /// The bytes of the parcel that follows a peer's header, if it is at the same operation.
    pub(super) fn check(self, peers: &[u8; BYTES]) -> Result<usize, Cause> {
        let own = || self.to_string();
        match Self::read(peers) {
            Some((header, bytes)) if header == self => Ok(bytes),
            Some((header, _)) => Err(Cause::OutOfStep {
                told: header.to_string(),
                own: own(),
            }),
            None => Err(Cause::OutOfStep {
                told: "something that is no operation".into(),
                own: own(),
            }),
        }
    }

    /// A peer's header and the bytes of its parcel, if it is one.
    fn read(header: &[u8; BYTES]) -> Option<(Self, usize)> {
        let number = |at: usize| {
            let bytes = header.get(8 * at..8 * at + 8)?.try_into().ok()?;
            Some(u64::from_le_bytes(bytes))
        };
        let detail = usize::try_from(number(2)?).ok()?;
        let operation = match number(0)? {
            1 => Operation::AllReduce { len: detail },
            2 => Operation::AllGather,
            3 => Operation::Broadcast { root: detail },
            _ => return None,
        };
        let sequence = number(1)?;
        let bytes = usize::try_from(number(3)?).ok()?;
        Some((
            Self {
                operation,
                sequence,
            },
            bytes,
        ))
    }
}

impl fmt::Display for Header {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, sequence) = (self.operation.name(), self.sequence);
        write!(formatter, "operation {sequence}, {name}")?;
        match self.operation {
            Operation::AllReduce { len } => write!(formatter, " of {len} numbers"),
            Operation::AllGather => Ok(()),
            Operation::Broadcast { root } => write!(formatter, " from rank {root}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let operations = [
            Operation::AllReduce { len: 123 },
            Operation::AllGather,
            Operation::Broadcast { root: 3 },
        ];
        for operation in operations {
            let header = Header {
                operation,
                sequence: 77,
            };
            assert_eq!(Header::read(&header.write(9)), Some((header, 9)));
        }
        assert_eq!(Header::read(&[0; BYTES]), None);
    }
}
