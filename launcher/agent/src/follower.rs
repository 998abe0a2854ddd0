//! The agent of a node that does not lead: does what the leader orders, and tells what it hears.
//!
//! Rules: without the leader there is nothing to do: its ranks end with the connection, at once;
//! until the leader is there it is asked for again and again, for a bounded time.

use std::io;
use std::net::{IpAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use schliff_collective::rendezvous::{Secret, call};
use schliff_spec::exit::ExitCode;
use schliff_spec::request::Request;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1, SIGUSR2};

use crate::control::{Join, Order, Report, bound, hear, say};
use crate::hands::{Hands, Ranks, Trainer};
use crate::shell::{Asked, Listener, ShellError};
use crate::signals::Forwarding;
use crate::supervisor::Input;

const IN_FLIGHT: usize = 256;
/// Signs of life go out so often.
const BEAT: Duration = Duration::from_secs(1);
/// The listener is asked so often what it wants.
const TURN: Duration = Duration::from_millis(200);
/// The leader is asked for so often, and answers within this.
const PAUSE: Duration = Duration::from_millis(300);
const ANSWER: Duration = Duration::from_secs(5);

/// Where a follower belongs.
#[derive(Clone, Debug)]
pub struct Follower {
    /// This node, from 1.
    pub node: usize,
    /// Where the leader may be, `host:port` each.
    pub leader: Vec<String>,
    /// The file with the job's secret.
    pub secret_file: PathBuf,
    /// Where ranks of this node listen; the address that leads to the leader where absent.
    pub listen: Option<IpAddr>,
    /// For the leader to be there.
    pub patience: Duration,
}

/// What a follower hears.
enum Heard {
    Order(Order),
    LeaderLost,
    Own(Input),
}

/// Follows the leader to the end. Gives the exit code that the leader said, or that it was lost.
///
/// # Errors
/// The leader was never there, or signals cannot be caught.
pub fn follow(
    follower: &Follower,
    trainer: Trainer,
    listener: &mut dyn Listener,
) -> Result<ExitCode, ShellError> {
    let (outbox, inbox) = sync_channel(IN_FLIGHT);
    let signals = [SIGINT, SIGTERM, SIGUSR1, SIGUSR2];
    let _signals =
        Forwarding::start(follower.node, &signals, outbox.clone()).map_err(ShellError::Signals)?;
    let stream = match join(follower, &inbox, listener)? {
        Some(stream) => Arc::new(stream),
        None if listener.is_superseded() => return Ok(ExitCode::Superseded),
        None => return Ok(ExitCode::Interrupted),
    };
    let mut hands = Hands::new(trainer, outbox);
    let heard = merge(&stream, inbox);
    let mut beaten = Instant::now();
    loop {
        // Its ranks end with it.
        if listener.is_superseded() {
            return Ok(ExitCode::Superseded);
        }
        match listener.asked() {
            // Its ranks end with it, and the leader learns of that by the connection's end.
            Some(Asked::Abort) => return Ok(ExitCode::Interrupted),
            Some(Asked::Stop) if say(&stream, &Report::Signal { signal: SIGTERM }).is_err() => {
                return Ok(ExitCode::GroupLost);
            }
            Some(Asked::Stop) | None => {}
        }
        let next = match heard.recv_timeout(TURN) {
            Ok(Heard::Own(input)) => {
                hands.look_at(&input);
                report(&stream, input)
            }
            Ok(Heard::Order(Order::Bye { exit })) => {
                return Ok(ExitCode::of(exit).unwrap_or(ExitCode::Bug));
            }
            Ok(Heard::Order(Order::Start { .. })) if !listener.may_begin() => {
                return Ok(ExitCode::Superseded);
            }
            Ok(Heard::Order(order)) => obey(&mut hands, order, follower, &stream),
            Ok(Heard::LeaderLost) | Err(RecvTimeoutError::Disconnected) => {
                return Ok(ExitCode::GroupLost);
            }
            Err(RecvTimeoutError::Timeout) => Ok(()),
        };
        let alive = if beaten.elapsed() >= BEAT {
            beaten = Instant::now();
            say(&stream, &Report::Alive)
        } else {
            Ok(())
        };
        if next.and(alive).is_err() {
            return Ok(ExitCode::GroupLost);
        }
    }
}

