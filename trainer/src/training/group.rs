//! This rank among those that train together: sums, counts and decisions that all of them share.
//!
//! Rules: what every rank must know equally goes through here; nothing that steers a run is
//! decided by one rank's clock or signals alone. One rank by itself pays nothing.

use schliff_collective::{Collective, CollectiveError, NOTHING, Solo};

use super::tree::fold_ranks;
use crate::process::interrupt::Wish;

/// Summed loss and gradient of some leaves.
pub(crate) type LossAndGradient = (f64, Vec<f32>);

/// A rank's membership.
pub(crate) struct Group {
    collective: Box<dyn Collective>,
}

impl Group {
    /// One rank by itself.
    pub(crate) fn alone() -> Self {
        Self::new(Box::new(Solo))
    }

    pub(crate) fn new(collective: Box<dyn Collective>) -> Self {
        Self { collective }
    }

    pub(crate) fn rank(&self) -> usize {
        self.collective.rank()
    }

    pub(crate) fn world_size(&self) -> usize {
        self.collective.world_size()
    }

    /// Rank 0 writes the result and the checkpoints.
    pub(crate) fn leads(&self) -> bool {
        self.rank() == 0
    }

    /// The sum over ranks of losses and gradients of `len` elements; `None` is a rank without
    /// leaves, and adds nothing.
    pub(crate) fn sum(
        &mut self,
        part: Option<LossAndGradient>,
        len: usize,
    ) -> Result<LossAndGradient, CollectiveError> {
        let (loss, mut gradient) = part.unwrap_or_else(|| (-0.0, vec![NOTHING; len]));
        if self.world_size() == 1 {
            return Ok((loss, gradient));
        }
        self.collective.all_reduce(&mut gradient)?;
        let losses = self.gather([loss.to_bits()])?;
        let losses = losses.into_iter().map(|[bits]| f64::from_bits(bits));
        let loss = fold_ranks(losses.collect(), |a, b| a + b);
        Ok((loss.unwrap_or_default(), gradient))
    }

    /// What all ranks do next: the most urgent wish of any of them.
    pub(crate) fn agree(&mut self, wish: Wish) -> Result<Wish, CollectiveError> {
        if self.world_size() == 1 {
            return Ok(wish);
        }
        let wishes = self.gather([wish as u64])?;
        let most = wishes.into_iter().map(|[wish]| Wish::from_number(wish));
        Ok(most.max().unwrap_or(wish))
    }

    /// Every rank's numbers, by rank.
    pub(crate) fn gather<const N: usize>(
        &mut self,
        own: [u64; N],
    ) -> Result<Vec<[u64; N]>, CollectiveError> {
        if self.world_size() == 1 {
            return Ok(vec![own]);
        }
        let bytes: Vec<u8> = own.iter().flat_map(|number| number.to_le_bytes()).collect();
        let parts = self.collective.all_gather(&bytes)?;
        let numbers = parts.iter().enumerate().map(|(rank, part)| {
            let (words, rest) = part.as_chunks::<8>();
            <&[[u8; 8]; N]>::try_from(words)
                .ok()
                .filter(|_| rest.is_empty())
                .map(|words| words.map(u64::from_le_bytes))
                .ok_or_else(|| CollectiveError::OutOfStep {
                    rank,
                    told: format!("{} bytes", part.len()),
                    own: format!("{} bytes", bytes.len()),
                })
        });
        numbers.collect()
    }

    /// Rank 0's bytes, on every rank.
    pub(crate) fn leaders(&mut self, own: Vec<u8>) -> Result<Vec<u8>, CollectiveError> {
        let mut bytes = own;
        self.collective.broadcast(0, &mut bytes)?;
        Ok(bytes)
    }

    /// Leaves for good and tells the others why.
    pub(crate) fn abort(self, reason: &str) {
        self.collective.abort(reason);
    }
}
