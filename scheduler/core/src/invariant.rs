//! What must never be, each with one definition and an id.

use crate::state::State;

/// Something that must never be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Such as `SCH-2`.
    pub id: &'static str,
    /// What was found.
    pub text: String,
}

/// Everything in `state` that must never be.
pub fn check(state: &State) -> Vec<Violation> {
    let _ = state;
    Vec::new()
}
