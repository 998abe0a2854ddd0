//! Checkpoints on object stores: folders, S3 and what is like it, Azure, Google Cloud.
//!
//! Rules: callers are not asynchronous, so everything here blocks or is done on a thread of its own;
//! what is told as committed can be read back; what is read is verified. Absent on purpose: tensors.
//! A checkpoint is a step, a few named runs of bytes, and a JSON value of its writer.

pub mod checkpoint;
mod digest;
mod store;

pub use digest::{JobDigest, NotADigest, Sha256};
pub use store::{Conditional, Store, StoreError};
