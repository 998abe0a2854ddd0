//! Slurm as a batch system of Schliff.
//!
//! Rules: what a job is and how its script reads is decided by pure functions over the site's profile
//! and the launch. Absent on purpose: how Slurm is spoken to, which `schliff-slurm` knows.

pub mod batch;
pub mod check;
