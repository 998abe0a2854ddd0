//! Checkpoints: committed whole, verified when read, the newest good one never lost.
//!
//! The form in a store, below its prefix:
//!
//! - `parts/JOB-STEP-NAME-SHA256`: the bytes of a part. The key holds the part's own digest, so equal
//!   states have equal keys, and a writer that was given up long ago can spoil nothing.
//! - `manifests/STEP.json`: names the parts with their digests, and holds a digest of itself. It is
//!   written last: a checkpoint is there if and only if its manifest is.
//!
//! Rules: what is reported as committed was read back; what is damaged is passed over with a reason
//! and the one before is taken; what cannot be read for now is an error, because passing it over
//! would throw away work.

mod buffers;
mod commit;
pub mod fetch;
mod key;
mod manifest;
mod read;
mod retention;
pub mod ship;
pub mod staging;
mod verdict;
mod waiting;
mod writer;

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::JobDigest;

pub use buffers::{Buffers, Lease};
pub use manifest::{Manifest, PartEntry};
pub use read::{Found, Listed, Said, Skipped, list, newest};
pub use retention::remove_all;
pub use verdict::Verdict;
pub use waiting::BackOff;
pub use writer::{Flushed, Writer, WriterSettings};

/// A named run of bytes of a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Lower-case letters, digits and `_`; each name once in a snapshot.
    pub name: &'static str,
    /// The bytes.
    pub bytes: Bytes,
}

/// The state after a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Optimizer steps done.
    pub step: u64,
    /// The job it belongs to.
    pub job: JobDigest,
    /// What is not a run of bytes: cursor, key of the random numbers, totals. Everything in it must
    /// follow from the job and the step alone, with no clock in it: a run that was taken up again
    /// writes the same checkpoint again, and another content counts as a conflict.
    pub state: serde_json::Value,
    /// The rest.
    pub parts: Vec<Part>,
}

/// A verified checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// What it says of itself.
    pub manifest: Manifest,
    /// Its parts by name.
    pub parts: BTreeMap<String, Bytes>,
}
