//! What members, the server and peers say to each other once they have proven themselves.

use std::net::SocketAddr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::secret::BYTES;

/// A member to the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) generation: u64,
    pub(super) world_size: usize,
    pub(super) rank: usize,
    /// Where it listens to its peers.
    pub(super) address: SocketAddr,
}

/// The server to a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// All ranks are there.
    Complete(Group),
    /// This member is not taken, or waited in vain.
    Refused { reason: String },
}

/// A complete group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Group {
    /// Drawn anew for each group, so that peers of two groups never meet.
    pub(super) token: [u8; BYTES],
    /// Addresses by rank.
    pub(super) addresses: Vec<SocketAddr>,
}

/// A rank to a peer of a lower rank.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Peer {
    pub(super) token: [u8; BYTES],
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) channel: Channel,
}

/// The two connections between peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Channel {
    /// Numbers.
    Data,
    /// Words on the way out, which must not wait behind numbers.
    Words,
}

/// A rank to a peer of a higher rank.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Welcome {
    Taken,
    Refused { reason: String },
}

/// A message as bytes.
pub(super) fn write(message: &impl Serialize) -> Vec<u8> {
    // Numbers, words and addresses can always be written.
    serde_json::to_vec(message).unwrap_or_default()
}

/// Bytes as a message, if they are one.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}
