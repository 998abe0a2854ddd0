//! One loop that moves the bytes of an operation over all connections at once.
//!
//! A [`Plan`] says what goes out and comes in next on each connection; the loop moves what the
//! sockets take and give, waits for them, watches the time, and listens for last words.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::Link;
use super::words::LastWords;
use crate::CollectiveError;

/// How long a closed connection is given to have its reason arrive on the other one.
const FOR_WORDS: Duration = Duration::from_millis(250);

/// What an operation sends and receives. Ranks name connections; the own rank is never asked for.
pub(super) trait Plan {
    /// What goes to `peer` next; nothing where that is not known yet or all is sent.
    fn outgoing(&mut self, peer: usize) -> Option<&[u8]>;

    /// That many bytes of it have gone.
    fn sent(&mut self, peer: usize, bytes: usize);

    /// Where the next bytes of `peer` go; nothing where all has come.
    fn incoming(&mut self, peer: usize) -> Option<&mut [u8]>;

    /// That many bytes have come.
    fn received(&mut self, peer: usize, bytes: usize) -> Result<(), Cause>;

    /// Whether everything has gone and come.
    fn is_done(&self) -> bool;
}

/// What broke the group: the rank that it is about, and what happened to it.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) rank: usize,
    pub(super) cause: Cause,
}

/// What happened to a rank.
#[derive(Debug)]
pub(super) enum Cause {
    Left(String),
    Lost(io::Error),
    TimedOut { waited_ms: u64 },
    OutOfStep { told: String, own: String },
}

impl Fault {
    pub(super) fn during(self, operation: &'static str) -> CollectiveError {
        let rank = self.rank;
        match self.cause {
            Cause::Left(reason) => CollectiveError::Aborted { rank, reason },
            Cause::Lost(source) => CollectiveError::PeerLost {
                rank,
                operation,
                source,
            },
            Cause::TimedOut { waited_ms } => CollectiveError::TimedOut {
                rank,
                operation,
                waited_ms,
            },
            Cause::OutOfStep { told, own } => CollectiveError::OutOfStep { rank, told, own },
        }
    }
}

/// The connections to all peers.
pub(super) struct Mesh {
    rank: usize,
    /// By rank; nothing at the own one.
    links: Vec<Option<Link>>,
    ears: Vec<Ear>,
    limit: Duration,
}

/// What a peer has said of its last words.
#[derive(Default)]
struct Ear {
    said: Vec<u8>,
    is_closed: bool,
}

/// What one operation knows of a connection.
struct Lane {
    /// Whether the socket may have bytes for us, or room for ours.
    readable: bool,
    writable: bool,
    received: usize,
    /// The last sign of life.
    moved: Instant,
}

impl Mesh {
    pub(super) fn new(rank: usize, peers: Vec<(usize, Link)>, limit: Duration) -> io::Result<Self> {
        let mut links: Vec<_> = (0..=peers.len()).map(|_| None).collect();
        for (peer, link) in peers {
            for stream in [&link.data, &link.words] {
                stream.set_nonblocking(true)?;
                stream.set_nodelay(true)?;
            }
            links[peer] = Some(link);
        }
        Ok(Self {
            rank,
            ears: links.iter().map(|_| Ear::default()).collect(),
            links,
            limit,
        })
    }

    pub(super) fn rank(&self) -> usize {
        self.rank
    }

    pub(super) fn world_size(&self) -> usize {
        self.links.len()
    }

    /// Says last words to every peer and closes the connections for numbers.
    pub(super) fn tell(&self, words: &LastWords) {
        let bytes = words.write();
        for (_, link) in peers(&self.links) {
            // A peer that cannot be told is gone itself.
            let _ = (&link.words).write(&bytes);
            let _ = link.words.shutdown(Shutdown::Write);
        }
        for (_, link) in peers(&self.links) {
            let _ = link.data.shutdown(Shutdown::Both);
        }
    }

