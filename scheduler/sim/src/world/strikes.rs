//! Faults that strike at a time of their own: whom they befall, and how they heal.

use std::collections::BTreeSet;

use schliff_scheduler::allocation::AllocationEnd;
use schliff_scheduler::input::News;
use schliff_spec::id::{NodeName, SubmitKey};

use super::crews::CrewEvent;
use super::{Event, World};
use crate::crew::Crew;
use crate::fault::Fault;
use crate::scenario::{Strike, Target};

/// An exit code that is none of ours.
const FOREIGN_CODE: i32 = 99;
/// From a preemption's notice until the nodes are taken.
const RECLAIM_MS: u64 = 30_000;
/// After a node is back, what it still runs of old is removed.
const CLEAN_MS: u64 = 20_000;

/// What is undone.
#[derive(Clone, Debug)]
pub(super) enum Heal {
    /// Nodes are up again and take new work.
    Nodes {
        site: usize,
        nodes: BTreeSet<NodeName>,
    },
    /// What an old allocation left is removed.
    Zombie(SubmitKey),
}

impl World {
    pub(super) fn strike(&mut self, at: usize) {
        let Some(strike) = self.scenario.strikes.get(at).cloned() else {
            return;
        };
        if self.is_peace {
            return;
        }
        match strike.fault {
            Fault::ClockForwards | Fault::ClockBackwards | Fault::ClusterRemoved => {
                self.strike_coordinator(&strike);
            }
            Fault::SlowSite | Fault::SiteRestart | Fault::SiteForgets | Fault::NodeDrained => {
                self.strike_site(&strike)
            }
            Fault::NodeDeath | Fault::NodeIsolated => self.strike_nodes(&strike),
            Fault::CancelOutside => self.cancel_outside(&strike),
            _ => self.strike_crew(&strike),
        }
    }

    fn strike_coordinator(&mut self, strike: &Strike) {
        let span = i64::try_from(strike.for_ms).unwrap_or(0);
        match strike.fault {
            Fault::ClockForwards => self.skew_ms += span,
            Fault::ClockBackwards => self.skew_ms -= span,
            _ if self.coordinator.is_some() => {
                let site = self.rng.below(self.sites.len() as u64);
                self.left_out = usize::try_from(site).ok();
                self.stop_coordinator();
            }
            _ => return,
        }
        self.count(strike.fault, "");
    }

    fn strike_site(&mut self, strike: &Strike) {
        let queues: Vec<_> = (0..self.sites.len())
            .filter(|site| !self.sites[*site].is_ours() || strike.fault == Fault::NodeDrained)
            .collect();
        let Some(site) = self.rng.pick(&queues).copied() else {
            return;
        };
        let until_ms = self.now_ms + strike.for_ms;
        match strike.fault {
            Fault::SlowSite => self.sites[site].slow_until_ms = until_ms,
            Fault::NodeDrained => {
                let names: Vec<_> = self.sites[site].nodes.keys().cloned().collect();
                let Some(name) = self.rng.pick(&names).cloned() else {
                    return;
                };
                if let Some(node) = self.sites[site].nodes.get_mut(&name) {
                    node.is_drained = true;
                }
                let nodes = BTreeSet::from([name]);
                self.after(strike.for_ms, Event::Heal(Heal::Nodes { site, nodes }));
            }
            _ => {
                self.sites[site].down_until_ms = until_ms;
                if strike.fault == Fault::SiteForgets {
                    for key in self.sites[site].lose_all() {
                        self.kill(key, "the site has lost it");
                    }
                }
            }
        }
        let name = self.sites[site].name.as_str().to_owned();
        self.count(strike.fault, &name);
    }

    /// An allocation that a strike can befall.
    fn victim(&mut self, on: Target, can: impl Fn(&Crew) -> bool) -> Option<SubmitKey> {
        let job = match on {
            Target::Any => None,
            Target::Job(_) => Some(self.whom(on, false)?),
        };
        let is_meant = |crew: &&Crew| job.is_none_or(|job| crew.key.job == job);
        let crews = self.crews.values().filter(is_meant);
        let fitting: Vec<_> = crews
            .filter(|crew| !crew.is_zombie && can(crew))
            .map(|crew| crew.key)
            .collect();
        self.rng.pick(&fitting).copied()
    }

    fn strike_nodes(&mut self, strike: &Strike) {
        let Some(key) = self.victim(strike.on, |_| true) else {
            return;
        };
        let Some(crew) = self.crews.get(&key) else {
            return;
        };
        let site = crew.site;
        let isolates = strike.fault == Fault::NodeIsolated;
        let spared = (!isolates && self.can_do_without(crew)).then_some(key);
        let nodes: BTreeSet<_> = match (isolates, spared) {
            (true, _) => crew.nodes.iter().cloned().collect(),
            (false, None) => crew.nodes.iter().take(1).cloned().collect(),
            (false, Some(_)) => crew.nodes.last().cloned().into_iter().collect(),
        };
        self.count(strike.fault, &key.to_string());
        for name in &nodes {
            if let Some(node) = self.sites[site].nodes.get_mut(name) {
                node.is_up = false;
            }
        }
        let touched = |crew: &&mut Crew| {
            let is_other = crew.site == site && !crew.is_zombie && Some(crew.key) != spared;
            is_other && crew.nodes.iter().any(|n| nodes.contains(n))
        };
        let mut dead = Vec::new();
        for crew in self.crews.values_mut().filter(touched) {
            let lost: Vec<_> = crew
                .nodes
                .iter()
                .filter(|n| nodes.contains(n))
                .cloned()
                .collect();
            let is_all = lost.len() == crew.nodes.len();
            let end = AllocationEnd::NodesLost { nodes: lost };
            if isolates && is_all {
                self.sites[site].end(crew.key, end);
                crew.is_zombie = true;
                let until_ms = self.now_ms + strike.for_ms;
                crew.agents
                    .iter_mut()
                    .for_each(|agent| agent.cut_until_ms = until_ms);
                let clean_ms = until_ms + CLEAN_MS;
                self.agenda
                    .put(clean_ms, Event::Heal(Heal::Zombie(crew.key)));
            } else {
                dead.push((crew.key, end));
            }
        }
        for (key, end) in dead {
            self.taken_back_or(key, end);
            self.kill(key, "its node is lost");
        }
        if let Some(key) = spared {
            self.do_without(key);
        }
        // Nothing new is put there before what was left is removed.
        let up_ms = strike.for_ms + CLEAN_MS + 1_000;
        self.after(up_ms, Event::Heal(Heal::Nodes { site, nodes }));
    }

