//! A client of Slurm that knows nothing of training: batch scripts, what its commands print, and ways
//! to reach it (commands on this machine, commands over ssh, slurmrestd).
//!
//! Rules: SL-1 text from Slurm never panics a parser; what is not understood is an error that names
//! the line, or kept as it is. SL-2 not in the queue never means failed. SL-3 one call tells of all
//! jobs. SL-4 every string that reaches a shell is quoted or refused. SL-5 a warning on a submit is
//! an error. Releases 20.11 to 26.05 are meant to work. Absent on purpose: libslurm (ADR 10), and
//! any idea of what a job does.

pub mod association;
pub mod batch;
pub mod calls;
pub mod channel;
pub mod client;
pub mod found;
pub mod gres;
pub mod hostlist;
pub mod job;
pub mod json;
pub mod node;
pub mod parse;
pub mod quote;
pub mod reason;
pub mod record;
pub mod sacct;
pub mod sbatch;
pub mod scontrol;
pub mod sinfo;
pub mod squeue;
pub mod state;
pub mod tasks;
pub mod time;

pub use client::{Slurm, SlurmError};
pub use parse::ParseError;
