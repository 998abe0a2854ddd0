//! Starts the ranks of a job, watches them, and starts them again.
//!
//! Rules: AG-1 what is decided is decided in pure code over messages and the time
//! ([`supervisor`]); threads, processes and sockets only carry messages to it and do what it says.
//! AG-2 a group lives and dies whole: when one rank is lost, all of its generation end before the
//! next begins. AG-3 messages of older generations change nothing. AG-4 the first cause is kept;
//! ranks that fail because a peer failed are not blamed. AG-5 a failure of the job itself is never
//! tried again. AG-6 no process is left behind, however the agent ends. Absent on purpose: what a
//! rank computes, where nodes come from, and words for a terminal.

pub mod binding;
pub mod cause;
pub mod conversation;
pub mod crew;
pub mod exit_file;
pub mod follower;
pub mod generation;
pub mod limits;
pub mod outcome;
pub mod place;
pub mod port;
pub mod relay;
pub mod report;
pub mod restart;
pub mod shell;
pub mod succession;
pub mod supervisor;
pub mod watch;

mod control;
mod hands;
mod hosts;
mod lines;
mod log;
mod meeting;
mod mpi;
mod nodes;
mod rank;
mod signals;
mod wish;

pub use hands::Trainer;
pub use mpi::MPIRUN;