/// Asks for the leader until it lets this node in; nothing where it is to end before that.
fn join(
    follower: &Follower,
    inbox: &Receiver<Input>,
    listener: &mut dyn Listener,
) -> Result<Option<TcpStream>, ShellError> {
    let message = Join {
        node: follower.node,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        listen: follower.listen,
    };
    let message =
        serde_json::to_vec(&message).map_err(|error| ShellError::Meeting(error.into()))?;
    let deadline = Instant::now() + follower.patience;
    loop {
        let mut failed = io::Error::other("no address is known");
        for address in &follower.leader {
            let secret = Secret::read(&follower.secret_file);
            match secret.and_then(|secret| call(address, &secret, &message, ANSWER)) {
                Ok(stream) => {
                    bound(&stream).map_err(ShellError::Meeting)?;
                    return Ok(Some(stream));
                }
                Err(error) => failed = error,
            }
        }
        if Instant::now() >= deadline {
            let leader = follower.leader.join(", ");
            return Err(ShellError::Leader {
                leader,
                source: failed,
            });
        }
        let signal = inbox.recv_timeout(PAUSE);
        let is_told = matches!(signal, Ok(Input::Signal { .. }));
        if is_told || listener.asked().is_some() || listener.is_superseded() {
            return Ok(None);
        }
    }
}

/// Orders and own news in one channel.
fn merge(stream: &Arc<TcpStream>, inbox: Receiver<Input>) -> Receiver<Heard> {
    let (outbox, heard): (SyncSender<Heard>, _) = sync_channel(IN_FLIGHT);
    let (stream, orders) = (Arc::clone(stream), outbox.clone());
    thread::spawn(move || {
        hear(&stream, |order| orders.send(Heard::Order(order)).is_ok());
        let _ = orders.send(Heard::LeaderLost);
    });
    thread::spawn(move || {
        for input in inbox {
            if outbox.send(Heard::Own(input)).is_err() {
                return;
            }
        }
    });
    heard
}

fn report(stream: &TcpStream, input: Input) -> io::Result<()> {
    let report = match input {
        Input::Rank {
            generation,
            rank,
            news,
        } => Report::News {
            generation,
            rank,
            news,
        },
        Input::Signal { signal, .. } => Report::Signal { signal },
        Input::NodeJoined(_) | Input::NodeLost(_) | Input::Abort | Input::Tick => return Ok(()),
    };
    say(stream, &report)
}

fn obey(
    hands: &mut Hands,
    order: Order,
    follower: &Follower,
    stream: &TcpStream,
) -> io::Result<()> {
    match order {
        Order::Alive | Order::Bye { .. } => Ok(()),
        Order::Signal { rank, signal } => {
            hands.signal(rank, signal);
            Ok(())
        }
        Order::Start {
            generation,
            first_rank,
            mut requests,
        } => {
            for request in &mut requests {
                // The leader's path need not be this node's.
                if let Request::Run { place, .. } = request
                    && let Some(rendezvous) = &mut place.rendezvous
                {
                    rendezvous.secret_file.clone_from(&follower.secret_file);
                }
            }
            match hands.start_from(generation, first_rank, &requests) {
                Ok(()) => Ok(()),
                Err(error) => {
                    let why = format!("node {} cannot start its ranks: {error}", follower.node);
                    say(
                        stream,
                        &Report::CannotStart {
                            generation,
                            first_rank,
                            why,
                        },
                    )?;
                    Err(error)
                }
            }
        }
    }
}
