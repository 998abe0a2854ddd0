//! The brain, told things one after the other.

mod attempts;
mod desk;
mod queue;
mod stops;
mod submit;
mod sweeps;
mod world;
