//! The plan of a sum: all-to-all, the fixed tree, all-gather, in blocks.
//!
//! Each rank owns a share of the buffer. It sends block after block of every other share to its
//! owner, adds up what comes of its own, and sends the sums round. On every connection the order is
//! fixed: header, then in turn `t` block `t` of the scatter and block `t - LAG` of the gather. So a
//! block's sum leaves while it is still in the cache, and later blocks are on their way meanwhile.
//!
//! A sum may be received in place, over numbers that this rank had to send: the owner cannot have
//! the sum before it has these numbers.

use std::ops::Range;

use super::exchange::{Cause, Mesh, Plan};
use super::header::{self, Header};
use crate::tree;

/// Numbers in a block: small enough to stay in a core's cache, large enough for a system call.
const BLOCK: usize = 16 << 10;
/// Turns by which the gather follows the scatter.
const LAG: usize = 1;
/// Blocks of the scatter that can be under way: a peer is at most `2 * LAG` ahead.
const SLOTS: usize = 2 * LAG + 1;

/// What comes of the own share, kept from one sum to the next. By slot, then by rank.
#[derive(Default)]
pub(super) struct Scratch(Vec<f32>);

/// One sum.
pub(super) struct AllReduce<'a> {
    rank: usize,
    own: Header,
    header: [u8; header::BYTES],
    data: &'a mut [f32],
    scratch: &'a mut [f32],
    /// Numbers between two ranks' parts in a slot.
    stride: usize,
    blocks: usize,
    /// Blocks of the own share that are added up.
    summed: usize,
    lanes: Vec<Lane>,
}

/// One peer's side.
struct Lane {
    header: [u8; header::BYTES],
    out: Cursor,
    into: Cursor,
}

/// How far one direction of a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cursor {
    part: Part,
    /// Bytes of the part that are done.
    bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Header,
    Scatter(usize),
    Gather(usize),
    End,
}

impl Part {
    /// What follows in an exchange of that many blocks.
    fn next(self, blocks: usize) -> Self {
        let begin = |turn: usize| {
            let block = turn.saturating_sub(LAG);
            if turn < blocks {
                Self::Scatter(turn)
            } else if block < blocks {
                Self::Gather(block)
            } else {
                Self::End
            }
        };
        match self {
            Self::Header => begin(0),
            Self::Scatter(turn) if turn >= LAG => Self::Gather(turn - LAG),
            Self::Scatter(turn) => begin(turn + 1),
            Self::Gather(block) => begin(block + LAG + 1),
            Self::End => Self::End,
        }
    }

    /// Blocks of the scatter that come before this part.
    fn scattered(self, blocks: usize) -> usize {
        match self {
            Self::Header => 0,
            Self::Scatter(turn) => turn,
            Self::Gather(block) => (block + LAG + 1).min(blocks),
            Self::End => blocks,
        }
    }
}

impl Scratch {
    /// Room for that many numbers; it only grows.
    fn room(&mut self, numbers: usize) -> &mut [f32] {
        if self.0.len() < numbers {
            self.0.resize(numbers, 0.0);
        }
        &mut self.0[..numbers]
    }
}

impl<'a> AllReduce<'a> {
    pub(super) fn new(
        mesh: &Mesh,
        own: Header,
        data: &'a mut [f32],
        scratch: &'a mut Scratch,
    ) -> Self {
        let (rank, world_size) = (mesh.rank(), mesh.world_size());
        let longest = tree::longest_share(data.len(), world_size);
        let stride = longest.min(BLOCK);
        let lane = |peer| {
            let part = if peer == rank {
                Part::End
            } else {
                Part::Header
            };
            let cursor = Cursor { part, bytes: 0 };
            Lane {
                header: [0; header::BYTES],
                out: cursor,
                into: cursor,
            }
        };
        Self {
            rank,
            own,
            header: own.write(0),
            data,
            scratch: scratch.room(SLOTS * world_size * stride),
            stride,
            blocks: longest.div_ceil(BLOCK),
            summed: 0,
            lanes: (0..world_size).map(lane).collect(),
        }
    }

    /// Where a block of a rank's share lies in the buffer.
    fn block(&self, owner: usize, block: usize) -> Range<usize> {
        let share = tree::share(self.data.len(), self.lanes.len(), owner);
        let start = (share.start + block * BLOCK).min(share.end);
        start..(start + BLOCK).min(share.end)
    }

    /// Where a slot of the scratch lies that is taken by a block of the own share.
    fn slot(&self, block: usize) -> Range<usize> {
        let size = self.lanes.len() * self.stride;
        let start = block % SLOTS * size;
        start..start + size
    }

