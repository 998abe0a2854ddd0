//! A listening socket that lets only those in who know the secret.
//!
//! Rules: GA-1 strangers cost a bounded number of short-lived connections; when there are too many,
//! the oldest has to go, so that a newcomer is always heard. GA-2 what a visitor does cannot disturb
//! another. GA-3 when the gate is dropped, it is shut before `drop` returns.

use std::collections::BTreeMap;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::handshake::{self, Session};
use super::secret::Secret;

/// For a stranger to prove itself.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Connections that have not proven themselves yet, at the same time.
const MOST_STRANGERS: usize = 128;
/// How long a listener is left alone after the system had no room for one more connection.
const BREATH: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

/// Somebody who has proven that it knows the secret.
pub(super) struct Visitor {
    pub(super) stream: TcpStream,
    pub(super) session: Session,
    pub(super) message: Vec<u8>,
}

/// Receives visitors, each in a thread of its own.
pub(super) type Host = Arc<dyn Fn(Visitor) + Send + Sync>;

/// The open gate.
pub(super) struct Gate {
    address: SocketAddr,
    /// Closed to wake the thread that accepts.
    bell: Option<UnixStream>,
    porter: Option<JoinHandle<()>>,
}

/// Connections that have not proven themselves yet, by age.
#[derive(Default)]
struct Strangers {
    next: u64,
    open: BTreeMap<u64, TcpStream>,
}

impl Gate {
    /// Listens on `address`; every visitor is handed to `host`.
    pub(super) fn open(address: SocketAddr, secret: Secret, host: Host) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (bell, door) = UnixStream::pair()?;
        let porter = thread::Builder::new()
            .name("gate".into())
            .spawn(move || watch(&listener, &door, &secret, &host))?;
        Ok(Self {
            address,
            bell: Some(bell),
            porter: Some(porter),
        })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        drop(self.bell.take());
        if let Some(porter) = self.porter.take() {
            // Its panic has been printed; there is nothing to add at this point.
            let _ = porter.join();
        }
    }
}

/// Accepts until the bell rings.
fn watch(listener: &TcpListener, door: &UnixStream, secret: &Secret, host: &Host) {
    let strangers = Arc::new(Mutex::new(Strangers::default()));
    loop {
        let mut sockets = [
            PollFd::new(listener, PollFlags::IN),
            PollFd::new(door, PollFlags::IN),
        ];
        // A signal ends the wait early, and then nothing is to be done.
        let _ = poll(&mut sockets, None);
        if !sockets[1].revents().is_empty() {
            break;
        }
        match listener.accept() {
            Ok((stream, _)) => receive(stream, &strangers, secret, host),
            Err(error) if is_passing(&error) => {}
            Err(_) => {
                lock(&strangers).turn_out_oldest();
                let _ = poll(&mut [PollFd::new(door, PollFlags::IN)], Some(&BREATH));
            }
        }
    }
    lock(&strangers).turn_out_all();
}

/// Errors of `accept` that concern one connection, not the listener.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted
    )
}

/// Hears a stranger in a thread of its own.
fn receive(stream: TcpStream, strangers: &Arc<Mutex<Strangers>>, secret: &Secret, host: &Host) {
    let prepared = stream
        .set_nonblocking(false)
        .and_then(|()| stream.set_nodelay(true));
    let Some(number) = prepared
        .and_then(|()| stream.try_clone())
        .ok()
        .map(|copy| lock(strangers).come_in(copy))
    else {
        return;
    };
    let (own, secret, host) = (Arc::clone(strangers), secret.clone(), Arc::clone(host));
    let thread = thread::Builder::new().name("gate-visitor".into());
    let spawned = thread.spawn(move || {
        let proven = handshake::accept(&stream, &secret, Instant::now() + HANDSHAKE);
        lock(&own).open.remove(&number);
        if let Ok((session, message)) = proven {
            host(Visitor {
                stream,
                session,
                message,
            });
        }
    });
    if spawned.is_err() {
        lock(strangers).open.remove(&number);
    }
}

impl Strangers {
    fn come_in(&mut self, stream: TcpStream) -> u64 {
        if self.open.len() >= MOST_STRANGERS {
            self.turn_out_oldest();
        }
        self.next += 1;
        self.open.insert(self.next, stream);
        self.next
    }

    fn turn_out_oldest(&mut self) {
        if let Some((_, stream)) = self.open.pop_first() {
            // It may have gone by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn turn_out_all(&mut self) {
        while !self.open.is_empty() {
            self.turn_out_oldest();
        }
    }
}

/// A panic of another thread does not spoil what is behind these locks: every change is whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