    /// Where the batch system lets what has lost nodes live on; half of the jobs want that.
    fn can_do_without(&self, crew: &Crew) -> bool {
        let wants = crew.key.job.0.is_multiple_of(2) && crew.nodes.len().is_multiple_of(2);
        wants && crew.has_ranks() && !self.sites[crew.site].is_ours()
    }

    /// Its last node is gone: it goes on with half of them.
    fn do_without(&mut self, key: SubmitKey) {
        self.count(Fault::NodeDoneWithout, &key.to_string());
        let Some(crew) = self.crews.get_mut(&key) else {
            return;
        };
        if let Some(last) = crew.agents.last_mut() {
            last.has_come = false;
        }
        let regrouped = crew.halved();
        crew.note(News::Regrouped(regrouped));
        self.ranks_die(key);
    }

    /// Also what still waits can be cancelled there.
    fn cancel_outside(&mut self, strike: &Strike) {
        let job = match strike.on {
            Target::Any => None,
            Target::Job(_) => self.whom(strike.on, false),
        };
        let held = self.sites.iter().enumerate().flat_map(|(at, site)| {
            let alive = site.held().iter().filter(|(_, held)| !held.is_ended());
            alive.map(move |(key, _)| (at, *key))
        });
        let alive: Vec<_> = held
            .filter(|(_, key)| job.is_none_or(|job| key.job == job))
            .collect();
        if let Some((site, key)) = self.rng.pick(&alive).copied() {
            self.count(strike.fault, &key.to_string());
            self.sites[site].end(key, AllocationEnd::Cancelled);
            self.kill(key, "cancelled outside");
        }
    }

    fn strike_crew(&mut self, strike: &Strike) {
        let needs_ranks = !matches!(strike.fault, Fault::AgentPartition | Fault::Preemption);
        let can = |crew: &Crew| !needs_ranks || crew.has_ranks();
        let Some(key) = self.victim(strike.on, can) else {
            return;
        };
        if strike.fault != Fault::TornCheckpoint {
            self.count(strike.fault, &key.to_string());
        }
        match strike.fault {
            Fault::RankExit => self.ranks_die(key),
            Fault::RankHang => self.ranks_hang(key),
            Fault::ForeignExit => self.leave(key, FOREIGN_CODE),
            Fault::Preemption => self.preempt(key),
            Fault::OutOfMemory => self.end_outright(key, AllocationEnd::OutOfMemory),
            Fault::KilledOutright => {
                let signal = Some(9);
                self.end_outright(key, AllocationEnd::Killed { signal });
            }
            other => self.mark(key, other, strike.for_ms),
        }
    }

    /// Strikes that show later.
    fn mark(&mut self, key: SubmitKey, fault: Fault, for_ms: u64) {
        let until_ms = self.now_ms + for_ms;
        let Some(crew) = self.crews.get_mut(&key) else {
            return;
        };
        match fault {
            Fault::SlowRank => crew.slowness = 20,
            Fault::TornCheckpoint => crew.tears_next = true,
            Fault::AgentPartition => {
                crew.agents
                    .iter_mut()
                    .for_each(|agent| agent.cut_until_ms = until_ms);
            }
            Fault::RanksKeepDying => {
                crew.restarts_left = 0;
                self.ranks_die(key);
            }
            _ => {}
        }
    }

    fn preempt(&mut self, key: SubmitKey) {
        let is_warned = self.rng.chance(500);
        if let Some(crew) = self.crews.get_mut(&key).filter(|_| is_warned) {
            crew.called = Some(AllocationEnd::Preempted);
            self.stop_crew(key);
            self.crew_after(key, RECLAIM_MS, CrewEvent::Reclaim);
        } else {
            self.taken_back_or(key, AllocationEnd::Preempted);
            self.kill(key, "outright");
        }
    }

    fn end_outright(&mut self, key: SubmitKey, end: AllocationEnd) {
        if let Some(crew) = self.crews.get(&key) {
            let site = crew.site;
            self.sites[site].end(key, end);
            self.kill(key, "outright");
        }
    }

    pub(super) fn heal(&mut self, heal: Heal) {
        match heal {
            Heal::Nodes { site, nodes } => {
                for name in nodes {
                    if let Some(node) = self.sites[site].nodes.get_mut(&name) {
                        node.is_up = true;
                        node.is_drained = false;
                    }
                }
            }
            Heal::Zombie(key) => self.kill(key, "its node is back"),
        }
    }
}
