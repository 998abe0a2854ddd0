//! The clients against a real cluster (`make slurm-up`), the same list for each way to reach it.
//!
//! Without `SCHLIFF_SLURM_STATE` there is no cluster: every test says so and does nothing.

mod cluster;
mod commands;
mod conformance;
mod faults;
mod rest;
