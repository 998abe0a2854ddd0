//! The ranks of all nodes, as the leader sees them: its own, and those of other nodes' agents.
//!
//! Rules: a node whose agent is gone or silent is lost with all its ranks; an agent that comes again
//! takes the place of its older self.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use schliff_collective::rendezvous::{Door, Secret};
use schliff_spec::request::Request;

use crate::control::{Join, Order, Report, bound, hear, say};
use crate::crew::Crew;
use crate::generation::News;
use crate::hands::{Hands, Ranks};
use crate::supervisor::Input;

/// Signs of life go out so often.
const BEAT: Duration = Duration::from_secs(1);

/// The ranks of all nodes.
pub(crate) struct NodeRanks {
    own: Hands,
    /// Those on which the newest generation runs.
    crew: Crew,
    /// Where ranks of this node listen.
    listen: IpAddr,
    lobby: Arc<Lobby>,
    _door: Door,
    beaten: Instant,
}

/// The other nodes' agents that are there.
struct Lobby {
    nodes: usize,
    agents: Mutex<BTreeMap<usize, Agent>>,
    outbox: SyncSender<Input>,
}

struct Agent {
    stream: TcpStream,
    listen: IpAddr,
    /// Tells this visit from a later one of the same node.
    visit: SocketAddr,
}

impl Lobby {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, Agent>> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stays with a node's agent until it leaves.
    fn receive(&self, stream: TcpStream, message: &[u8]) {
        let Ok(join) = serde_json::from_slice::<Join>(message) else {
            return;
        };
        let own_version = env!("CARGO_PKG_VERSION");
        if join.node == 0 || join.node >= self.nodes || join.version != own_version {
            return;
        }
        let (Ok(visit), Ok(copy)) = (stream.peer_addr(), stream.try_clone()) else {
            return;
        };
        if bound(&stream).is_err() {
            return;
        }
        let agent = Agent {
            stream: copy,
            listen: join.listen.unwrap_or(visit.ip()),
            visit,
        };
        if let Some(older) = self.lock().insert(join.node, agent) {
            let _ = older.stream.shutdown(Shutdown::Both);
            let _ = self.outbox.send(Input::NodeLost(join.node));
        }
        let _ = self.outbox.send(Input::NodeJoined(join.node));
        hear(&stream, |report| self.report(join.node, report));
        let mut agents = self.lock();
        if agents
            .get(&join.node)
            .is_some_and(|agent| agent.visit == visit)
        {
            agents.remove(&join.node);
            drop(agents);
            let _ = self.outbox.send(Input::NodeLost(join.node));
        }
    }

    fn report(&self, node: usize, report: Report) -> bool {
        let input = match report {
            Report::Alive => return true,
            Report::News {
                generation,
                rank,
                news,
            } => Input::Rank {
                generation,
                rank,
                news,
            },
            Report::Signal { signal } => Input::Signal { node, signal },
            // Its end is the loss of the node, told in its words.
            Report::CannotStart {
                generation,
                first_rank: rank,
                why,
            } => {
                let news = News::Words(why);
                let input = Input::Rank {
                    generation,
                    rank,
                    news,
                };
                let _ = self.outbox.send(input);
                return false;
            }
        };
        self.outbox.send(input).is_ok()
    }
}

impl NodeRanks {
    /// Opens the door for the other nodes' agents on the first address that is free.
    pub(crate) fn open(
        own: Hands,
        crew: Crew,
        (addresses, listen): (&[SocketAddr], IpAddr),
        (secret, outbox): (Secret, SyncSender<Input>),
    ) -> io::Result<Self> {
        let lobby = Arc::new(Lobby {
            nodes: crew.nodes().len(),
            agents: Mutex::default(),
            outbox,
        });
        let mut failed = io::Error::other("no port is left to try");
        for address in addresses {
            let host = Arc::clone(&lobby);
            let door = Door::open(*address, secret.clone(), move |stream, message| {
                host.receive(stream, &message);
            });
            match door {
                Ok(door) => {
                    return Ok(Self {
                        own,
                        crew,
                        listen,
                        lobby,
                        _door: door,
                        beaten: Instant::now(),
                    });
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    fn say(&self, node: usize, order: &Order) {
        if let Some(agent) = self.lobby.lock().get(&node)
            && say(&agent.stream, order).is_err()
        {
            // The thread that hears this agent tells its loss.
            let _ = agent.stream.shutdown(Shutdown::Both);
        }
    }

    fn say_all(&self, order: &Order) {
        for node in 1..self.lobby.nodes {
            self.say(node, order);
        }
    }
}

/// Puts the address on which a rank listens into its request.
fn listening(mut request: Request, listen: IpAddr) -> Request {
    if let Request::Run { place, .. } = &mut request
        && let Some(rendezvous) = &mut place.rendezvous
    {
        rendezvous.listen = listen;
    }
    request
}

impl Ranks for NodeRanks {
    fn start(&mut self, generation: u64, crew: &Crew, requests: Vec<Request>) -> io::Result<()> {
        self.crew.clone_from(crew);
        let ranks_per_node = crew.ranks_per_node().max(1);
        let mut shares = requests.chunks(ranks_per_node);
        let own = shares.next().unwrap_or_default().iter();
        let own: Vec<_> = own
            .map(|request| listening(request.clone(), self.listen))
            .collect();
        for ((place, &node), requests) in crew.nodes().iter().enumerate().skip(1).zip(shares) {
            let Some(listen) = self.lobby.lock().get(&node).map(|agent| agent.listen) else {
                // Its loss is on its way to the supervisor.
                continue;
            };
            let requests = requests.iter();
            let order = Order::Start {
                generation,
                first_rank: place * ranks_per_node,
                requests: requests
                    .map(|request| listening(request.clone(), listen))
                    .collect(),
            };
            self.say(node, &order);
        }
        self.own.start_from(generation, 0, &own)
    }

    fn signal(&self, rank: usize, signal: i32) {
        match self.crew.node_of(rank) {
            Some(0) => self.own.signal(rank, signal),
            Some(node) => self.say(node, &Order::Signal { rank, signal }),
            None => {}
        }
    }

    fn look_at(&mut self, input: &Input) {
        self.own.look_at(input);
        if self.beaten.elapsed() >= BEAT {
            self.beaten = Instant::now();
            self.say_all(&Order::Alive);
        }
    }

    fn over(&mut self, exit: i32) {
        self.say_all(&Order::Bye { exit });
    }
}
