//! The world: one thread, one clock, one seed.
//!
//! Rules: everything that happens is an event with a time; an event changes the world and puts further
//! events in. The first breach ends a run. Absent on purpose: real time, threads, files.

mod calls;
mod chains;
mod clients;
mod coordinator;
mod crews;
mod finish;
mod mail;
mod strikes;

use std::collections::BTreeMap;

use schliff_scheduler::allocation::{Listing, StopHow, SubmitAnswer};
use schliff_scheduler::time::Timestamp;
use schliff_scheduler::{State, check};
use schliff_spec::id::{IdError, SubmitKey};

use crate::agenda::Agenda;
use crate::bucket::Bucket;
use crate::coverage::{Coverage, Family};
use crate::crew::{Crew, CrewAgent};
use crate::disk::{Disk, DiskError};
use crate::fault::Fault;
use crate::guard::{Breach, Guard, Verdict, breach};
use crate::rng::Rng;
use crate::scenario::Scenario;
use crate::site::Site;
use crate::trace::Trace;

use clients::Client;
use coordinator::Coordinator;
use crews::CrewEvent;
use mail::{Directive, Mail};

/// The coordinator's clock at the begin of the world.
const BEGIN_MS: u64 = 1_800_000_000_000;
/// Events of one run, at most: more of them mean that something goes round in circles.
const MOST_EVENTS: u64 = 3_000_000;

/// Something that happens.
#[derive(Debug)]
enum Event {
    /// The coordinator is started.
    Start,
    /// The coordinator looks at the clock.
    Tick { epoch: u64 },
    /// A write to the journal comes to its end.
    Written { epoch: u64 },
    /// Something reaches the coordinator's door.
    Arrives(Mail),
    /// A user acts.
    Act(usize),
    /// A client that has no answer asks again.
    AskAgain(usize),
    /// A call for a listing goes out.
    Observe { epoch: u64, site: usize },
    /// It reaches the site.
    Lists {
        epoch: u64,
        site: usize,
        asked_at: Timestamp,
    },
    /// It is answered.
    Listed {
        epoch: u64,
        site: usize,
        listing: Option<Box<Listing>>,
    },
    /// A submit reaches its site.
    Submits {
        call: calls::Call,
        launch: Box<schliff_backend::Launch>,
    },
    /// A stop reaches its site.
    Stops { call: calls::Call, how: StopHow },
    /// A forget reaches its site.
    Forgets { call: calls::Call },
    /// A call is answered.
    Answered {
        call: calls::Call,
        what: calls::Answer,
    },
    /// A site looks at its queue.
    Turn(usize),
    /// Something happens to agents and ranks.
    Crew(SubmitKey, u64, CrewEvent),
    /// An agent is answered.
    Told {
        key: SubmitKey,
        node: u32,
        before: u64,
        directive: Directive,
    },
    /// A fault strikes.
    Strike(usize),
    /// What a strike did is undone.
    Heal(strikes::Heal),
    /// Nothing goes wrong any more.
    Peace,
    /// Everything is looked at.
    Inspect,
}

/// What came of a run.
#[derive(Debug)]
pub struct Run {
    /// What was seen.
    pub coverage: Coverage,
    /// What must never be, and when, if anything.
    pub breach: Option<(u64, Breach)>,
    /// What happened.
    pub trace: Trace,
    /// Events.
    pub events: u64,
    /// How long it took in the world.
    pub world_ms: u64,
    /// Jobs that were submitted.
    pub jobs: usize,
    /// Writes to the journal.
    pub writes: u64,
}

/// It.
pub struct World {
    scenario: Scenario,
    rng: Rng,
    now_ms: u64,
    /// How far the coordinator's clock is off.
    skew_ms: i64,
    agenda: Agenda<Event>,
    coordinator: Option<Coordinator>,
    /// Counts starts of the coordinator: what was meant for an earlier one is lost.
    epoch: u64,
    crashed_at_ms: u64,
    /// The site that the next start of the coordinator leaves out.
    left_out: Option<usize>,
    /// The coordinator that runs was started without one.
    lacks_site: bool,
    disk: Disk,
    /// What the disk says, applied.
    durable: State,
    writes: u64,
    sites: Vec<Site>,
    crews: BTreeMap<SubmitKey, Crew>,
    /// Runs that have begun.
    lives: u64,
    /// What agents of ended runs left.
    spools: BTreeMap<(SubmitKey, usize), CrewAgent>,
    bucket: Bucket,
    clients: Vec<Client>,
    cases: BTreeMap<Fault, u64>,
    guard: Guard,
    coverage: Coverage,
    trace: Trace,
    is_peace: bool,
    is_over: bool,
    /// Since when a job has been said to begin with the next look at the queue.
    next_since: BTreeMap<schliff_spec::id::JobId, u64>,
}

impl World {
    /// A world at its begin.
    ///
    /// # Errors
    /// A site's name that is none.
    pub fn new(scenario: Scenario, trace: Trace) -> Result<Self, IdError> {
        let sites = scenario.sites.iter().map(Site::planned);
        let mut world = Self {
            rng: Rng::new(scenario.seed),
            now_ms: 0,
            skew_ms: 0,
            agenda: Agenda::default(),
            coordinator: None,
            epoch: 0,
            crashed_at_ms: 0,
            left_out: None,
            lacks_site: false,
            disk: Disk::default(),
            durable: State::default(),
            writes: 0,
            sites: sites.collect::<Result<_, _>>()?,
            crews: BTreeMap::new(),
            lives: 0,
            spools: BTreeMap::new(),
            bucket: Bucket::default(),
            clients: Vec::new(),
            cases: BTreeMap::new(),
            guard: Guard::default(),
            coverage: Coverage::default(),
            trace,
            is_peace: false,
            is_over: false,
            next_since: BTreeMap::new(),
            scenario,
        };
        world.begin();
        Ok(world)
    }

