//! Where the ranks of a job meet: the server, and the file with the job's secret.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use schliff_collective::rendezvous::{Secret, Server};
use schliff_spec::place::Rendezvous;
use tempfile::TempDir;

/// A meeting point; it and the secret that was made for it are gone when it is dropped.
pub(crate) struct Meeting {
    server: Server,
    secret: Secret,
    secret_file: PathBuf,
    _made: Made,
}

/// What was made for the secret.
enum Made {
    Nothing,
    File(PathBuf),
    Folder(#[expect(dead_code, reason = "it is removed when it is dropped")] TempDir),
}

impl Drop for Made {
    fn drop(&mut self) {
        if let Self::File(path) = self {
            let _ = fs::remove_file(path);
        }
    }
}

impl Meeting {
    /// A meeting point on `host`, with a new secret in a folder that nobody else can look into.
    pub(crate) fn open(host: IpAddr) -> io::Result<Self> {
        // tempfile makes its folders with mode 0700.
        let folder = tempfile::Builder::new().prefix("schliff-").tempdir()?;
        let secret_file = folder.path().join("secret");
        let secret = Secret::generate()?;
        secret.write(&secret_file)?;
        Self::with(host, (secret, secret_file), Made::Folder(folder))
    }

    /// A meeting point on `host` with the secret of a file, which is made where it is absent.
    pub(crate) fn open_at(host: IpAddr, secret_file: &Path) -> io::Result<Self> {
        let own = secret_file.to_owned();
        if secret_file.exists() {
            return Self::with(host, (Secret::read(secret_file)?, own), Made::Nothing);
        }
        if let Some(folder) = secret_file.parent() {
            fs::create_dir_all(folder)?;
        }
        let secret = Secret::generate()?;
        secret.write(secret_file)?;
        Self::with(host, (secret, own.clone()), Made::File(own))
    }

    fn with(
        host: IpAddr,
        (secret, secret_file): (Secret, PathBuf),
        made: Made,
    ) -> io::Result<Self> {
        Ok(Self {
            server: Server::start(SocketAddr::new(host, 0), secret.clone())?,
            secret,
            secret_file,
            _made: made,
        })
    }

    /// The job's secret, and the file that holds it.
    pub(crate) fn secret(&self) -> (Secret, &Path) {
        (self.secret.clone(), &self.secret_file)
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
