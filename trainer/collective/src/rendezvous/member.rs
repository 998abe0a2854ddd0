//! A rank's way into its group: to the server, and then to every peer.
//!
//! Ranks connect to those below them and are connected to by those above, twice each: one
//! connection for numbers, one for words on the way out.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use schliff_spec::place::{Place, Rendezvous};

use super::Limits;
use super::gate::{Gate, Host, Visitor};
use super::handshake::{self, HandshakeError};
use super::message::{self, Answer, Channel, Group, Member, Peer, Welcome};
use super::secret::Secret;
use crate::CollectiveError;
use crate::tcp::{Link, Tcp};

/// For the server to say why there is no group yet, after the time limit.
const GRACE: Duration = Duration::from_secs(2);
/// First and longest pause between two attempts to reach the server.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));

/// One rank on its way.
struct Joining<'a> {
    place: &'a Place,
    rendezvous: &'a Rendezvous,
    secret: Secret,
    limits: &'a Limits,
    deadline: Instant,
}

/// Brings a rank into its group over TCP.
pub(super) fn join(place: &Place, limits: &Limits) -> Result<Tcp, CollectiveError> {
    let Some(rendezvous) = &place.rendezvous else {
        return Err(CollectiveError::Join {
            address: "no rendezvous".into(),
            reason: format!(
                "rank {} of {} was started without one",
                place.rank, place.world_size
            ),
        });
    };
    let failed = |reason| CollectiveError::Join {
        address: rendezvous.address.clone(),
        reason,
    };
    let secret =
        Secret::read(&rendezvous.secret_file).map_err(|error| failed(error.to_string()))?;
    let joining = Joining {
        place,
        rendezvous,
        secret,
        limits,
        deadline: Instant::now() + limits.join,
    };
    joining.join().map_err(failed)
}

