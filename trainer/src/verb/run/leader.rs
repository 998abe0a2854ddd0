//! What rank 0 alone has: the out folder and the checkpoints.

use schliff_spec::request::Start;

use super::saver::Saver;
use super::{Order, Totals};
use crate::failure::Failure;
use crate::process::report::Reporter;
use crate::training::step::State;
use crate::verb::job::OpenJob;
use crate::verb::output::Output;

/// Rank 0's files.
pub(super) struct Leader {
    pub(super) output: Output,
    pub(super) saver: Saver,
    pub(super) start: Start,
}

impl Leader {
    /// Checks that results and checkpoints can be written, before any long work.
    pub(super) fn open(
        order: Order<'_>,
        open: &OpenJob<'_>,
        reporter: &Reporter,
    ) -> Result<Self, Failure> {
        let output = Output::create(order.out).map_err(Failure::usage)?;
        let saver = Saver::open(order, open, reporter)?;
        Ok(Self {
            output,
            saver,
            start: order.start.clone(),
        })
    }

    pub(super) fn is_due(&self, step: usize) -> bool {
        self.saver.is_due(step)
    }

    /// Hands the state over to be written in the background.
    pub(super) fn save(
        &mut self,
        open: &OpenJob<'_>,
        state: &State,
        totals: &Totals,
    ) -> Result<(), Failure> {
        self.saver.offer(open, state, totals)
    }
}
