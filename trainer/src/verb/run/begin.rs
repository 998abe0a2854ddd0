//! The state that a run begins with.

use super::Totals;
use super::leader::Leader;
use crate::failure::Failure;
use crate::training::step::State;
use crate::verb::job::OpenJob;

/// What a run begins with.
pub(super) struct Begun {
    pub(super) state: State,
    pub(super) totals: Totals,
    pub(super) resumed_from: Option<usize>,
}

/// The state to begin with.
pub(super) fn begin(leader: Option<&mut Leader>, open: &OpenJob<'_>) -> Result<Begun, Failure> {
    if let Some(leader) = leader {
        leader.output.begin_after(0).map_err(Failure::job)?;
    }
    Ok(Begun {
        state: State::new(open.initial_masters()?),
        totals: Totals::default(),
        resumed_from: None,
    })
}
