//! What becomes of a job's ranks: started, watched, ended, started again. Pure.
//!
//! Messages and the time go in, actions come out; [`crate::shell`] carries them. Rules: a lost group
//! ends whole, by request and after a bound by force, before the next generation begins; the wish to
//! stop is stronger than any restart; each kind of signal is forwarded once, and the second Ctrl-C
//! kills. Absent on purpose: processes, sockets and clocks.

use schliff_spec::event::Event;
use schliff_spec::exit::ExitCode;
use signal_hook::consts::{SIGKILL, SIGTERM};

use crate::cause::{Cause, Ending, Trouble};
use crate::crew::{Crew, Roster, Terms};
use crate::generation::{Generation, News, Standing};
use crate::limits::Limits;
use crate::outcome::{Outcome, Stopped, done, failed};
use crate::restart::{Budget, Decision, Restarts};
use crate::wish::Wish;

/// The watcher did not run for longer than this: what it missed is nobody's fault.
const ASLEEP_MS: u64 = 2_000;
const TIME_IS_UP: &str = "the time limit is near: stopping at the next step boundary";

/// What is supervised.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Ranks in all.
    pub ranks: usize,
    /// Nodes that they run on, in even shares.
    pub nodes: usize,
    /// The fewest nodes that they can do with where some are lost.
    pub min_nodes: usize,
    /// Time limits.
    pub limits: Limits,
    /// Restarts.
    pub budget: Budget,
    /// Every stop signal reaches ranks as SIGTERM: for verbs that know no other.
    pub only_term: bool,
    /// Ranks are asked to stop at a step boundary so long after the beginning.
    pub stop_after_ms: Option<u64>,
}

/// What the supervisor hears.
#[derive(Clone, Debug)]
pub enum Input {
    /// News of a rank.
    Rank {
        /// The generation that it belongs to.
        generation: u64,
        /// The rank.
        rank: usize,
        /// What is heard.
        news: News,
    },
    /// A node's agent got a signal.
    Signal {
        /// The node.
        node: usize,
        /// The signal.
        signal: i32,
    },
    /// All is to end at once, without a checkpoint.
    Abort,
    /// A node's agent is there.
    NodeJoined(usize),
    /// A node's agent is gone.
    NodeLost(usize),
    /// Time passed.
    Tick,
}

/// What the shell does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Starts all ranks.
    Start {
        /// Their generation.
        generation: u64,
        /// An earlier generation committed a checkpoint.
        committed: bool,
        /// The nodes that they are on.
        crew: Crew,
    },
    /// Sends a signal to a rank; SIGKILL ends all that it started, too.
    Signal {
        /// The rank.
        rank: usize,
        /// The signal.
        signal: i32,
    },
    /// Shows an event to the user.
    Show {
        /// The rank that it came from.
        rank: usize,
        /// The event.
        event: Event,
    },
    /// Shows a line that a rank wrote for people.
    Words {
        /// The rank.
        rank: usize,
        /// The line.
        line: String,
    },
    /// Tells the user something.
    Tell(String),
}

/// A job under supervision.
#[derive(Debug)]
pub struct Supervisor {
    settings: Settings,
    phase: Phase,
    number: u64,
    restarts: Restarts,
    roster: Roster,
    wish: Wish,
    /// When ranks are asked to stop, whoever else asks.
    stop_at_ms: Option<u64>,
    committed: Option<usize>,
    resumed: Option<usize>,
    last_ms: u64,
}

#[derive(Debug)]
enum Phase {
    /// Between generations.
    Waiting {
        until_ms: u64,
        give_up_ms: u64,
    },
    Running(Generation),
    Ending {
        generation: Generation,
        kill_at_ms: Option<u64>,
    },
    Over(Outcome),
}

impl Supervisor {
    /// Begins at `now_ms`; the first generation starts with the first tick after all nodes joined.
    /// Node 0 is this one.
    pub fn new(settings: Settings, now_ms: u64) -> Self {
        let give_up_ms = now_ms.saturating_add(settings.limits.absent_ms);
        let terms = Terms {
            nodes: settings.nodes,
            min_nodes: settings.min_nodes,
            ranks_per_node: settings.ranks / settings.nodes.max(1),
        };
        Self {
            settings,
            phase: Phase::Waiting {
                until_ms: now_ms,
                give_up_ms,
            },
            number: 0,
            restarts: Restarts::new(settings.budget),
            roster: Roster::new(terms, give_up_ms),
            wish: Wish::new(settings.only_term),
            stop_at_ms: settings
                .stop_after_ms
                .map(|after_ms| now_ms.saturating_add(after_ms)),
            committed: None,
            resumed: None,
            last_ms: now_ms,
        }
    }