    fn begin(&mut self) {
        self.agenda.put(0, Event::Start);
        for at in 0..self.scenario.acts.len() {
            self.agenda.put(self.scenario.acts[at].0, Event::Act(at));
        }
        for at in 0..self.scenario.strikes.len() {
            let at_ms = self.scenario.strikes[at].at_ms;
            self.agenda.put(at_ms, Event::Strike(at));
        }
        for site in 0..self.sites.len() {
            self.agenda.put(1_000, Event::Turn(site));
        }
        self.agenda.put(self.scenario.faults_end_ms, Event::Peace);
        self.agenda.put(30_000, Event::Inspect);
    }

    /// Lets it all happen.
    pub fn run(mut self) -> Run {
        let mut breach = None;
        while let Some((at_ms, event)) = self.agenda.take() {
            self.now_ms = at_ms;
            if let Err(found) = self.happen(event) {
                self.trace
                    .line(at_ms, "breach", format!("{}: {}", found.id, found.text));
                breach = Some((at_ms, found));
                break;
            }
            if self.is_over {
                break;
            }
        }
        Run {
            coverage: self.coverage,
            breach,
            trace: self.trace,
            events: self.agenda.count(),
            world_ms: self.now_ms,
            jobs: self.durable.jobs.len(),
            writes: self.writes,
        }
    }

    fn happen(&mut self, event: Event) -> Verdict {
        if self.agenda.count() > MOST_EVENTS {
            return breach("LIVE", format!("more than {MOST_EVENTS} events"));
        }
        match event {
            Event::Start => self.start(),
            Event::Tick { epoch } => self.tick(epoch),
            Event::Written { epoch } => self.written(epoch),
            Event::Arrives(mail) => self.receive(mail),
            Event::Act(at) => self.act(at),
            Event::AskAgain(client) => self.ask(client),
            Event::Crew(key, life, event) => self.crew_event(key, life, event),
            Event::Told {
                key,
                node,
                before,
                directive,
            } => {
                self.told(key, node, before, directive);
                Ok(())
            }
            Event::Strike(at) => {
                self.strike(at);
                Ok(())
            }
            Event::Heal(heal) => {
                self.heal(heal);
                Ok(())
            }
            Event::Peace => self.peace(),
            Event::Inspect => self.inspect(),
            call => self.call_event(call),
        }
    }

    fn call_event(&mut self, event: Event) -> Verdict {
        match event {
            Event::Observe { epoch, site } => {
                self.observe(epoch, site);
                Ok(())
            }
            Event::Lists {
                epoch,
                site,
                asked_at,
            } => {
                self.lists(epoch, site, asked_at);
                Ok(())
            }
            Event::Listed {
                epoch,
                site,
                listing,
            } => self.listed(epoch, site, listing),
            Event::Submits { call, launch } => self.submits(call, &launch),
            Event::Stops { call, how } => {
                self.stops(call, how);
                Ok(())
            }
            Event::Forgets { call } => {
                self.forgets(call);
                Ok(())
            }
            Event::Answered { call, what } => self.answered(call, what),
            Event::Turn(site) => self.turn(site),
            _ => Ok(()),
        }
    }

    /// The coordinator's clock.
    fn clock(&self) -> Timestamp {
        Timestamp((BEGIN_MS + self.now_ms).saturating_add_signed(self.skew_ms))
    }

    fn after(&mut self, span_ms: u64, event: Event) {
        self.agenda.put(self.now_ms + span_ms, event);
    }

    /// Whether a fault befalls this case; if so, it is counted.
    fn befalls(&mut self, fault: Fault) -> bool {
        let Some(odds) = self.scenario.odds.get(&fault).copied() else {
            return false;
        };
        if self.is_peace {
            return false;
        }
        let case = self.cases.entry(fault).or_default();
        *case += 1;
        let befalls = *case == odds.case || (odds.permille > 0 && self.rng.chance(odds.permille));
        if befalls {
            self.count(fault, "");
        }
        befalls
    }

    /// A fault took effect.
    fn count(&mut self, fault: Fault, on: &str) {
        self.coverage.count(Family::Fault, fault.code());
        self.trace
            .line(self.now_ms, "fault", format!("{fault} {on}"));
    }
}

/// What the brain itself finds wrong with its state.
fn sound(state: &State) -> Verdict {
    match check(state).into_iter().next() {
        None => Ok(()),
        Some(found) => breach(found.id, found.text),
    }
}

/// A journal that cannot be written or read back.
fn journal(error: &DiskError) -> Breach {
    use std::error::Error;
    let why = error.source().map(ToString::to_string).unwrap_or_default();
    Breach {
        id: "SCH-9",
        text: format!("{error}: {why}"),
    }
}

/// The words for an answer, in a trace.
fn said(answer: &SubmitAnswer) -> &'static str {
    match answer {
        SubmitAnswer::Accepted { .. } => "accepted",
        SubmitAnswer::Refused { .. } => "refused",
        SubmitAnswer::TryLater { .. } => "try later",
        SubmitAnswer::Unknown { .. } => "unknown",
    }
}
