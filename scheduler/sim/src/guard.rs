//! What must never be, found from outside of the brain: from the journal, the actions and the world.
//!
//! Rules: it keeps its own short account of what the journal promised, from facts that reached the
//! disk, and trusts no index of the state. Ids are those of [`schliff_scheduler::check`].

mod ledger;

use schliff_scheduler::action::{Action, Observed, Order};
use schliff_scheduler::cluster::Terms;
use schliff_scheduler::fact::Fact;
use schliff_scheduler::input::Report;
use schliff_spec::id::SubmitKey;

use crate::crew::Crew;
use ledger::Ledger;

/// Something that must never be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// Such as `SCH-2`.
    pub id: &'static str,
    /// What was found.
    pub text: String,
}

/// A breach, or none.
pub(crate) type Verdict = Result<(), Breach>;

pub(crate) fn breach(id: &'static str, text: String) -> Verdict {
    Err(Breach { id, text })
}

/// It.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    ledger: Ledger,
}

impl Guard {
    /// A fact has reached the disk. SCH-5, SCH-6, SCH-8.
    pub(crate) fn learn(&mut self, fact: &Fact) -> Verdict {
        self.ledger.learn(fact)
    }

    /// SCH-3: reports of older attempts change nothing.
    pub(crate) fn older(&self, newest: Option<u64>, report: &Report, facts: &[Fact]) -> Verdict {
        let is_older = newest.is_some_and(|newest| report.key.generation.0 < newest);
        match is_older && !facts.is_empty() {
            true => breach(
                "SCH-3",
                format!("a late report of {} led to {:?}", report.key, facts),
            ),
            false => Ok(()),
        }
    }

    /// SCH-7: an action has its fact in the journal.
    pub(crate) fn action(
        &self,
        action: &Action,
        observed: &Observed,
        terms: impl Fn(&Order) -> Option<Terms>,
    ) -> Verdict {
        match action {
            Action::Submit(order) => self.submit(order, observed, terms(order)),
            Action::Estimate(order) => self.question(order),
            Action::Stop { key, .. } => match self.ledger.may_stop(*key) {
                true => Ok(()),
                false => breach("SCH-7", format!("{key} is stopped, and no fact says why")),
            },
            Action::Forget { key, .. } => match self.ledger.is_over(*key) {
                true => Ok(()),
                false => breach("SCH-7", format!("{key} is forgotten before it has ended")),
            },
        }
    }

    /// What is asked binds nobody; it is asked about the next attempt of a job that waits.
    fn question(&self, order: &Order) -> Verdict {
        match self.ledger.may_plan(order.key) {
            true => Ok(()),
            false => breach(
                "SCH-7",
                format!("{} is asked about, and cannot be next", order.key),
            ),
        }
    }

    fn submit(&self, order: &Order, observed: &Observed, terms: Option<Terms>) -> Verdict {
        let key = order.key;
        if !self.ledger.is_planned_as(order) {
            return breach("SCH-7", format!("{key} is submitted, and not planned so"));
        }
        if self.ledger.is_over(key) || self.ledger.is_accepted(key) {
            return breach("SCH-7", format!("{key} is submitted once more"));
        }
        let last = observed.tries.get(&key).and_then(|tried| tried.submit);
        let Some(last) = last.filter(|last| last.is_unknown) else {
            return Ok(());
        };
        let settle_ms = terms.map_or(0, |terms| terms.settle_ms);
        let proof = observed
            .listings
            .get(&order.cluster)
            .is_some_and(|listing| {
                let lacks = !listing.allocations.iter().any(|held| held.key == key);
                lacks && listing.is_complete && listing.asked_at >= last.ended_at.plus(settle_ms)
            });
        match proof {
            true => Ok(()),
            false => breach(
                "SCH-7",
                format!("{key} is submitted again, and may have been accepted"),
            ),
        }
    }

    /// SCH-1, SCH-2, SCH-4, SCH-8: an allocation begins beside those that are alive.
    pub(crate) fn begins<'a>(
        &self,
        crew: &Crew,
        others: impl Iterator<Item = &'a Crew> + Clone,
        room: impl Fn(&schliff_spec::id::NodeName) -> (u32, u32),
    ) -> Verdict {
        let key = crew.key;
        // What the batch system itself has given up is not ours to prevent.
        let alive = others.filter(|other| !other.is_zombie && other.key != key);
        if let Some(twin) = alive.clone().find(|other| other.key.job == key.job) {
            return breach("SCH-2", format!("{key} begins while {} is alive", twin.key));
        }
        for node in &crew.nodes {
            let here = alive
                .clone()
                .filter(|other| other.site == crew.site && other.nodes.contains(node));
            let (gpus, cpus) = here
                .map(|other| other.shape)
                .chain([crew.shape])
                .fold((0, 0), |(gpus, cpus), shape| {
                    (gpus + shape.gpus_per_node, cpus + shape.cpus_per_node)
                });
            let room = room(node);
            if gpus > room.0 || cpus > room.1 {
                let node = node.as_str();
                return breach("SCH-1", format!("{key} begins on {node}, which is taken"));
            }
        }
        let shape = crew.shape;
        let is_right = crew.nodes.len() == shape.nodes as usize
            && shape.ranks.is_multiple_of(shape.nodes.max(1))
            && self.ledger.may_have(key, shape);
        match is_right {
            true => Ok(()),
            false => breach("SCH-4", format!("{key} begins with another world size")),
        }
    }

    /// SCH-8: ranks go on from where the journal promised, or from later.
    pub(crate) fn resumes(&self, key: SubmitKey, from: Option<schliff_spec::id::Step>) -> Verdict {
        let promised = self.ledger.resume_from(key);
        match from < promised {
            true => breach(
                "SCH-8",
                format!("{key} goes on from {from:?}, not from {promised:?}"),
            ),
            false => Ok(()),
        }
    }
}
