//! Carries messages to the supervisor and does what it says.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use schliff_spec::event::Event;
use schliff_spec::job::Job;
use schliff_spec::place::{CollectiveKind, Place};
use schliff_spec::request::{Request, Start};
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use thiserror::Error;

use crate::hands::{Hands, Trainer};
use crate::limits::Limits;
use crate::meeting::Meeting;
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
    /// Ranks cannot meet.
    #[error("cannot open a meeting point for the ranks")]
    Meeting(#[source] io::Error),
}

/// Who is shown what happens.
pub trait Listener {
    /// A rank reports.
    fn event(&mut self, rank: usize, event: &Event);
    /// A rank wrote a line for people.
    fn words(&mut self, rank: usize, line: &str);
    /// The supervisor says something.
    fn tell(&mut self, text: &str);
}

/// Training by several ranks on this machine.
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
    /// Restarts without progress in between.
    pub max_restarts: u32,
    /// Time limits.
    pub limits: Limits,
}

impl Run {
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
                world_size: self.ranks,
                local_rank: rank,
                local_world_size: self.ranks,
                generation: attempt.generation,
                collective: self.collective,
                rendezvous: meeting.map(|meeting| meeting.invitation(LOCAL)),
            },
            start,
        }
    }
}

/// Ranks of one machine meet here.
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// One start of the group.
#[derive(Clone, Copy)]
struct Attempt {
    generation: u64,
    committed: bool,
}

/// Trains, and starts lost groups again.
///
/// # Errors
/// Supervision could not begin; what happens to ranks is in the [`Outcome`].
pub fn run(
    run: &Run,
    trainer: Trainer,
    listener: &mut dyn Listener,
) -> Result<Outcome, ShellError> {
    let settings = Settings {
        ranks: run.ranks,
        nodes: 1,
        limits: run.limits,
        budget: Budget::of(run.max_restarts),
        only_term: false,
    };
    let meeting = match run.ranks {
        1 => None,
        _ => Some(Meeting::open(LOCAL).map_err(ShellError::Meeting)?),
    };
    let mut shell = Shell::new(settings, trainer)?;
    shell.supervise(listener, |attempt| {
        if let Some(meeting) = &meeting {
            meeting.expect(attempt.generation, run.ranks);
        }
        (0..run.ranks)
            .map(|rank| run.request(rank, attempt, meeting.as_ref()))
            .collect()
    })
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
        limits: Limits::none(),
        budget: Budget::of(0),
        only_term: true,
    };
    let mut shell = Shell::new(settings, trainer)?;
    shell.supervise(listener, |_| vec![request.clone()])
}

struct Shell {
    settings: Settings,
    hands: Hands,
    program: PathBuf,
    inbox: std::sync::mpsc::Receiver<Input>,
    /// Kept, so that the inbox never ends.
    _outbox: SyncSender<Input>,
    /// In place before any rank is, so that no signal falls between the two.
    _signals: Forwarding,
}

impl Shell {
    fn new(settings: Settings, trainer: Trainer) -> Result<Self, ShellError> {
        let (outbox, inbox) = sync_channel(IN_FLIGHT);
        let signals: &[i32] = match settings.only_term {
            true => &[SIGINT, SIGTERM],
            false => &[SIGINT, SIGTERM, SIGUSR1, SIGUSR2],
        };
        let signals = Forwarding::start(signals, outbox.clone()).map_err(ShellError::Signals)?;
        Ok(Self {
            settings,
            program: trainer.program.clone(),
            hands: Hands::new(trainer, outbox.clone()),
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
        let now_ms = || u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut supervisor = Supervisor::new(self.settings, now_ms());
        let mut input = Input::Tick;
        loop {
            self.hands.look_at(&input);
            for action in supervisor.step(input, now_ms()) {
                self.act(action, listener, &requests)?;
            }
            if let Some(outcome) = supervisor.outcome() {
                return Ok(outcome.clone());
            }
            input = match self.inbox.recv_timeout(TICK) {
                Ok(input) => input,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Input::Tick,
            };
        }
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
            } => {
                let attempt = Attempt {
                    generation,
                    committed,
                };
                let started = self.hands.start(generation, 0, &requests(attempt));
                return started.map_err(|source| ShellError::Start {
                    program: self.program.clone(),
                    source,
                });
            }
            Action::Signal { rank, signal } => self.hands.signal(rank, signal),
            Action::Show { rank, event } => listener.event(rank, &event),
            Action::Words { rank, line } => listener.words(rank, &line),
            Action::Tell(text) => listener.tell(&text),
        }
        Ok(())
    }
}
