//! Carries messages to the supervisor and does what it says.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use schliff_spec::event::Event;
use schliff_spec::job::Job;
use schliff_spec::place::{CollectiveKind, Place};
use schliff_spec::request::{Request, Start};
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use thiserror::Error;

use crate::crew::Crew;
use crate::hands::{Hands, Ranks, Trainer};
use crate::limits::Limits;
use crate::meeting::Meeting;
use crate::mpi::{MPIRUN, MpiRanks};
use crate::nodes::NodeRanks;
use crate::outcome::Outcome;
use crate::restart::Budget;
use crate::signals::Forwarding;
use crate::supervisor::{Action, Input, Settings, Supervisor};

/// Messages in flight; a full channel makes ranks wait, which is harmless.
const IN_FLIGHT: usize = 256;
/// The supervisor looks at the time at least so often.
const TICK: Duration = Duration::from_millis(100);

/// Supervision could not begin or go on.
#[derive(Debug, Error)]
pub enum ShellError {
    /// The trainer program does not start.
    #[error("cannot start {program}")]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Signals cannot be caught.
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
    /// The leader of the nodes was never there.
    #[error("cannot reach the leader at {leader}")]
    Leader {
        /// Where it was looked for.
        leader: String,
        /// Why.
        source: io::Error,
    },
    /// Ranks cannot meet.
    #[error("cannot open a meeting point for the ranks")]
    Meeting(#[source] io::Error),
}

/// Who is shown what happens, and may ask for an end.
pub trait Listener {
    /// A rank reports; signs of life, too.
    fn event(&mut self, rank: usize, event: &Event);
    /// A rank wrote a line for people.
    fn words(&mut self, rank: usize, line: &str);
    /// The supervisor says something.
    fn tell(&mut self, text: &str);
    /// All ranks are started on these nodes, for the first time or again.
    fn begins(&mut self, _crew: &Crew) {}
    /// This is how supervision ended.
    fn over(&mut self, _outcome: &Outcome) {}
    /// What the listener wants, asked for at every turn.
    fn asked(&mut self) -> Option<Asked> {
        None
    }
    /// A later start of the same attempt has taken over; asked at every turn.
    fn is_superseded(&mut self) -> bool {
        false
    }
    /// No later start has; asked before ranks are started.
    fn may_begin(&mut self) -> bool {
        true
    }
}

/// What a listener may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// As SIGTERM: stop at a step boundary, with a checkpoint.
    Stop,
    /// End at once.
    Abort,
}

/// Training by several ranks.
#[derive(Clone, Debug)]
pub struct Run {
    /// The job.
    pub job: Box<Job>,
    /// Folder of the result.
    pub out: PathBuf,
    /// How the first generation begins.
    pub start: Start,
    /// How sums are exchanged.
    pub collective: CollectiveKind,
    /// Ranks.
    pub ranks: usize,
    /// Nodes, in even shares of ranks.
    pub nodes: usize,
    /// The fewest nodes that it can do with where some are lost: halved so often as it takes, it goes on
    /// with those that are left.
    pub min_nodes: usize,
    /// Restarts without progress in between.
    pub max_restarts: u32,
    /// Time limits.
    pub limits: Limits,
    /// Ranks are asked to stop at a step boundary so long after the start.
    pub stop_after: Option<Duration>,
}

impl Run {
    /// Ranks on each node.
    pub fn ranks_per_node(&self) -> usize {
        (self.ranks / self.nodes.max(1)).max(1)
    }

    fn settings(&self) -> Settings {
        Settings {
            ranks: self.ranks,
            nodes: self.nodes,
            min_nodes: self.min_nodes,
            limits: self.limits,
            budget: Budget::of(self.max_restarts),
            only_term: false,
            stop_after_ms: self.stop_after.map(in_ms),
        }
    }

    /// What all ranks are asked for.
    fn requests(&self, attempt: Attempt, meeting: Option<&Meeting>) -> Vec<Request> {
        if let Some(meeting) = meeting {
            meeting.expect(attempt.generation, attempt.ranks);
        }
        (0..attempt.ranks)
            .map(|rank| self.request(rank, attempt, meeting))
            .collect()
    }