    /// Whether a peer has spoken its last words or closed its connection, without waiting for it.
    #[cfg(feature = "nccl")]
    pub(super) fn listen(&mut self) -> Result<(), Fault> {
        for (peer, link) in peers(&self.links) {
            let ear = &mut self.ears[peer];
            if let Some(words) = ear.hear(link) {
                return Err(words.into_fault());
            }
            if ear.is_closed {
                let reason = "it closed the connection";
                let cause = Cause::Lost(io::Error::new(ErrorKind::UnexpectedEof, reason));
                return Err(Fault { rank: peer, cause });
            }
        }
        Ok(())
    }

    /// Carries a plan out.
    pub(super) fn run(&mut self, plan: &mut impl Plan) -> Result<(), Fault> {
        let start = Instant::now();
        let mut lanes: Vec<_> = self.links.iter().map(|_| Lane::new(start)).collect();
        loop {
            let moved = self.move_bytes(plan, &mut lanes)?;
            if plan.is_done() {
                return Ok(());
            }
            if !moved {
                self.wait(plan, &mut lanes)?;
            }
        }
    }

    /// Moves what sockets take and give without waiting.
    fn move_bytes(&mut self, plan: &mut impl Plan, lanes: &mut [Lane]) -> Result<bool, Fault> {
        let mut moved = false;
        for (peer, link) in peers(&self.links) {
            let lane = &mut lanes[peer];
            let result = send(plan, peer, (link, lane)).and_then(|sent| {
                moved |= sent;
                receive(plan, peer, (link, lane))
            });
            match result {
                Ok(received) => moved |= received,
                Err(cause) => return Err(self.ears[peer].first_cause(peer, link, cause)),
            }
        }
        Ok(moved)
    }

    /// Waits until a socket is ready, a peer speaks, or one has been silent for too long.
    fn wait(&mut self, plan: &mut impl Plan, lanes: &mut [Lane]) -> Result<(), Fault> {
        let left = self.time_left(plan, lanes)?;
        let mut sockets = Vec::with_capacity(2 * lanes.len());
        let mut whose = Vec::with_capacity(2 * lanes.len());
        for (peer, link) in peers(&self.links) {
            let mut wanted = PollFlags::empty();
            wanted.set(PollFlags::IN, plan.incoming(peer).is_some());
            wanted.set(PollFlags::OUT, plan.outgoing(peer).is_some());
            if !wanted.is_empty() {
                sockets.push(PollFd::new(&link.data, wanted));
                whose.push((peer, false));
            }
            if !self.ears[peer].is_closed {
                sockets.push(PollFd::new(&link.words, PollFlags::IN));
                whose.push((peer, true));
            }
        }
        match poll(&mut sockets, Some(&left)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => {
                let rank = self.rank;
                let cause = Cause::Lost(errno.into());
                return Err(Fault { rank, cause });
            }
        }
        let mut spoken = None;
        for (socket, (peer, is_words)) in sockets.iter().zip(whose) {
            let ready = socket.revents();
            let failed = ready.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL);
            let lane = &mut lanes[peer];
            if is_words && !ready.is_empty() {
                let link = self.links[peer].as_ref();
                spoken = spoken.or(link.and_then(|link| self.ears[peer].hear(link)));
            } else if !is_words {
                lane.readable |= failed || ready.contains(PollFlags::IN);
                lane.writable |= failed || ready.contains(PollFlags::OUT);
            }
        }
        // What a peer sent before its words may be their reason, such as a header out of step.
        let Some(words) = spoken else { return Ok(()) };
        self.move_bytes(plan, lanes)?;
        Err(words.into_fault())
    }

    /// Time until the first peer that is waited for has been silent for too long.
    fn time_left(&self, plan: &mut impl Plan, lanes: &[Lane]) -> Result<Timespec, Fault> {
        let now = Instant::now();
        let mut awaited = Vec::with_capacity(lanes.len());
        for (peer, _) in peers(&self.links) {
            if plan.incoming(peer).is_some() || plan.outgoing(peer).is_some() {
                awaited.push(peer);
            }
        }
        let silent = |peer: &usize| now.saturating_duration_since(lanes[*peer].moved);
        let longest = awaited.iter().map(silent).max().unwrap_or_default();
        let left = self.limit.saturating_sub(longest);
        if left.is_zero() {
            // Others may be silent because they wait for it too: it is the one that sent least.
            let rank = awaited
                .into_iter()
                .min_by_key(|&peer| lanes[peer].received)
                .unwrap_or(self.rank);
            let waited_ms = u64::try_from(self.limit.as_millis()).unwrap_or(u64::MAX);
            let cause = Cause::TimedOut { waited_ms };
            return Err(Fault { rank, cause });
        }
        Ok(timespec(left))
    }
}

