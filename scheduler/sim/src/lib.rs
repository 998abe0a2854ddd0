//! A deterministic world around the scheduler: faults, seeds, scripts.
//!
//! One thread plays users, the coordinator's shell and its journal, batch systems, agents and ranks, all
//! by one virtual clock and one seed, and lets go wrong whatever can. After each event it looks for what
//! must never be; once faults end, everything must come to its end. The same seed is the same run.

pub mod backend;
pub mod coverage;
pub mod fault;
pub mod rng;
pub mod scenario;
pub mod trace;

mod agenda;
mod bucket;
mod crew;
mod disk;
mod guard;
mod seeds;
mod site;
mod work;
mod world;

pub use disk::DiskError;
pub use guard::Breach;
pub use seeds::{Failure, Summary, seeds};
pub use work::Work;
pub use world::{Run, World};
