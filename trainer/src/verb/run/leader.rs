//! What rank 0 alone has: the out folder.

use super::Order;
use crate::failure::Failure;
use crate::verb::output::Output;

/// Rank 0's files.
pub(super) struct Leader {
    pub(super) output: Output,
}

impl Leader {
    /// Checks that results can be written, before any long work.
    pub(super) fn open(order: Order<'_>) -> Result<Self, Failure> {
        let output = Output::create(order.out).map_err(Failure::usage)?;
        Ok(Self { output })
    }
}
