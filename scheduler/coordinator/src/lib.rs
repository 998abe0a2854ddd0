//! The coordinator: one task owns the state, a journal keeps it, and users, agents and the page are
//! served on one port.
//!
//! Rules: facts are in the journal before anybody is answered or anything is done; all that waits is
//! bounded, and who asks for too much is told so. Absent on purpose: the name of any batch system.
//! Whoever starts a coordinator hands over the back-ends ([`Site`]).

pub mod journal;

mod access;
mod caller;
mod clock;
mod door;
mod edge;
mod error;
mod grpc;
mod handle;
mod intake;
mod launch;
mod lead;
mod memory;
mod metrics;
mod options;
mod owner;
mod rate;
mod recorder;
mod refusal;
mod service;
mod site;
mod view;
mod web;

pub use access::{Access, AccessError, Role};
pub use error::Error;
pub use handle::Handle;
pub use options::{Limits, Options, Tls};
pub use rate::Rate;
pub use refusal::{Refusal, RefusalKind};
pub use service::Coordinator;
pub use site::Site;