    /// How it ended, once it has.
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.phase {
            Phase::Over(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// Takes in one message and says what is to be done.
    pub fn step(&mut self, input: Input, now_ms: u64) -> Vec<Action> {
        let slept_ms = now_ms.saturating_sub(self.last_ms);
        self.last_ms = now_ms;
        if slept_ms > ASLEEP_MS
            && let Phase::Running(generation) = &mut self.phase
        {
            generation.forgive(slept_ms);
        }
        let mut actions = Vec::new();
        match input {
            Input::Rank {
                generation,
                rank,
                news,
            } if generation.wrapping_add(1) == self.number => self.rank(rank, news, &mut actions),
            Input::Rank { .. } | Input::Tick => {}
            Input::Signal { node, signal } => {
                let told = self.wish.hear(node, signal);
                actions.extend(told.map(|told| Action::Tell(told.to_owned())));
            }
            Input::Abort => self.wish.abort(),
            Input::NodeJoined(node) => self.roster.joined(node),
            Input::NodeLost(node) => self.node_lost(node),
        }
        if self.stop_at_ms.is_some_and(|at_ms| now_ms >= at_ms) {
            self.stop_at_ms = None;
            if self.wish.hear(0, SIGTERM).is_some() {
                actions.push(Action::Tell(TIME_IS_UP.to_owned()));
            }
        }
        self.advance(&mut actions);
        actions
    }

    fn generation(&mut self) -> Option<&mut Generation> {
        match &mut self.phase {
            Phase::Running(generation) | Phase::Ending { generation, .. } => Some(generation),
            Phase::Waiting { .. } | Phase::Over(_) => None,
        }
    }

    fn rank(&mut self, rank: usize, news: News, actions: &mut Vec<Action>) {
        let now_ms = self.last_ms;
        let Some(generation) = self.generation() else {
            return;
        };
        if let News::Words(line) = &news {
            let line = line.clone();
            actions.push(Action::Words { rank, line });
        }
        let event = generation.hear(rank, news, now_ms);
        let news = (generation.committed(), generation.resumed());
        self.committed = self.committed.max(news.0);
        self.resumed = news.1.or(self.resumed);
        match event {
            None => {}
            Some(event) => actions.push(Action::Show { rank, event }),
        }
    }

    fn node_lost(&mut self, node: usize) {
        let now_ms = self.last_ms;
        let until_ms = now_ms.saturating_add(self.settings.limits.return_ms);
        self.roster.lost(node, until_ms);
        let crew = self.roster.crew();
        // One that idles is missed by nobody.
        let Some(first) = crew.first_rank(node) else {
            return;
        };
        let share = crew.ranks_per_node();
        if let Some(generation) = self.generation() {
            generation.trouble(first, Trouble::NodeLost { node });
            for rank in first..first + share {
                if generation.runs(rank) {
                    generation.hear(rank, News::Ended(Ending::default()), now_ms);
                }
            }
        }
    }

    /// Moves on as far as what is known allows.
    fn advance(&mut self, actions: &mut Vec<Action>) {
        let now_ms = self.last_ms;
        match &mut self.phase {
            Phase::Running(generation) => {
                generation.tick(now_ms);
                if self.wish.aborted() || *generation.standing() != Standing::Going {
                    self.end_generation(actions);
                    self.advance(actions);
                } else {
                    self.forward(actions);
                }
            }
            Phase::Ending {
                generation,
                kill_at_ms,
            } => {
                if generation.all_ended() {
                    self.conclude(actions);
                    self.advance(actions);
                } else if kill_at_ms.is_some_and(|at| self.wish.aborted() || now_ms >= at) {
                    *kill_at_ms = None;
                    self.signal_all(SIGKILL, actions);
                }
            }
            Phase::Waiting {
                until_ms,
                give_up_ms,
            } => {
                let (until_ms, give_up_ms) = (*until_ms, *give_up_ms);
                if self.wish.stop().is_some() {
                    self.phase = Phase::Over(Outcome::Stopped(self.stopped(None)));
                } else if now_ms >= until_ms {
                    match self.roster.next(now_ms) {
                        Some(crew) => self.start(crew, actions),
                        None if now_ms >= give_up_ms => {
                            let nodes = self.roster.absent();
                            self.phase = Phase::Over(Outcome::Absent { nodes });
                        }
                        None => {}
                    }
                }
            }
            Phase::Over(_) => {}
        }
    }

    fn start(&mut self, crew: Crew, actions: &mut Vec<Action>) {
        let (ranks, limits) = (crew.ranks(), self.settings.limits);
        self.phase = Phase::Running(Generation::new(ranks, limits, self.last_ms));
        self.wish.begin(ranks);
        let told = self.roster.begin(crew.clone());
        actions.extend(told.map(Action::Tell));
        actions.push(Action::Start {
            generation: self.number,
            committed: self.committed.is_some(),
            crew,
        });
        self.number += 1;
    }

    /// Hands on the signals that ranks have not got yet. A rank that has not greeted has no handlers
    /// yet, and the signal would kill it.
    fn forward(&mut self, actions: &mut Vec<Action>) {
        let Phase::Running(generation) = &self.phase else {
            return;
        };
        for rank in 0..self.roster.crew().ranks() {
            if generation.greeted(rank) && generation.runs(rank) {
                let signals = self.wish.undelivered(rank).into_iter();
                actions.extend(signals.map(|signal| Action::Signal { rank, signal }));
            }
        }
    }

    fn signal_all(&mut self, signal: i32, actions: &mut Vec<Action>) {
        let ranks = self.roster.crew().ranks();
        if let Some(generation) = self.generation() {
            let running = (0..ranks).filter(|&rank| generation.runs(rank));
            actions.extend(running.map(|rank| Action::Signal { rank, signal }));
        }
    }

    /// Ends the generation that runs: all of it.
    fn end_generation(&mut self, actions: &mut Vec<Action>) {
        let over = Phase::Waiting {
            until_ms: 0,
            give_up_ms: 0,
        };
        let Phase::Running(mut generation) = std::mem::replace(&mut self.phase, over) else {
            return;
        };
        generation.end();
        let at_once = self.wish.aborted()
            || matches!(
                generation.standing(),
                Standing::Breach(_) | Standing::Done(_)
            );
        // A stopped process takes no request, so the culprit is killed without being asked.
        let culprit = match generation.standing() {
            Standing::Lost(cause) => Some(cause.rank).filter(|&rank| generation.runs(rank)),
            _ => None,
        };
        self.phase = Phase::Ending {
            generation,
            kill_at_ms: (!at_once)
                .then(|| self.last_ms.saturating_add(self.settings.limits.end_ms)),
        };
        self.signal_all(if at_once { SIGKILL } else { SIGTERM }, actions);
        actions.extend(culprit.map(|rank| Action::Signal {
            rank,
            signal: SIGKILL,
        }));
    }

    /// All ranks of a generation that was to end have ended.
    fn conclude(&mut self, actions: &mut Vec<Action>) {
        let over = Phase::Waiting {
            until_ms: self.last_ms,
            give_up_ms: self.last_ms.saturating_add(self.settings.limits.absent_ms),
        };
        let Phase::Ending { generation, .. } = std::mem::replace(&mut self.phase, over) else {
            return;
        };
        let standing = generation.standing().clone();
        let outcome = match (generation.result().cloned(), standing) {
            (_, Standing::Breach(breach)) => Outcome::Breach(breach),
            (Some(result), _) | (None, Standing::Done(result)) => {
                let code = generation.ending(0).and_then(|ending| ending.code);
                let exit = done(&result, code, self.wish.stop().is_some());
                Outcome::Done { result, exit }
            }
            _ if self.wish.aborted() => Outcome::Stopped(self.stopped(None)),
            (None, Standing::Failed { rank, failure }) => Outcome::Failed {
                rank,
                exit: failed(failure.exit, self.wish.stop().is_some()),
                failure,
            },
            (None, Standing::Lost(cause)) => match self.lost(&generation, cause, actions) {
                Some(outcome) => outcome,
                None => return,
            },
            // A generation that still goes was ended by the user's abort alone.
            (None, Standing::Going) => Outcome::Stopped(self.stopped(None)),
        };
        self.phase = Phase::Over(outcome);
    }

    /// What becomes of a lost group: an outcome, or another generation.
    fn lost(
        &mut self,
        from: &Generation,
        cause: Cause,
        actions: &mut Vec<Action>,
    ) -> Option<Outcome> {
        if self.wish.stop().is_some() {
            return Some(Outcome::Stopped(self.stopped(Some(cause))));
        }
        match self.restarts.lost(from.step()) {
            Decision::GiveUp => Some(Outcome::Lost {
                last_lines: from.last_lines(cause.rank),
                cause,
                budget: self.settings.budget.restarts,
                committed: self.safe(),
            }),
            Decision::Restart { after_ms, nth } => {
                let from = match self.safe() {
                    Some(step) => format!("step {step}"),
                    None => "the beginning".to_owned(),
                };
                let of = self.settings.budget.restarts;
                let wait = match after_ms {
                    0 => String::new(),
                    wait => format!(" in {} s", wait.div_ceil(1_000)),
                };
                let told = format!("{cause}; restarting from {from}{wait} ({nth} of {of})");
                actions.push(Action::Tell(told));
                self.phase = Phase::Waiting {
                    until_ms: self.last_ms.saturating_add(after_ms),
                    give_up_ms: self
                        .last_ms
                        .saturating_add(after_ms)
                        .saturating_add(self.settings.limits.absent_ms),
                };
                None
            }
        }
    }

    /// The newest step that training can go on from.
    fn safe(&self) -> Option<usize> {
        self.committed.max(self.resumed)
    }

    fn stopped(&self, cause: Option<Cause>) -> Stopped {
        let exit = match self.safe() {
            Some(_) if self.wish.asks_for_more() => ExitCode::MoreToDo,
            _ => ExitCode::Interrupted,
        };
        Stopped {
            exit,
            aborted: self.wish.aborted(),
            cause,
            committed: self.safe(),
        }
    }
}

#[cfg(test)]
mod tests;
