//! The coordinator's shell: decide, apply, journal, then reply and act.
//!
//! Rules: while a write is under way, inputs wait; nothing that follows from facts leaves the
//! coordinator before they are on the disk. A crash loses all but the disk.

mod memory;

use std::collections::VecDeque;
use std::sync::Arc;

use schliff_scheduler::action::{Observed, Order};
use schliff_scheduler::fact::{Fact, What};
use schliff_scheduler::input::Input;
use schliff_scheduler::{State, decide, reconcile};
use schliff_spec::id::{ClusterName, SubmitKey};

use super::mail::{Mail, Reply};
use super::{Event, World, journal, sound};
use crate::coverage::Family;
use crate::disk::{Reach, reread};
use crate::fault::Fault;
use crate::guard::Verdict;

pub(super) use memory::same;

/// Inputs that are decided on before one write.
const MOST_INPUTS: usize = 32;
/// Writes between two comparisons of the state with the journal.
const COMPARE_EVERY: u64 = 64;

/// A coordinator that runs.
#[derive(Debug)]
pub(super) struct Coordinator {
    pub(super) state: State,
    pub(super) observed: Observed,
    pub(super) inbox: VecDeque<Mail>,
    writing: Option<Batch>,
}

/// What waits for the disk.
#[derive(Debug, Default)]
struct Batch {
    facts: Vec<Fact>,
    replies: Vec<Reply>,
}

impl Coordinator {
    /// The journal says all that it knows.
    pub(super) fn is_settled(&self) -> bool {
        self.writing.is_none()
    }

    /// What was forgotten is listed no more, so that it is not forgotten again until the next listing.
    pub(super) fn forgotten(&mut self, cluster: &ClusterName, key: SubmitKey) {
        if let Some(listing) = self.observed.listings.get_mut(cluster) {
            let listing = Arc::make_mut(listing);
            listing
                .allocations
                .retain(|allocation| allocation.key != key);
        }
    }
}

impl World {
    pub(super) fn start(&mut self) -> Verdict {
        self.epoch += 1;
        let facts = self.disk.recover().map_err(|error| journal(&error))?;
        let mut state = State::default();
        facts.iter().for_each(|fact| state.apply(fact));
        same(&state, &self.durable)?;
        memory::snapshot(&state)?;
        for fact in schliff_scheduler::begin(&state, self.clock()) {
            state.apply(&fact);
        }
        let observed = Observed {
            since: self.clock(),
            ..Observed::default()
        };
        self.coordinator = Some(Coordinator {
            state,
            observed,
            inbox: VecDeque::new(),
            writing: None,
        });
        let line = format!("starts with {} facts", facts.len());
        self.trace.line(self.now_ms, "shell", line);
        let (epoch, left_out) = (self.epoch, self.left_out.take());
        self.lacks_site = left_out.is_some();
        let there = (0..self.sites.len()).filter(|site| Some(*site) != left_out);
        let there: Vec<_> = there.collect();
        let named = there.iter().map(|at| {
            let site = &self.sites[*at];
            (site.name.clone(), site.terms.clone())
        });
        let clusters = Mail::Clusters(named.collect());
        for site in there {
            self.after(50, Event::Observe { epoch, site });
        }
        self.after(0, Event::Tick { epoch });
        self.receive(clusters)
    }

    pub(super) fn tick(&mut self, epoch: u64) -> Verdict {
        if epoch != self.epoch || self.coordinator.is_none() {
            return Ok(());
        }
        self.after(self.scenario.pace.tick_ms, Event::Tick { epoch });
        self.receive(Mail::Tick)
    }

    /// Something comes to the door; without a coordinator it is lost.
    pub(super) fn receive(&mut self, mail: Mail) -> Verdict {
        let Some(coordinator) = &mut self.coordinator else {
            return Ok(());
        };
        coordinator.inbox.push_back(mail);
        self.pump()
    }

    /// Decides on what has come in, unless a write is under way.
    fn pump(&mut self) -> Verdict {
        let Some(mut coordinator) = self.coordinator.take() else {
            return Ok(());
        };
        let mut verdict = Ok(());
        if coordinator.writing.is_none() && !coordinator.inbox.is_empty() {
            verdict = self.batch(&mut coordinator);
        }
        self.coordinator = Some(coordinator);
        verdict
    }

