//! The scheduler's brain: five pure functions over state and the time.
//!
//! [`decide()`] turns an input into facts, [`State::apply`] puts a fact into the state,
//! [`reconcile()`] compares the state with the observed world and says what is to be done,
//! [`explain()`] says why a job is as it is, [`check`] finds what must never be.
//! Facts are journalled before anything acts on them; replay applies them and decides nothing.
//! Absent on purpose: clocks, sockets, locks, randomness, and the name of any batch system.

pub mod action;
pub mod allocation;
pub mod ask;
pub mod cluster;
pub mod ending;
pub mod fact;
pub mod input;
pub mod job;
pub mod policy;
pub mod reason;
pub mod rejection;
pub mod shape;
pub mod state;
pub mod time;

mod apply;
mod decide;
mod explain;
mod invariant;
mod looks;
mod reconcile;
mod shared;

pub use decide::{begin, decide};
pub use explain::{Explainer, Explanation, explain};
pub use invariant::{Violation, check};
pub use looks::looks;
pub use reconcile::reconcile;
pub use state::State;
