//! Groups of threads that meet at a real server.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use schliff_collective::rendezvous::{Limits, Secret, Server, join};
use schliff_collective::{Collective, CollectiveError};
use schliff_spec::place::{CollectiveKind, Place, Rendezvous};
use tempfile::TempDir;

pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Long for a machine under load, short for a test that waits for it.
pub(crate) const LIMITS: Limits = Limits {
    join: Duration::from_secs(30),
    operation: Duration::from_secs(30),
};

pub(crate) type Joined = Result<Box<dyn Collective>, CollectiveError>;

/// A server with its secret.
pub(crate) struct Meeting {
    pub(crate) server: Server,
    pub(crate) secret_file: PathBuf,
    _folder: TempDir,
}

impl Meeting {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let secret_file = folder.path().join("secret");
        let secret = Secret::generate().expect("randomness");
        secret.write(&secret_file).expect("written");
        let server = Server::start((LOOPBACK, 0).into(), secret).expect("started");
        Self {
            server,
            secret_file,
            _folder: folder,
        }
    }

    pub(crate) fn place(&self, generation: u64, world_size: usize, rank: usize) -> Place {
        Place {
            rank,
            world_size,
            local_rank: rank,
            local_world_size: world_size,
            generation,
            collective: CollectiveKind::Tcp,
            rendezvous: Some(Rendezvous {
                address: self.server.address().to_string(),
                listen: LOOPBACK,
                secret_file: self.secret_file.clone(),
            }),
        }
    }

    /// Runs `script` as every rank of a new generation, and gives what each returned.
    pub(crate) fn run<T: Send>(
        &self,
        (generation, world_size): (u64, usize),
        limits: Limits,
        script: impl Fn(usize, Joined) -> T + Sync,
    ) -> Vec<T> {
        self.server.expect(generation, world_size);
        let script = &script;
        thread::scope(|scope| {
            let ranks: Vec<_> = (0..world_size)
                .map(|rank| {
                    let place = self.place(generation, world_size, rank);
                    scope.spawn(move || script(rank, join(&place, &limits)))
                })
                .collect();
            let end = |rank: thread::ScopedJoinHandle<'_, T>| rank.join().expect("no panic");
            ranks.into_iter().map(end).collect()
        })
    }
}
