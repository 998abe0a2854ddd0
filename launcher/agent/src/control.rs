//! What the leader and the other nodes' agents say to each other: a line of JSON each.
//!
//! Rules: both sides speak at least once a second, so that silence means loss; the first message,
//! [`Join`], is part of the handshake. Absent on purpose: decisions, which are the leader's.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{IpAddr, TcpStream};
use std::time::Duration;

use schliff_spec::request::Request;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::generation::News;

/// A side that says nothing for so long is lost.
pub(crate) const SILENCE: Duration = Duration::from_secs(15);
/// A line that the other side does not take within this is not taken at all.
const WRITE: Duration = Duration::from_secs(5);

/// A node's agent comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Join {
    /// Its number.
    pub(crate) node: usize,
    /// Its version, which must be the leader's.
    pub(crate) version: String,
    /// Where its ranks listen, where it was told.
    pub(crate) listen: Option<IpAddr>,
}

/// What the leader says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// A sign of life.
    Alive,
    /// Starts the node's ranks.
    Start {
        generation: u64,
        first_rank: usize,
        requests: Vec<Request>,
    },
    /// Signals a rank.
    Signal { rank: usize, signal: i32 },
    /// It is over.
    Bye { exit: i32 },
}

/// What a node's agent says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Report {
    /// A sign of life.
    Alive,
    /// News of a rank.
    News {
        generation: u64,
        rank: usize,
        news: News,
    },
    /// The agent got a signal.
    Signal { signal: i32 },
    /// Ranks cannot be started there.
    CannotStart {
        generation: u64,
        first_rank: usize,
        why: String,
    },
}

/// Says one thing.
pub(crate) fn say(mut stream: &TcpStream, what: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_string(what)?;
    line.push('\n');
    stream.write_all(line.as_bytes())
}

/// Prepares a new connection: neither side waits for ever.
pub(crate) fn bound(stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(WRITE))
}

/// Hears the other side until it ends, falls silent or says what cannot be understood; `each` says
/// whether to go on.
pub(crate) fn hear<T: DeserializeOwned>(stream: &TcpStream, mut each: impl FnMut(T) -> bool) {
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        match serde_json::from_str(&line).map(&mut each) {
            Ok(true) => {}
            Ok(false) | Err(_) => return,
        }
    }
}
