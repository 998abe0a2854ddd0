//! The crate from outside, against HF's own libraries where they have an answer
//! (`tests/fixtures/make_fixtures.py`).

#![allow(
    clippy::unwrap_used,
    reason = "a step that fails in a test is a test that fails"
)]

mod dataset;
mod doctor;
mod files;
mod masks;
mod plan;
mod problems;
mod template;
mod tokenizer;
mod workbench;
