//! How a coordinator is set up.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::access::Access;
use crate::journal::Journal;
use crate::rate::Rate;
use crate::site::Site;

/// All of it.
#[derive(Clone)]
pub struct Options {
    /// Where it listens; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// How others reach it, where that is not the address that it listens on; needed where it listens
    /// on all addresses.
    pub url: Option<String>,
    /// Further coordinators on the same journal, for agents.
    pub other_urls: Vec<String>,
    /// What keeps the state.
    pub journal: Journal,
    /// The clusters.
    pub sites: Vec<Site>,
    /// Who may do what.
    pub access: Access,
    /// Results go below it where nobody says where.
    pub runs: PathBuf,
    /// Its certificate; plain on loopback without one.
    pub tls: Option<Tls>,
    /// Listens without TLS on other addresses than loopback, too.
    pub is_plain_allowed: bool,
    /// How much may be asked of it.
    pub limits: Limits,
    /// The program's version, for clients.
    pub version: String,
}

/// A certificate.
#[derive(Clone)]
pub struct Tls {
    /// The chain, as PEM.
    pub certificate_pem: Vec<u8>,
    /// Its key, as PEM.
    pub key_pem: Vec<u8>,
    /// What agents are to trust, as PEM; they trust nothing else.
    pub ca_pem: Option<Vec<u8>>,
}

/// How much may be asked of a coordinator.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time.
    pub connections: usize,
    /// Streams of views and lines at a time.
    pub streams: usize,
    /// Requests of people with the same role and name.
    pub people: Rate,
    /// Reports of one agent.
    pub agent: Rate,
    /// For a connection's first request, and for a request's answer to begin.
    pub patience: Duration,
    /// For a reader of a stream to take what is there for it.
    pub slow_reader: Duration,
    /// For what is under way to be finished at the end.
    pub farewell: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            streams: 512,
            people: Rate {
                per_second: 2_000.0,
                burst: 4_000.0,
            },
            agent: Rate {
                per_second: 20.0,
                burst: 100.0,
            },
            patience: Duration::from_secs(30),
            slow_reader: Duration::from_secs(10),
            farewell: Duration::from_secs(10),
        }
    }
}
