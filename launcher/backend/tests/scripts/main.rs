//! The batch scripts of every site that `configs/clusters` has a profile of: how they read, and
//! whether a real Slurm takes and runs them.
//!
//! The cluster is the one of `make slurm-up`; without it, its tests say so and are passed over.

mod accepted;
mod goldens;
mod run;
mod sites;
