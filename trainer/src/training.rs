//! From leaves to optimizer steps.
//!
//! Rules: a step's gradient is the sum over its leaves in a fixed binary tree, whatever the number
//! of threads or ranks; the loss is normalised by the step's exact count of trained tokens, known before
//! the step begins; clipping comes after the sum.

pub(crate) mod group;
pub(crate) mod leaves;
pub mod loss_scale;
pub mod optimizer;
pub(crate) mod packing;
pub mod schedule;
pub(crate) mod snapshot;
pub mod step;
pub(crate) mod tree;
