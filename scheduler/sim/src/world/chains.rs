//! Runs that follow one another with the same key.
//!
//! Rules: what an agent had to tell and could not lies on shared storage, and the agent of the next run
//! tells it first, with numbers that go on.

use schliff_scheduler::allocation::AllocationEnd;
use schliff_spec::cluster::Chain;
use schliff_spec::id::SubmitKey;

use super::World;
use crate::crew::Crew;
use crate::fault::Fault;

/// In so many of a thousand cases a site takes back what it could end.
const TAKES_BACK: u64 = 600;

impl World {
    /// An agent's next run goes on with what the last one left.
    pub(super) fn go_on_with_spools(&mut self, crew: &mut Crew) {
        for (node, agent) in crew.agents.iter_mut().enumerate() {
            if let Some(left) = self.spools.remove(&(crew.key, node)) {
                *agent = left;
            }
        }
    }

    /// What agents leave behind.
    pub(super) fn keep_spools(&mut self, crew: Crew) {
        if !self.sites[crew.site].chains() {
            return;
        }
        for (node, agent) in crew.agents.into_iter().enumerate() {
            self.spools.insert((crew.key, node), agent.left());
        }
    }

    /// Ranks ended with more to do: the allocation goes on by itself, if it may.
    pub(super) fn chain_on(&mut self, crew: &Crew, code: i32) {
        let (site, key) = (crew.site, crew.key);
        match self.sites[site].may_go_on(key) {
            true => self.goes_on(site, key),
            false => self.sites[site].end(key, AllocationEnd::Exited { code }),
        }
    }

    /// The wall time of a run is over: where a successor waits, that goes on.
    pub(super) fn times_out(&mut self, site: usize, key: SubmitKey) {
        let is_followed = self.sites[site].chain == Chain::Successors;
        match is_followed && self.sites[site].may_go_on(key) {
            true => self.goes_on(site, key),
            false => self.sites[site].end(key, AllocationEnd::TimedOut),
        }
    }

    fn goes_on(&mut self, site: usize, key: SubmitKey) {
        let fault = match self.sites[site].chain {
            Chain::Successors => Fault::Successor,
            Chain::Requeue | Chain::None => Fault::RequeueOwn,
        };
        self.count(fault, &key.to_string());
        self.sites[site].goes_on(self.now_ms, key);
    }

    /// A site ends what runs, or takes it back into its queue where it does that.
    pub(super) fn taken_back_or(&mut self, key: SubmitKey, end: AllocationEnd) {
        let Some(site) = self.crews.get(&key).map(|crew| crew.site) else {
            return;
        };
        self.take_back_or_end(site, key, end);
    }

    pub(super) fn ends_or_goes_on(&mut self, crew: &Crew, end: AllocationEnd) {
        self.take_back_or_end(crew.site, crew.key, end);
    }

    fn take_back_or_end(&mut self, site: usize, key: SubmitKey, end: AllocationEnd) {
        let fault = match &end {
            AllocationEnd::Preempted => Some(Fault::RequeuePreempted),
            AllocationEnd::NodesLost { .. } => Some(Fault::RequeueNodeLost),
            _ => None,
        };
        let is_running = self.sites[site].held().get(&key);
        let is_running = is_running.is_some_and(|held| held.is_running());
        let takes_back = self.sites[site].chains() && is_running && self.rng.chance(TAKES_BACK);
        match fault.filter(|_| takes_back) {
            Some(fault) => {
                self.count(fault, &key.to_string());
                self.sites[site].requeue(self.now_ms, key);
            }
            None => self.sites[site].end(key, end),
        }
    }
}
