//! Slurm as a back-end, on a real cluster: the conformance suite by each way to it, and what Slurm
//! does by itself.
//!
//! The cluster is the one of `make slurm-up`; without it, these tests say so and are passed over.

mod adopts;
mod checked;
mod conforms;
mod world;