    /// What rank `rank` is asked for.
    fn request(&self, rank: usize, attempt: Attempt, meeting: Option<&Meeting>) -> Request {
        let start = match (&self.start, attempt.committed) {
            (_, true) => Start::Continue,
            // Nothing is committed, but it may have been without a word of it.
            (Start::Fresh, false) if attempt.generation > 0 => Start::Continue,
            (start, false) => start.clone(),
        };
        Request::Run {
            job: self.job.clone(),
            out: self.out.clone(),
            place: Place {
                rank,
                world_size: attempt.ranks,
                local_rank: rank % self.ranks_per_node(),
                local_world_size: self.ranks_per_node(),
                generation: attempt.generation,
                collective: self.collective,
                rendezvous: meeting.map(|meeting| meeting.invitation(LOCAL)),
            },
            start,
        }
    }
}

fn in_ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Ranks of one machine meet here.
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// One start of the group.
#[derive(Clone, Copy)]
struct Attempt {
    generation: u64,
    committed: bool,
    ranks: usize,
}

/// Trains on this machine, and starts lost groups again.
///
/// # Errors
/// Supervision could not begin; what happens to ranks is in the [`Outcome`].
pub fn run(
    run: &Run,
    trainer: Trainer,
    listener: &mut dyn Listener,
) -> Result<Outcome, ShellError> {
    let is_mpi = run.collective == CollectiveKind::Mpi;
    let meeting = match run.ranks {
        1 if !is_mpi => None,
        _ => Some(Meeting::open(LOCAL).map_err(ShellError::Meeting)?),
    };
    let program = match is_mpi {
        true => PathBuf::from(MPIRUN),
        false => trainer.program.clone(),
    };
    let mut shell = Shell::new(run.settings(), program, |outbox| match &meeting {
        Some(meeting) if is_mpi => {
            let host = SocketAddr::new(LOCAL, 0);
            let ranks = MpiRanks::new(trainer, host, meeting.secret(), outbox);
            Ok(Box::new(ranks.map_err(ShellError::Meeting)?))
        }
        _ => Ok(Box::new(Hands::new(trainer, outbox))),
    })?;
    shell.supervise(listener, |attempt| run.requests(attempt, meeting.as_ref()))
}

/// Where the leader of several nodes is found.
#[derive(Clone, Debug)]
pub struct Lead {
    /// Addresses of its door; the first that is free is taken.
    pub addresses: Vec<SocketAddr>,
    /// Where it and ranks of its node listen.
    pub listen: IpAddr,
    /// The file with the job's secret; made, and removed at the end, where it is absent.
    pub secret_file: PathBuf,
}

/// Trains on several nodes, this one leading.
///
/// # Errors
/// As [`run`].
pub fn lead(
    run: &Run,
    lead: &Lead,
    trainer: Trainer,
    listener: &mut dyn Listener,
) -> Result<Outcome, ShellError> {
    let meeting = Meeting::open_at(lead.listen, &lead.secret_file).map_err(ShellError::Meeting)?;
    let program = trainer.program.clone();
    let mut shell = Shell::new(run.settings(), program, |outbox| {
        let own = Hands::new(trainer, outbox.clone());
        let crew = Crew::whole(run.nodes, run.ranks_per_node());
        let places = (lead.addresses.as_slice(), lead.listen);
        let (secret, _) = meeting.secret();
        let ranks = NodeRanks::open(own, crew, places, (secret, outbox));
        Ok(Box::new(ranks.map_err(ShellError::Meeting)?))
    })?;
    shell.supervise(listener, |attempt| run.requests(attempt, Some(&meeting)))
}