/// The links to peers, by rank.
fn peers(links: &[Option<Link>]) -> impl Iterator<Item = (usize, &Link)> {
    let named = links.iter().enumerate();
    named.filter_map(|(peer, link)| Some((peer, link.as_ref()?)))
}

impl Lane {
    fn new(start: Instant) -> Self {
        Self {
            readable: true,
            writable: true,
            received: 0,
            moved: start,
        }
    }
}

fn send(
    plan: &mut impl Plan,
    peer: usize,
    (link, lane): (&Link, &mut Lane),
) -> Result<bool, Cause> {
    let mut moved = false;
    while lane.writable {
        let Some(bytes) = plan.outgoing(peer) else {
            break;
        };
        match (&link.data).write(bytes) {
            Ok(sent) => {
                plan.sent(peer, sent);
                moved = true;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => lane.writable = false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Cause::Lost(error)),
        }
    }
    if moved {
        lane.moved = Instant::now();
    }
    Ok(moved)
}

fn receive(
    plan: &mut impl Plan,
    peer: usize,
    (link, lane): (&Link, &mut Lane),
) -> Result<bool, Cause> {
    let mut moved = false;
    while lane.readable {
        let Some(place) = plan.incoming(peer) else {
            break;
        };
        match (&link.data).read(place) {
            Ok(0) => {
                let reason = "it closed the connection";
                return Err(Cause::Lost(io::Error::new(
                    ErrorKind::UnexpectedEof,
                    reason,
                )));
            }
            Ok(received) => {
                lane.received += received;
                moved = true;
                plan.received(peer, received)?;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => lane.readable = false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Cause::Lost(error)),
        }
    }
    if moved {
        lane.moved = Instant::now();
    }
    Ok(moved)
}

impl Ear {
    /// Reads what the peer says; its last words, once they are whole.
    fn hear(&mut self, link: &Link) -> Option<LastWords> {
        let mut buffer = [0; 256];
        while !self.is_closed {
            match (&link.words).read(&mut buffer) {
                Ok(0) => self.is_closed = true,
                Ok(bytes) => self.said.extend_from_slice(&buffer[..bytes]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => self.is_closed = true,
            }
        }
        LastWords::read(&self.said)
    }

    /// Where a connection was closed, its peer may have said why; a killed one says nothing.
    fn first_cause(&mut self, peer: usize, link: &Link, cause: Cause) -> Fault {
        let said = match cause {
            Cause::Lost(_) => self.wait_for_words(link),
            _ => None,
        };
        said.map_or(Fault { rank: peer, cause }, LastWords::into_fault)
    }

    fn wait_for_words(&mut self, link: &Link) -> Option<LastWords> {
        let deadline = Instant::now() + FOR_WORDS;
        loop {
            let said = self.hear(link);
            let left = deadline.saturating_duration_since(Instant::now());
            if said.is_some() || self.is_closed || left.is_zero() {
                return said;
            }
            let mut socket = [PollFd::new(&link.words, PollFlags::IN)];
            // Where the wait fails, the deadline ends it.
            let _ = poll(&mut socket, Some(&timespec(left)));
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}
