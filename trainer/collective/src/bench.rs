//! What `make bench-collective` measures: sums of a group, and what plain TCP does.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use crate::rendezvous::{Secret, Server};
use crate::self_test::place;
use crate::{Collective, CollectiveError};

/// Bytes of one read or write of a plain stream.
const PLAIN_BYTES: usize = 1 << 20;
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Sums before the measured ones.
const WARM_UP: usize = 2;

/// Seconds of each of `times` sums of `bytes` bytes, on the rank that was slowest; for rank 0.
///
/// # Errors
/// A sum fails.
pub fn sums(
    group: &mut dyn Collective,
    bytes: usize,
    times: usize,
) -> Result<Option<Vec<f64>>, CollectiveError> {
    let mut data = vec![1.0_f32; bytes / size_of::<f32>()];
    let mut own = Vec::new();
    for time in 0..WARM_UP + times {
        data.fill(1.0);
        group.barrier()?;
        let start = Instant::now();
        group.all_reduce(&mut data)?;
        if time >= WARM_UP {
            own.extend_from_slice(&start.elapsed().as_secs_f64().to_le_bytes());
        }
    }
    let slowest = group
        .all_gather(&own)?
        .iter()
        .map(|all| {
            all.as_chunks()
                .0
                .iter()
                .map(|&bytes| f64::from_le_bytes(bytes))
                .collect()
        })
        .reduce(|a: Vec<f64>, b| a.iter().zip(b).map(|(a, b)| a.max(b)).collect());
    Ok(slowest.filter(|_| group.rank() == 0))
}

/// Starts `ranks` processes of this program on this machine, each with these arguments and its
/// place on standard input, and gives what they print.
///
/// # Errors
/// They cannot be started, or one of them fails.
pub fn launch(ranks: usize, arguments: [&str; 3]) -> io::Result<String> {
    let folder = std::env::temp_dir().join(format!("schliff-bench-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let launched = launch_in(&folder.join("secret"), ranks, arguments);
    std::fs::remove_dir_all(&folder)?;
    launched
}

fn launch_in(
    secret_file: &std::path::Path,
    ranks: usize,
    arguments: [&str; 3],
) -> io::Result<String> {
    let secret = Secret::generate()?;
    secret.write(secret_file)?;
    let server = Server::start((LOOPBACK, 0).into(), secret)?;
    server.expect(1, ranks);
    let start = |rank| {
        let place = place(&server, secret_file, (rank, ranks));
        let mut child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(serde_json::to_string(&place)?.as_bytes())?;
        }
        Ok(child)
    };
    let children: io::Result<Vec<Child>> = (0..ranks).map(start).collect();
    let mut printed = String::new();
    for child in children? {
        let output = child.wait_with_output()?;
        if !output.status.success() {
            return Err(io::Error::other(format!(
                "a rank ended with {}",
                output.status
            )));
        }
        printed.push_str(&String::from_utf8_lossy(&output.stdout));
    }
    Ok(printed)
}

/// Bytes a second of plain TCP: `flows` streams side by side over loopback, `bytes` over each.
///
/// # Errors
/// A stream fails.
pub fn loopback(flows: usize, bytes: usize) -> io::Result<f64> {
    let listener = TcpListener::bind((LOOPBACK, 0))?;
    let mut pairs = Vec::new();
    for _ in 0..flows {
        let sender = TcpStream::connect(listener.local_addr()?)?;
        pairs.push((sender, listener.accept()?.0));
    }
    let start = Instant::now();
    thread::scope(|scope| {
        let mut ends = Vec::new();
        for (sender, receiver) in pairs {
            ends.push(scope.spawn(move || send(&sender, bytes)));
            ends.push(scope.spawn(move || receive(&receiver)));
        }
        let gone = || io::Error::other("a stream's thread panicked");
        ends.into_iter()
            .try_for_each(|end| end.join().unwrap_or_else(|_| Err(gone())))
    })?;
    Ok((flows * bytes) as f64 / start.elapsed().as_secs_f64())
}

fn send(mut stream: &TcpStream, bytes: usize) -> io::Result<()> {
    let block = vec![1; PLAIN_BYTES];
    let mut left = bytes;
    while left > 0 {
        left -= stream.write(&block[..left.min(PLAIN_BYTES)])?;
    }
    stream.shutdown(std::net::Shutdown::Write)
}

fn receive(mut stream: &TcpStream) -> io::Result<()> {
    let mut block = vec![0; PLAIN_BYTES];
    while stream.read(&mut block)? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Solo;

    #[test]
    fn every_sum_is_measured() {
        let seconds = sums(&mut Solo, 4000, 3).expect("summed").expect("rank 0");
        assert_eq!(seconds.len(), 3);
        assert!(seconds.iter().all(|seconds| *seconds >= 0.0));
    }

    #[test]
    fn plain_streams_carry_all_bytes() {
        assert!(loopback(3, 3_000_001).expect("carried") > 0.0);
    }
}
