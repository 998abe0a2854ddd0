//! Where the ranks of a job meet: the server, and the file with the job's secret.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use schliff_collective::rendezvous::{Secret, Server};
use schliff_spec::place::Rendezvous;
use tempfile::TempDir;

/// A meeting point; it and its secret are gone when it is dropped.
pub(crate) struct Meeting {
    server: Server,
    secret_file: PathBuf,
    _folder: TempDir,
}

impl Meeting {
    /// A meeting point on `host`, with a new secret in a folder that nobody else can look into.
    pub(crate) fn open(host: IpAddr) -> io::Result<Self> {
        // tempfile makes its folders with mode 0700.
        let folder = tempfile::Builder::new().prefix("schliff-").tempdir()?;
        let secret_file = folder.path().join("secret");
        let secret = Secret::generate()?;
        secret.write(&secret_file)?;
        Ok(Self {
            server: Server::start(SocketAddr::new(host, 0), secret)?,
            secret_file,
            _folder: folder,
        })
    }

    /// Opens the door for a generation.
    pub(crate) fn expect(&self, generation: u64, world_size: usize) {
        self.server.expect(generation, world_size);
    }

    /// What a rank that listens on `listen` needs to know to come.
    pub(crate) fn invitation(&self, listen: IpAddr) -> Rendezvous {
        Rendezvous {
            address: self.server.address().to_string(),
            listen,
            secret_file: self.secret_file.clone(),
        }
    }
}
