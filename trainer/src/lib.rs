//! One rank: the base model, the adapter, the step, and the verbs that need tensors.
//!
//! Rules: burn's names stay in `tensor`; arithmetic on slices is in `kernel`; what the model asks
//! of a device is in `ops`. Frozen weights never get a gradient. Absent on purpose: autodiff,
//! several ranks, anything that talks to a scheduler.

pub mod adapter;
mod kernel;
pub mod model;
mod ops;
#[cfg(test)]
mod parity;
mod tensor;
pub mod training;
