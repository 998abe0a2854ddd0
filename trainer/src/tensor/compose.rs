//! The operations of [`crate::ops`] as compositions of burn's tensor operations, for any device.
//!
//! Rules: nothing here reads elements back, so that a device is never waited for inside a pass;
//! what grows with the square of a length, or with the vocabulary, exists a chunk at a time.
//! The host has kernels of its own (`crate::kernel`), which these agree with to rounding.

pub(crate) mod attention;
pub(crate) mod columns;
pub(crate) mod gate;
pub(crate) mod head;
pub(crate) mod norm;
pub(crate) mod product;
pub(crate) mod rope;
pub(crate) mod rows;

/// Elements of the largest temporary that a chunk may make: 256 MiB of `f32`.
const CHUNK_ELEMENTS: usize = 1 << 26;