impl Joining<'_> {
    fn join(&self) -> Result<Tcp, String> {
        let listen = self.rendezvous.listen;
        if listen.is_unspecified() {
            return Err(format!(
                "peers cannot reach a rank at {listen}; give one of its addresses"
            ));
        }
        let (outbox, visitors) = channel();
        let host: Host = Arc::new(move |visitor| {
            // The rank has stopped waiting for peers; the visitor's connection ends with it.
            let _ = outbox.send(visitor);
        });
        let gate = Gate::open(SocketAddr::new(listen, 0), self.secret.clone(), host)
            .map_err(|error| format!("cannot listen on {listen}: {error}"))?;
        let group = self.meet(gate.address())?;
        let mut links = self.call(&group)?;
        links.extend(self.receive(&group, &visitors)?);
        Tcp::new(self.place.rank, links, self.limits.operation)
            .map_err(|error| format!("cannot prepare the connections: {error}"))
    }

    /// Waits at the server until every rank has come.
    fn meet(&self, address: SocketAddr) -> Result<Group, String> {
        let member = message::write(&Member {
            generation: self.place.generation,
            world_size: self.place.world_size,
            rank: self.place.rank,
            address,
        });
        let stream = self.reach_server()?;
        let until = (self.deadline, GRACE);
        let answer = handshake::connect(&stream, &self.secret, &member, self.deadline)
            .and_then(|session| handshake::read_answer(&stream, &self.secret, &session, until))
            .map_err(|error| error.to_string())?;
        match message::read(&answer) {
            Some(Answer::Complete(group)) if group.addresses.len() == self.place.world_size => {
                Ok(group)
            }
            Some(Answer::Refused { reason }) => Err(reason),
            _ => Err("its answer cannot be understood; use one build of Schliff".into()),
        }
    }

    /// Connects to the server; it may still be starting.
    fn reach_server(&self) -> Result<TcpStream, String> {
        let mut pause = PAUSES.0;
        loop {
            let error = match self.try_server() {
                Ok(stream) => return Ok(stream),
                Err(error) => error,
            };
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(format!(
                    "{error}; is the rendezvous running and reachable from here?"
                ));
            }
            thread::park_timeout(pause.min(left));
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    fn try_server(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in self.rendezvous.address.to_socket_addrs()? {
            match connect(&address, self.deadline) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Connects to every rank below this one.
    fn call(&self, group: &Group) -> Result<Vec<(usize, Link)>, String> {
        let below = group.addresses.iter().enumerate().take(self.place.rank);
        below
            .map(|(to, address)| {
                let open = |channel| {
                    let opened = self.call_one(group, to, (address, channel));
                    opened.map_err(|error| format!("cannot reach rank {to} at {address}: {error}"))
                };
                let (data, words) = (open(Channel::Data)?, open(Channel::Words)?);
                Ok((to, Link { data, words }))
            })
            .collect()
    }

    fn call_one(
        &self,
        group: &Group,
        to: usize,
        (address, channel): (&SocketAddr, Channel),
    ) -> Result<TcpStream, HandshakeError> {
        let stream = connect(address, self.deadline)?;
        let peer = message::write(&Peer {
            token: group.token,
            from: self.place.rank,
            to,
            channel,
        });
        let session = handshake::connect(&stream, &self.secret, &peer, self.deadline)?;
        let until = (self.deadline, Duration::ZERO);
        let answer = handshake::read_answer(&stream, &self.secret, &session, until)?;
        match message::read(&answer) {
            Some(Welcome::Taken) => Ok(stream),
            Some(Welcome::Refused { reason }) => Err(io::Error::other(reason).into()),
            None => Err(HandshakeError::Stranger),
        }
    }

    /// Waits for every rank above this one.
    fn receive(
        &self,
        group: &Group,
        visitors: &Receiver<Visitor>,
    ) -> Result<Vec<(usize, Link)>, String> {
        let above = self.place.rank + 1..self.place.world_size;
        let mut open: Vec<_> = above.map(|rank| (rank, [None, None])).collect();
        while let Some((missing, _)) = open
            .iter()
            .find(|(_, links)| links.iter().any(Option::is_none))
        {
            let left = self.deadline.saturating_duration_since(Instant::now());
            let Ok(visitor) = visitors.recv_timeout(left) else {
                return Err(format!(
                    "rank {missing} met the group but did not connect to rank {}",
                    self.place.rank
                ));
            };
            self.seat(group, visitor, &mut open);
        }
        let link = |(rank, links): (usize, [Option<TcpStream>; 2])| {
            let [Some(data), Some(words)] = links else {
                return None;
            };
            Some((rank, Link { data, words }))
        };
        Ok(open.into_iter().filter_map(link).collect())
    }

    /// Takes a peer's connection, or says why not.
    fn seat(&self, group: &Group, visitor: Visitor, open: &mut [(usize, [Option<TcpStream>; 2])]) {
        let Visitor {
            stream,
            session,
            message,
        } = visitor;
        let peer = message::read::<Peer>(&message);
        let expected = peer.filter(|peer| peer.token == group.token && peer.to == self.place.rank);
        let seat = expected.and_then(|peer| {
            let (_, links) = open.iter_mut().find(|(rank, _)| *rank == peer.from)?;
            Some(&mut links[peer.channel as usize]).filter(|seat| seat.is_none())
        });
        let welcome = match seat {
            Some(_) => Welcome::Taken,
            None => Welcome::Refused {
                reason: "it belongs to another group".into(),
            },
        };
        let answer = message::write(&welcome);
        let answered = handshake::answer(&stream, &self.secret, &session, (&answer, self.deadline));
        if let (Some(seat), Ok(())) = (seat, answered) {
            *seat = Some(stream);
        }
    }
}

/// Connects within the deadline.
fn connect(address: &SocketAddr, deadline: Instant) -> io::Result<TcpStream> {
    let left = deadline.saturating_duration_since(Instant::now());
    let stream = TcpStream::connect_timeout(address, left.max(Duration::from_millis(1)))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
