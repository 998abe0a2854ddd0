//! Decides what follows from one input.
//!
//! Rules: facts only, nothing is done here. What an input brings about at once is decided with it; what
//! other jobs make of it (dependants, sweeps, the queue) is decided at the next tick.

mod adopt;
mod answer;
mod command;
mod compare;
mod dispatch;
mod end;
mod halving;
mod observation;
mod report;
mod room;
mod tick;

use crate::cluster::Terms;
use crate::fact::{Fact, What};
use crate::input::Input;
use crate::job::{Attempt, Job};
use crate::rejection::Rejection;
use crate::state::State;
use crate::time::Timestamp;

pub(crate) use compare::is_open;
pub(crate) use dispatch::{AtWork, Wait, avoided, time_limit_ms, waiting_for, waits_since};
pub(crate) use halving::rung_missing;
pub(crate) use room::Room;

/// What follows from one input. Pure: applying the facts to the same state gives the new one.
///
/// # Errors
/// What is refused, with nothing changed. News of older attempts are no error: they change nothing.
pub fn decide(state: &State, now: Timestamp, input: Input) -> Result<Vec<Fact>, Rejection> {
    let mut draft = Draft::new(state, now);
    match input {
        Input::Command(command) => command::decide(&mut draft, command)?,
        Input::Report(report) => report::decide(&mut draft, &report)?,
        Input::Observed(listing) => observation::decide(&mut draft, &listing),
        Input::Answered { key, answer } => answer::decide(&mut draft, key, answer),
        Input::Estimated {
            job,
            cluster,
            estimate,
        } => compare::answered(&mut draft, job, cluster, estimate),
        Input::Tick => tick::decide(&mut draft),
    }
    Ok(draft.facts)
}

/// What a coordinator notes when it begins with a state from the journal: when attempts were last heard
/// is not kept, so all of them are given the time to be heard anew. None of these facts is kept.
pub fn begin(state: &State, now: Timestamp) -> Vec<Fact> {
    let live = state.live.iter().filter_map(|id| state.jobs.get(id));
    let heard = live.map(|job| What::Heard {
        job: job.id,
        generation: job.generation,
        step: None,
        steps: None,
    });
    heard.map(|what| Fact { at: now, what }).collect()
}

/// Facts as they are found.
struct Draft<'a> {
    state: &'a State,
    now: Timestamp,
    facts: Vec<Fact>,
}

impl<'a> Draft<'a> {
    fn new(state: &'a State, now: Timestamp) -> Self {
        Self {
            state,
            now,
            facts: Vec::new(),
        }
    }

    fn push(&mut self, what: What) {
        self.facts.push(Fact { at: self.now, what });
    }

    /// What the profile of an attempt's cluster says; `None` where that is gone.
    fn terms(&self, attempt: &Attempt) -> Option<&'a Terms> {
        let cluster = self.state.clusters.get(&attempt.cluster);
        cluster.map(|cluster| &cluster.terms)
    }

    /// A run of an attempt is over, and another is to come with the same key. It ran until it was last
    /// heard: when it stopped is not told.
    fn requeued(&mut self, job: &Job, attempt: &Attempt, why: &str) {
        let ran_ms = attempt.granted_at.map(|at| attempt.heard_at().since(at));
        self.push(What::RequeuedInPlace {
            job: job.id,
            generation: attempt.generation,
            why: why.to_owned(),
            ran_ms: ran_ms.unwrap_or(0),
        });
    }
}