/// Lets one trainer answer one request, however long it takes.
///
/// # Errors
/// The trainer could not be started.
pub fn ask(
    request: &Request,
    trainer: Trainer,
    listener: &mut dyn Listener,
) -> Result<Outcome, ShellError> {
    let settings = Settings {
        ranks: 1,
        nodes: 1,
        min_nodes: 1,
        limits: Limits::none(),
        budget: Budget::of(0),
        only_term: true,
        stop_after_ms: None,
    };
    let program = trainer.program.clone();
    let mut shell = Shell::new(settings, program, |outbox| {
        Ok(Box::new(Hands::new(trainer, outbox)))
    })?;
    shell.supervise(listener, |_| vec![request.clone()])
}

struct Shell {
    settings: Settings,
    ranks: Box<dyn Ranks>,
    program: PathBuf,
    inbox: Receiver<Input>,
    /// Kept, so that the inbox never ends.
    _outbox: SyncSender<Input>,
    /// In place before any rank is, so that no signal falls between the two.
    _signals: Forwarding,
}

impl Shell {
    fn new(
        settings: Settings,
        program: PathBuf,
        ranks: impl FnOnce(SyncSender<Input>) -> Result<Box<dyn Ranks>, ShellError>,
    ) -> Result<Self, ShellError> {
        let (outbox, inbox) = sync_channel(IN_FLIGHT);
        let signals: &[i32] = match settings.only_term {
            true => &[SIGINT, SIGTERM],
            false => &[SIGINT, SIGTERM, SIGUSR1, SIGUSR2],
        };
        let signals = Forwarding::start(0, signals, outbox.clone()).map_err(ShellError::Signals)?;
        Ok(Self {
            settings,
            program,
            ranks: ranks(outbox.clone())?,
            inbox,
            _outbox: outbox,
            _signals: signals,
        })
    }

    fn supervise(
        &mut self,
        listener: &mut dyn Listener,
        requests: impl Fn(Attempt) -> Vec<Request>,
    ) -> Result<Outcome, ShellError> {
        let clock = Instant::now();
        let now_ms = || in_ms(clock.elapsed());
        let mut supervisor = Supervisor::new(self.settings, now_ms());
        let mut input = Input::Tick;
        let mut is_superseded = false;
        loop {
            self.ranks.look_at(&input);
            for action in supervisor.step(input, now_ms()) {
                if matches!(action, Action::Start { .. }) && !listener.may_begin() {
                    return Ok(self.over(Outcome::Superseded, listener));
                }
                self.act(action, listener, &requests)?;
            }
            if let Some(outcome) = supervisor.outcome() {
                let outcome = match is_superseded {
                    true => Outcome::Superseded,
                    false => outcome.clone(),
                };
                return Ok(self.over(outcome, listener));
            }
            let is_newly = !is_superseded && listener.is_superseded();
            is_superseded |= is_newly;
            input = match listener.asked() {
                _ if is_newly => Input::Abort,
                Some(Asked::Stop) => Input::Signal {
                    node: 0,
                    signal: SIGTERM,
                },
                Some(Asked::Abort) => Input::Abort,
                None => self.inbox.recv_timeout(TICK).unwrap_or(Input::Tick),
            };
        }
    }

    /// No rank is left.
    fn over(&mut self, outcome: Outcome, listener: &mut dyn Listener) -> Outcome {
        self.ranks.over(outcome.exit().code());
        listener.over(&outcome);
        outcome
    }

    fn act(
        &mut self,
        action: Action,
        listener: &mut dyn Listener,
        requests: &impl Fn(Attempt) -> Vec<Request>,
    ) -> Result<(), ShellError> {
        match action {
            Action::Start {
                generation,
                committed,
                crew,
            } => {
                let attempt = Attempt {
                    generation,
                    committed,
                    ranks: crew.ranks(),
                };
                let started = self.ranks.start(generation, &crew, requests(attempt));
                listener.begins(&crew);
                return started.map_err(|source| ShellError::Start {
                    program: self.program.clone(),
                    source,
                });
            }
            Action::Signal { rank, signal } => self.ranks.signal(rank, signal),
            Action::Show { rank, event } => listener.event(rank, &event),
            Action::Words { rank, line } => listener.words(rank, &line),
            Action::Tell(text) => listener.tell(&text),
        }
        Ok(())
    }
}
