//! From files to micro-batches: reading, templates, tokens, masks, packing, order.
//!
//! Rules: what a step trains on is a function of (job, seed, step), never of history; a sample
//! without a trained token is an error or is reported, never silently kept. Absent on purpose:
//! tensors, model files, randomness with state.

pub mod dataset;
pub mod doctor;
mod format;
mod labelling;
pub mod order;
pub mod plan;
mod record;
pub mod sample;
pub mod template;
pub mod tokenizer;

pub use record::FileError;
