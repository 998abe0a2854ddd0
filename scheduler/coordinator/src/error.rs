//! Why a coordinator does not start, or ends.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;

use crate::access::AccessError;
use crate::journal::JournalError;

/// It.
#[derive(Debug, Error)]
pub enum Error {
    /// The port is not to be had.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others on the network could read the tokens.
    #[error(
        "cannot serve {address} without TLS: tokens would be readable on the way; give a \
         certificate, or listen on 127.0.0.1"
    )]
    Plain {
        /// Where it was to listen.
        address: SocketAddr,
    },
    /// Nobody could tell where it is reached.
    #[error(
        "cannot serve {address} without a URL: agents and browsers cannot reach that address; say \
         by which URL they reach this machine"
    )]
    NoUrl {
        /// Where it was to listen.
        address: SocketAddr,
    },
    /// The certificate or its key is not usable.
    #[error("cannot use the certificate")]
    Certificate(#[source] rustls::Error),
    /// The certificate or its key cannot be read.
    #[error("cannot read the certificate or its key")]
    Pem(#[source] rustls::pki_types::pem::Error),
    /// The secrets are not usable.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The lease could not be renewed in time: another may lead.
    #[error("the lease could not be renewed in time: another coordinator may lead now")]
    LeaseLost,
    /// A defect.
    #[error("a task of the coordinator ended unexpectedly: {0}")]
    Task(String),
}
