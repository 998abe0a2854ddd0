//! The coordinator: one task owns the state, a journal keeps it, and users, agents and the page are
//! served on one port.

mod access;
mod clock;
mod edge;
mod launch;
mod memory;
mod rate;
mod refusal;
mod view;

pub use access::{Access, AccessError, Role};
pub use rate::Rate;
pub use refusal::{Refusal, RefusalKind};
