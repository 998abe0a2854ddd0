//! A group of threads that meets, sums and parts over loopback: shows in a moment that a machine can.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::thread;
use std::time::Duration;

use schliff_spec::place::{CollectiveKind, Place, Rendezvous};

use crate::rendezvous::{Limits, Secret, Server, join};
use crate::{Collective, CollectiveError};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Long for loopback, even on a busy machine.
const LIMITS: Limits = Limits {
    join: Duration::from_secs(20),
    operation: Duration::from_secs(20),
};
/// Enough numbers to come in several blocks.
const NUMBERS: usize = 100_000;

/// Two members sum over TCP, by the way that ranks take.
///
/// # Errors
/// They could not, or the sum is wrong.
pub fn tcp() -> Result<(), CollectiveError> {
    let sums = in_threads(2, |mut group| {
        let mut data = vec![group.rank() as f32 + 1.0; NUMBERS];
        group.all_reduce(&mut data)?;
        Ok(data.iter().all(|sum| *sum == 3.0))
    });
    let sums: Result<Vec<bool>, _> = sums?.into_iter().collect();
    match sums?.contains(&false) {
        false => Ok(()),
        true => Err(failed("the sum of 1 and 2 was not 3")),
    }
}

/// Runs `script` as every rank of a group of threads, and gives what each returned.
///
/// # Errors
/// The group did not come about.
pub(crate) fn in_threads<T: Send>(
    world_size: usize,
    script: impl Fn(Box<dyn Collective>) -> T + Sync,
) -> Result<Vec<T>, CollectiveError> {
    in_threads_by(join, world_size, script)
}

/// The same for ranks that join in another way.
///
/// # Errors
/// As [`in_threads`].
pub(crate) fn in_threads_by<G, T: Send>(
    join: impl Fn(&Place, &Limits) -> Result<G, CollectiveError> + Sync,
    world_size: usize,
    script: impl Fn(G) -> T + Sync,
) -> Result<Vec<T>, CollectiveError> {
    static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let name = format!("schliff-self-test-{}-{number}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir(&folder).map_err(|error| failed(&error.to_string()))?;
    let as_rank = |place: &Place| join(place, &LIMITS).map(&script);
    let met = meet(&folder.join("secret"), world_size, &as_rank);
    // A folder that is left over holds a secret of no job.
    std::fs::remove_dir_all(&folder).ok();
    met
}

/// A rank's place in the first generation of a group that meets at `server`, all on this machine.
pub(crate) fn place(
    server: &Server,
    secret_file: &Path,
    (rank, world_size): (usize, usize),
) -> Place {
    Place {
        rank,
        world_size,
        local_rank: rank,
        local_world_size: world_size,
        generation: 1,
        collective: CollectiveKind::Tcp,
        rendezvous: Some(Rendezvous {
            address: server.address().to_string(),
            listen: LOOPBACK,
            secret_file: secret_file.to_owned(),
        }),
    }
}

fn meet<T: Send>(
    secret_file: &Path,
    world_size: usize,
    as_rank: &(impl Fn(&Place) -> Result<T, CollectiveError> + Sync),
) -> Result<Vec<T>, CollectiveError> {
    let open = || -> io::Result<Server> {
        let secret = Secret::generate()?;
        secret.write(secret_file)?;
        Server::start((LOOPBACK, 0).into(), secret)
    };
    let server = open().map_err(|error| failed(&error.to_string()))?;
    server.expect(1, world_size);
    thread::scope(|scope| {
        let start = |rank| {
            let place = place(&server, secret_file, (rank, world_size));
            scope.spawn(move || as_rank(&place))
        };
        let ranks: Vec<_> = (0..world_size).map(start).collect();
        let gone = |_| Err(failed("a thread panicked"));
        let end = |rank: thread::ScopedJoinHandle<'_, _>| rank.join().unwrap_or_else(gone);
        ranks.into_iter().map(end).collect()
    })
}

fn failed(reason: &str) -> CollectiveError {
    CollectiveError::Join {
        address: "127.0.0.1".into(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_with_loopback_passes() {
        tcp().expect("summed");
    }
}
