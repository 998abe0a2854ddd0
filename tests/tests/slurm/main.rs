//! Both programs on a real Slurm, by each way to it: submit, chain, kill, go on.
//!
//! The cluster is the one of `make slurm-up`; without it, these tests say so and are passed over. Each
//! has a coordinator and folders of its own; what it leaves in the queue is cancelled at its end.

mod adopted;
mod array;
mod by_hand;
mod chain;
mod cut;
mod faults;
mod long;
mod nodes;
mod quickstart;
mod reach;
mod relay;
mod scene;
mod shrink;
mod site;
mod whole;
