//! What the coordinator says to users and to agents, over gRPC.
//!
//! Rules: this crate is the only home of generated code, and generated types are how things are
//! told, never how they are kept. The code is committed, so that a build needs no protobuf
//! compiler; `tests/fresh.rs` holds it to `proto/`. Types have serde's `Serialize`, for `--json`.

/// Messages and services of the package `schliff.v1`.
#[allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    unreachable_pub,
    reason = "generated from proto/schliff/v1/schliff.proto, which has the comments"
)]
#[rustfmt::skip]
#[path = "generated/schliff.v1.rs"]
pub mod v1;

/// Version of what is said; a client or an agent of another one is refused.
pub const PROTOCOL: u32 = 1;

/// The most bytes of one message.
pub const MAX_MESSAGE_BYTES: usize = 4 << 20;
