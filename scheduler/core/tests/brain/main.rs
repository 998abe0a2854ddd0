//! The brain, told things one after the other.

mod adopt;
mod attempts;
mod choice;
mod desk;
mod queue;
mod requeue;
mod stops;
mod submit;
mod sweeps;
mod world;
