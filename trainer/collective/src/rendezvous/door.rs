//! Connections of those who know the job's secret, for whoever supervises it.
//!
//! Rules: what the two sides say after the handshake is their own affair; both are told nothing
//! before the other has proven that it knows the secret.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::gate::{Gate, Host, Visitor};
use super::handshake;
use super::secret::Secret;

/// A listening socket that lets only those in who know the secret. Shut when it is dropped.
pub struct Door(Gate);

impl Door {
    /// Listens on `address`; port 0 takes a free one. Each visitor's connection and first message
    /// are handed to `host` in a thread of their own.
    ///
    /// # Errors
    /// The address cannot be had.
    pub fn open(
        address: SocketAddr,
        secret: Secret,
        host: impl Fn(TcpStream, Vec<u8>) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let host: Host = Arc::new(move |visitor| {
            let Visitor {
                stream, message, ..
            } = visitor;
            if unbounded(&stream).is_ok() {
                host(stream, message);
            }
        });
        Gate::open(address, secret, host).map(Self)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }
}

/// Comes in at the door `address`, `host:port`, with a first message.
///
/// # Errors
/// Nobody answers in time, or whoever does is of another job.
pub fn call(
    address: &str,
    secret: &Secret,
    message: &[u8],
    wait: Duration,
) -> io::Result<TcpStream> {
    let deadline = Instant::now() + wait;
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, wait) {
            Ok(stream) => {
                handshake::connect(&stream, secret, message, deadline).map_err(io::Error::other)?;
                stream.set_nodelay(true)?;
                unbounded(&stream)?;
                return Ok(stream);
            }
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// Takes away the time limits of the handshake.
fn unbounded(stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(None)?;
    stream.set_write_timeout(None)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::sync::mpsc::channel;

    use super::*;

    const WAIT: Duration = Duration::from_secs(20);

    #[test]
    fn who_knows_the_secret_comes_in_and_talks_and_others_do_not() {
        let secret = Secret::generate().expect("randomness");
        let (outbox, inbox) = channel();
        let bind = SocketAddr::from(([127, 0, 0, 1], 0));
        let host = move |mut stream: TcpStream, message| {
            let mut said = String::new();
            stream.read_to_string(&mut said).expect("UTF-8");
            outbox.send((message, said)).expect("heard");
        };
        let door = Door::open(bind, secret.clone(), host).expect("a door");
        let address = door.address().to_string();

        let other = Secret::generate().expect("randomness");
        call(&address, &other, b"me", WAIT).expect_err("another job");
        let mut stream = call(&address, &secret, b"me", WAIT).expect("let in");
        stream.write_all(b"words").expect("sent");
        drop(stream);
        let heard = inbox.recv_timeout(WAIT).expect("one visitor");
        assert_eq!(heard, (b"me".to_vec(), "words".to_owned()));
        drop(door);
        assert!(inbox.recv().is_err(), "and no other");
    }
}
