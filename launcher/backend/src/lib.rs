//! What a batch system must do for Schliff, the suite that proves that one does it, and processes on
//! this host as the simplest of them.
//!
//! Rules: BE-1 a submit key is used once: submitting it again gives the same allocation and starts
//! nothing. BE-2 [`Backend::observe`] tells of everything that carries a submit key, whoever
//! submitted it, in one call. BE-3 what has ended stays in the listing until it is forgotten, or for
//! as long as the batch system remembers. BE-4 an error says whether the call may have had an effect.
//! A back-end knows allocations, not jobs: what is started is a list of arguments and files.

mod backend;
mod calls;
mod clock;
mod error;
mod foundling;
mod launch;

pub mod conformance;
pub mod folder;
pub mod local;
pub mod slurm;

pub use backend::{Backend, Traffic};
pub use calls::Calls;
pub use error::{BackendError, chain};
pub use foundling::{FindError, Foundling};
pub use launch::{Launch, LaunchFile};