    /// Bytes of a part; `scattered` and `gathered` own the blocks of the two kinds.
    fn bytes(&self, part: Part, scattered: usize, gathered: usize) -> usize {
        let numbers = match part {
            Part::Header => return header::BYTES,
            Part::Scatter(block) => self.block(scattered, block).len(),
            Part::Gather(block) => self.block(gathered, block).len(),
            Part::End => 0,
        };
        numbers * size_of::<f32>()
    }

    /// The cursor after that many bytes more, past parts that are empty.
    fn advance(
        &self,
        cursor: Cursor,
        bytes: usize,
        (scattered, gathered): (usize, usize),
    ) -> Cursor {
        let mut cursor = Cursor {
            bytes: cursor.bytes + bytes,
            ..cursor
        };
        while cursor.part != Part::End
            && cursor.bytes == self.bytes(cursor.part, scattered, gathered)
        {
            cursor = Cursor {
                part: cursor.part.next(self.blocks),
                bytes: 0,
            };
        }
        cursor
    }

    /// Adds up the blocks for which every peer's part has come.
    fn add_up(&mut self) {
        let scattered = |lane: &Lane| lane.into.part.scattered(self.blocks);
        let complete = self.lanes.iter().map(scattered).min().unwrap_or(0);
        while self.summed < complete {
            let (own, slot) = (self.block(self.rank, self.summed), self.slot(self.summed));
            let parts = &mut self.scratch[slot];
            tree::add_up(&mut self.data[own], self.rank, parts, self.stride);
            self.summed += 1;
        }
    }
}

impl Plan for AllReduce<'_> {
    fn outgoing(&mut self, peer: usize) -> Option<&[u8]> {
        let Cursor { part, bytes } = self.lanes[peer].out;
        let numbers = match part {
            Part::Header => return Some(&self.header[bytes..]),
            Part::Scatter(block) => self.block(peer, block),
            Part::Gather(block) if block < self.summed => self.block(self.rank, block),
            Part::Gather(_) | Part::End => return None,
        };
        Some(&bytemuck::cast_slice(&self.data[numbers])[bytes..])
    }

    fn sent(&mut self, peer: usize, bytes: usize) {
        self.lanes[peer].out = self.advance(self.lanes[peer].out, bytes, (peer, self.rank));
    }

    fn incoming(&mut self, peer: usize) -> Option<&mut [u8]> {
        let Cursor { part, bytes } = self.lanes[peer].into;
        let numbers = match part {
            Part::Header => return Some(&mut self.lanes[peer].header[bytes..]),
            Part::Scatter(block) => {
                // Never so by the order of parts; it keeps an earlier block from being lost.
                if block >= self.summed + SLOTS {
                    return None;
                }
                let start = self.slot(block).start + peer * self.stride;
                let len = self.block(self.rank, block).len();
                &mut self.scratch[start..start + len]
            }
            Part::Gather(block) => {
                let place = self.block(peer, block);
                &mut self.data[place]
            }
            Part::End => return None,
        };
        Some(&mut bytemuck::cast_slice_mut(numbers)[bytes..])
    }

    fn received(&mut self, peer: usize, bytes: usize) -> Result<(), Cause> {
        let before = self.lanes[peer].into;
        let after = self.advance(before, bytes, (self.rank, peer));
        self.lanes[peer].into = after;
        if before.part == after.part {
            return Ok(());
        }
        if before.part == Part::Header {
            self.own.check(&self.lanes[peer].header)?;
        }
        self.add_up();
        Ok(())
    }

    fn is_done(&self) -> bool {
        let done = |lane: &Lane| lane.out.part == Part::End && lane.into.part == Part::End;
        self.lanes.iter().all(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(blocks: usize) -> Vec<Part> {
        let next = |part: &Part| Some(part.next(blocks)).filter(|part| *part != Part::End);
        std::iter::successors(Some(Part::Header), next).collect()
    }

    #[test]
    fn every_block_is_scattered_and_then_gathered_once() {
        for blocks in 0..8 {
            let order = order(blocks);
            assert_eq!(order.len(), 1 + 2 * blocks);
            let place = |part| order.iter().position(|own| *own == part).expect("there");
            for block in 0..blocks {
                let (scatter, gather) = (place(Part::Scatter(block)), place(Part::Gather(block)));
                assert!(scatter < gather);
                let ahead = order[..gather].iter();
                let ahead = ahead
                    .filter(|part| matches!(part, Part::Scatter(_)))
                    .count();
                assert_eq!(ahead, (block + LAG + 1).min(blocks));
            }
        }
    }

    #[test]
    fn blocks_scattered_before_a_part_are_counted() {
        for blocks in 0..8 {
            let mut scattered = 0;
            for part in order(blocks) {
                assert_eq!(part.scattered(blocks), scattered);
                scattered += usize::from(matches!(part, Part::Scatter(_)));
            }
            assert_eq!(Part::End.scattered(blocks), blocks);
        }
    }
}
