//! The server of the rendezvous, one over all generations of a job.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::gate::{Gate, Host, Visitor, lock};
use super::handshake::{self, Session};
use super::message::{self, Answer, Group, Member};
use super::secret::{Secret, random};
use super::table::{Table, Ticket, Word};

/// For an answer to leave; it is a few kilobytes.
const ANSWER: Duration = Duration::from_secs(5);

/// Where ranks meet. It ends when it is dropped.
pub struct Server {
    address: SocketAddr,
    /// Dropped first, so that nobody comes in while those inside are sent away.
    gate: Option<Gate>,
    lobby: Arc<Lobby>,
}

/// Those who wait, and what is known of them.
struct Lobby {
    secret: Secret,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    table: Table,
    next: Ticket,
    waiting: BTreeMap<Ticket, (TcpStream, Session)>,
    closed: bool,
}

impl Server {
    /// Listens on `bind`; port 0 takes a free one.
    ///
    /// # Errors
    /// The address cannot be had.
    pub fn start(bind: SocketAddr, secret: Secret) -> io::Result<Self> {
        let lobby = Arc::new(Lobby {
            secret: secret.clone(),
            state: Mutex::default(),
        });
        let own = Arc::clone(&lobby);
        let host: Host = Arc::new(move |visitor| own.receive(visitor));
        let gate = Gate::open(bind, secret, host)?;
        Ok(Self {
            address: gate.address(),
            gate: Some(gate),
            lobby,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Opens the next generation. Members of an older one that still wait are told so and older
    /// ones are refused from now on; a generation that is not newer changes nothing.
    pub fn expect(&self, generation: u64, world_size: usize) {
        let mut state = lock(&self.lobby.state);
        let words = state.table.expect(generation, world_size);
        self.lobby.say(&mut state, words);
    }

    /// Ranks of the newest generation that have come.
    pub fn joined(&self) -> usize {
        lock(&self.lobby.state).table.joined()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.gate.take());
        let mut state = lock(&self.lobby.state);
        state.closed = true;
        let tickets: Vec<_> = state.waiting.keys().copied().collect();
        let gone = |ticket| Word::Refused(ticket, "the rendezvous has ended".into());
        self.lobby.say(&mut state, tickets.into_iter().map(gone));
    }
}

impl Lobby {
    /// Seats a visitor, and stays with it until it leaves.
    fn receive(&self, visitor: Visitor) {
        let Visitor {
            stream,
            session,
            message,
        } = visitor;
        let Some(member) = message::read::<Member>(&message) else {
            return;
        };
        let Ok(copy) = stream.try_clone() else {
            return;
        };
        let ticket = {
            let mut state = lock(&self.state);
            state.next += 1;
            let ticket = state.next;
            state.waiting.insert(ticket, (copy, session));
            let word = if state.closed {
                Some(Word::Refused(ticket, "the rendezvous has ended".into()))
            } else {
                state.table.come(ticket, member)
            };
            self.say(&mut state, word);
            ticket
        };
        wait_for_end(stream);
        let mut state = lock(&self.state);
        let word = state.table.leave(ticket);
        self.say(&mut state, word);
        state.waiting.remove(&ticket);
    }

    /// Tells members their words. A member that cannot be told has gone, and its thread sees that.
    fn say(&self, state: &mut State, words: impl IntoIterator<Item = Word>) {
        for word in words {
            match word {
                Word::Refused(ticket, reason) => {
                    self.answer(state, ticket, &Answer::Refused { reason });
                }
                Word::Complete(members) => self.complete(state, &members),
            }
        }
    }

    fn complete(&self, state: &mut State, members: &[(Ticket, SocketAddr)]) {
        let answer = match random() {
            Ok(token) => Answer::Complete(Group {
                token,
                addresses: members.iter().map(|(_, address)| *address).collect(),
            }),
            Err(error) => Answer::Refused {
                reason: format!("the rendezvous has no randomness: {error}"),
            },
        };
        for (ticket, _) in members {
            self.answer(state, *ticket, &answer);
        }
    }

    fn answer(&self, state: &mut State, ticket: Ticket, answer: &Answer) {
        if let Some((stream, session)) = state.waiting.remove(&ticket) {
            let message = message::write(answer);
            let deadline = Instant::now() + ANSWER;
            let _ = handshake::answer(&stream, &self.secret, &session, (&message, deadline));
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Waits until the other side has nothing more to say; anything it does say ends the wait too.
fn wait_for_end(mut stream: TcpStream) {
    let _ = stream.set_read_timeout(None);
    let _ = stream.read(&mut [0]);
}
