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

/// Keys of gRPC metadata.
pub mod metadata {
    /// Of requests: the token, after `Bearer `.
    pub const AUTHORIZATION: &str = "authorization";
    /// Of requests: who asks, as owners of jobs are called. Whoever has the token is believed.
    pub const USER: &str = "schliff-user";
    /// Of refusals: a stable code, such as `no-such-job`.
    pub const CODE: &str = "schliff-code";
    /// Of refusals: what the user can do.
    pub const HINT: &str = "schliff-hint";
    /// Of refusals: wait so long before the next try.
    pub const PAUSE_MS: &str = "schliff-pause-ms";
    /// Of refusals: the URL of the coordinator that leads.
    pub const LEADER: &str = "schliff-leader";
}