    fn batch(&mut self, coordinator: &mut Coordinator) -> Verdict {
        let mut batch = Batch::default();
        for _ in 0..MOST_INPUTS {
            let Some(mail) = coordinator.inbox.pop_front() else {
                break;
            };
            self.decide_on(coordinator, &mut batch, &mail)?;
        }
        if batch.facts.is_empty() {
            self.speak(batch.replies);
            return self.act_on(coordinator);
        }
        coordinator.writing = Some(batch);
        let (took_ms, epoch) = (self.rng.between(1, 20), self.epoch);
        self.after(took_ms, Event::Written { epoch });
        Ok(())
    }

    fn decide_on(
        &mut self,
        coordinator: &mut Coordinator,
        batch: &mut Batch,
        mail: &Mail,
    ) -> Verdict {
        let now = self.clock();
        let Coordinator {
            state, observed, ..
        } = coordinator;
        let input = mail.input();
        let decided = decide(state, now, input.clone());
        if let (Input::Report(report), Ok(facts)) = (&input, &decided) {
            let newest = state.jobs.get(&report.key.job).map(|job| job.generation.0);
            self.guard.older(newest, report, facts)?;
        }
        if let Err(rejection) = &decided {
            self.coverage.count(Family::Rejection, rejection.code());
        }
        let facts = decided.as_deref().unwrap_or_default();
        for fact in facts {
            state.apply(fact);
            self.coverage.count(Family::Fact, fact.kind());
            if fact.is_kept() {
                self.note(fact);
                batch.facts.push(fact.clone());
            }
        }
        if !facts.is_empty() {
            sound(state)?;
        }
        memory::remember(observed, mail, now);
        batch.replies.extend(memory::reply(state, mail, &decided));
        Ok(())
    }

    fn note(&mut self, fact: &Fact) {
        match &fact.what {
            What::Ended { ending, .. } => self.coverage.count(Family::Ending, ending.code()),
            What::Finished { outcome, .. } => self.coverage.count(Family::Outcome, outcome.code()),
            _ => {}
        }
        if self.trace.is_on() {
            self.trace.line(self.now_ms, "fact", memory::told(fact));
        }
    }

    /// The write has come to its end, or to the end of the coordinator.
    pub(super) fn written(&mut self, epoch: u64) -> Verdict {
        if epoch != self.epoch {
            return Ok(());
        }
        let Some(mut coordinator) = self.coordinator.take() else {
            return Ok(());
        };
        let batch = coordinator.writing.take().unwrap_or_default();
        self.writes += 1;
        if self.befalls(Fault::CrashBeforeWrite) {
            return self.crash();
        }
        if self.befalls(Fault::TornJournal) {
            let reach = Reach::Torn(self.rng.below(1_000));
            let torn = self.disk.append(&batch.facts, reach);
            torn.map_err(|error| journal(&error))?;
            return self.crash();
        }
        self.keep(&batch.facts)?;
        if self.befalls(Fault::CrashAfterWrite) {
            return self.crash();
        }
        if self.writes.is_multiple_of(COMPARE_EVERY) {
            same(&coordinator.state, &self.durable)?;
        }
        self.speak(batch.replies);
        let verdict = self.act_on(&mut coordinator);
        self.coordinator = Some(coordinator);
        verdict?;
        self.pump()
    }

    /// Facts reach the disk.
    fn keep(&mut self, facts: &[Fact]) -> Verdict {
        let whole = self.disk.append(facts, Reach::Whole);
        whole.map_err(|error| journal(&error))?;
        for fact in facts {
            self.guard.learn(fact)?;
            let fact = reread(fact).map_err(|error| journal(&error))?;
            self.durable.apply(&fact);
        }
        Ok(())
    }

    /// What is to be done about the world now.
    fn act_on(&mut self, coordinator: &mut Coordinator) -> Verdict {
        let actions = reconcile(&coordinator.state, &coordinator.observed, self.clock());
        for action in actions {
            let terms = |order: &Order| {
                let cluster = coordinator.state.clusters.get(&order.cluster);
                cluster.map(|cluster| cluster.terms.clone())
            };
            self.guard.action(&action, &coordinator.observed, terms)?;
            self.send(&mut coordinator.observed, action);
        }
        Ok(())
    }

    /// The coordinator is gone, and comes back later.
    pub(super) fn crash(&mut self) -> Verdict {
        self.coordinator = None;
        self.crashed_at_ms = self.now_ms;
        self.trace.line(self.now_ms, "shell", "dies");
        let is_long = self.rng.chance(60) && !self.is_peace;
        let down_ms = match is_long {
            true => self.rng.between(60_000, 40 * 60_000),
            false => self.rng.between(500, 20_000),
        };
        self.after(down_ms, Event::Start);
        Ok(())
    }

    fn speak(&mut self, replies: Vec<Reply>) {
        for reply in replies {
            self.deliver(reply);
        }
    }
}
