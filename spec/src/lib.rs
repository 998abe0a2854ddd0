//! What a user asks for, checked once at the edge, and what Schliff's binaries say to each other.
//!
//! Rules: everything outside this crate sees only validated values ([`job::Job`]); problems in a
//! file are collected, never reported one at a time. Absent on purpose: async, tensors, clocks.

pub mod cluster;
pub mod event;
pub mod exit;
pub mod finding;
pub mod id;
pub mod job;
pub mod load;
pub mod origin;
pub mod place;
pub mod problem;
pub mod request;
pub mod resolved;
pub mod schema;
pub mod span;
pub mod sweep;
pub mod world;

mod files;
mod form;
mod nearest;
mod node;
mod read;
mod reader;
mod report;
mod set;
mod settings;
mod source;
mod written;
