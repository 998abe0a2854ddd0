//! A batch system: nodes, a queue, and what it remembers of allocations.
//!
//! Rules: it keeps the back-end's contract (a submit key is used once, what has ended stays until it is
//! forgotten), also in its faults. Time is true time, in milliseconds. Absent on purpose: what runs
//! inside of an allocation, and calls on their way to it.

mod chain;
mod listing;
mod plan;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use schliff_backend::Launch;
use schliff_scheduler::allocation::{AllocationEnd, AllocationId, StopHow};
use schliff_scheduler::cluster::{Queue, Terms};
use schliff_scheduler::shape::Shape;
use schliff_spec::cluster::Chain;
use schliff_spec::id::{ClusterName, NodeName, SubmitKey};

pub(crate) use listing::Shown;

/// One node.
#[derive(Clone, Debug)]
pub(crate) struct SiteNode {
    pub(crate) gpus: u32,
    pub(crate) cpus: u32,
    /// It can run something, as far as the batch system knows.
    pub(crate) is_up: bool,
    /// It takes nothing new.
    pub(crate) is_drained: bool,
    /// Somebody else has all of it until then.
    pub(crate) foreign_until_ms: u64,
}

/// What the batch system remembers of an allocation.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) id: AllocationId,
    pub(crate) launch: Launch,
    pub(crate) status: HeldStatus,
    pub(crate) nodes: Vec<NodeName>,
    /// No listing shows it before.
    visible_from_ms: u64,
    /// Runs that may follow by themselves.
    links_left: u32,
    /// It does not begin before.
    begins_at_ms: u64,
    /// Why it waits.
    why: &'static str,
    /// It was asked to end: nothing follows by itself.
    is_stopped: bool,
}

/// What it does.
#[derive(Clone, Debug)]
pub(crate) enum HeldStatus {
    Pending,
    Running { deadline_ms: Option<u64> },
    Ended(AllocationEnd),
}

impl Held {
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.status, HeldStatus::Running { .. })
    }

    pub(crate) fn is_ended(&self) -> bool {
        matches!(self.status, HeldStatus::Ended(_))
    }
}

/// Why a submit is not taken.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    /// It may be later.
    Later(String),
    /// It never will.
    Never(String),
}

/// What a stop came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// There was nothing to stop.
    Nothing,
    /// It waited, and is gone.
    Withdrawn,
    /// Its agents are signalled.
    Signalled,
    /// It is killed.
    Killed,
}

/// A batch system.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) name: ClusterName,
    pub(crate) terms: Terms,
    pub(crate) nodes: BTreeMap<NodeName, SiteNode>,
    held: BTreeMap<SubmitKey, Held>,
    forgotten: BTreeSet<SubmitKey>,
    next_id: u64,
    /// From a submit until a listing shows it.
    pub(crate) lag_ms: u64,
    /// It answers nobody until then.
    pub(crate) down_until_ms: u64,
    /// It answers slowly until then.
    pub(crate) slow_until_ms: u64,
    /// How its allocations go on by themselves.
    pub(crate) chain: Chain,
    recent: VecDeque<(u64, Shown)>,
}

impl Site {
    /// An empty one.
    pub(crate) fn new(
        name: ClusterName,
        terms: Terms,
        nodes: BTreeMap<NodeName, SiteNode>,
        lag_ms: u64,
    ) -> Self {
        Self {
            name,
            terms,
            nodes,
            held: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            next_id: 1_000,
            lag_ms,
            down_until_ms: 0,
            slow_until_ms: 0,
            chain: Chain::None,
            recent: VecDeque::new(),
        }
    }

    /// All that it remembers.
    pub(crate) fn held(&self) -> &BTreeMap<SubmitKey, Held> {
        &self.held
    }

    /// Takes an allocation. On a site without a queue it runs at once, on the nodes that it names.
    pub(crate) fn submit(&mut self, now_ms: u64, launch: &Launch) -> Result<AllocationId, Refusal> {
        let key = launch.key;
        if let Some(held) = self.held.get(&key) {
            return Ok(held.id.clone());
        }
        if self.forgotten.contains(&key) {
            return Err(Refusal::Never(format!("{key} was used before")));
        }
        self.may_ever(launch)?;
        let is_ours = self.terms.queue == Queue::Ours;
        let down = |name: &&NodeName| !self.nodes.get(*name).is_some_and(|node| node.is_up);
        if let Some(down) = launch.placement.iter().find(down) {
            return Err(Refusal::Later(format!("{} is down", down.as_str())));
        }
        let id = AllocationId(format!("{}", self.next_id));
        self.next_id += 1;
        let held = Held {
            id: id.clone(),
            launch: launch.clone(),
            status: HeldStatus::Pending,
            nodes: Vec::new(),
            visible_from_ms: now_ms + self.lag_ms,
            links_left: chain::links_left(launch),
            begins_at_ms: 0,
            why: "Resources",
            is_stopped: false,
        };
        self.held.insert(key, held);
        if is_ours {
            self.begin(now_ms, key, launch.placement.clone());
        }
        Ok(id)
    }

    /// Refuses what it could not run if it were empty and whole.
    fn may_ever(&self, launch: &Launch) -> Result<(), Refusal> {
        let cap = self.terms.max_time_ms;
        if let (Some(cap), Some(limit)) = (cap, launch.time_limit_ms)
            && limit > cap
        {
            return Err(Refusal::Never("the time limit is too long".into()));
        }
        let large = self.nodes.values().filter(|node| large(node, launch.shape));
        match large.count() >= launch.shape.nodes as usize {
            true => Ok(()),
            false => Err(Refusal::Never("no such nodes".into())),
        }
    }

    fn begin(&mut self, now_ms: u64, key: SubmitKey, nodes: Vec<NodeName>) {
        if let Some(held) = self.held.get_mut(&key) {
            held.nodes = nodes;
            held.status = HeldStatus::Running {
                deadline_ms: held.launch.time_limit_ms.map(|limit| now_ms + limit),
            };
        }
    }

    /// Starts what waits and fits, in order; tells what began.
    pub(crate) fn turn(&mut self, now_ms: u64) -> Vec<SubmitKey> {
        let pending = |(_, held): &(&SubmitKey, &Held)| matches!(held.status, HeldStatus::Pending);
        let mut waiting: Vec<_> = self
            .held
            .iter()
            .filter(pending)
            .map(|(key, held)| (held.id.clone(), *key))
            .collect();
        waiting.sort();
        let mut began = Vec::new();
        for (_, key) in waiting {
            if let Some(nodes) = self.nodes_for(now_ms, key) {
                self.begin(now_ms, key, nodes);
                began.push(key);
            }
        }
        began
    }

    fn nodes_for(&self, now_ms: u64, key: SubmitKey) -> Option<Vec<NodeName>> {
        let held = self.held.get(&key)?;
        if held.begins_at_ms > now_ms {
            return None;
        }
        let launch = &held.launch;
        let shape = launch.shape;
        let fits = |(name, node): &(&NodeName, &SiteNode)| {
            let (gpus, cpus) = self.used(name);
            node.is_up
                && !node.is_drained
                && node.foreign_until_ms <= now_ms
                && !launch.avoid.contains(name)
                && node.gpus >= gpus + shape.gpus_per_node
                && node.cpus >= cpus + shape.cpus_per_node
        };
        let nodes = self.nodes.iter().filter(fits).map(|(name, _)| name.clone());
        let nodes: Vec<_> = nodes.take(shape.nodes as usize).collect();
        (nodes.len() == shape.nodes as usize).then_some(nodes)
    }

    /// What running allocations have of a node.
    fn used(&self, node: &NodeName) -> (u32, u32) {
        let running = self.held.values().filter(|held| held.is_running());
        running
            .filter(|held| held.nodes.contains(node))
            .map(|held| held.launch.shape)
            .fold((0, 0), |(gpus, cpus), shape| {
                (gpus + shape.gpus_per_node, cpus + shape.cpus_per_node)
            })
    }

    /// An allocation is over; the first word about that stays.
    pub(crate) fn end(&mut self, key: SubmitKey, end: AllocationEnd) {
        if let Some(held) = self.held.get_mut(&key)
            && !held.is_ended()
        {
            held.status = HeldStatus::Ended(end);
        }
    }

    /// Running allocations whose wall time is over.
    pub(crate) fn overdue(&self, now_ms: u64) -> Vec<SubmitKey> {
        let is_over = |held: &Held| match held.status {
            HeldStatus::Running {
                deadline_ms: Some(deadline),
            } => deadline <= now_ms,
            _ => false,
        };
        let over = self.held.iter().filter(|(_, held)| is_over(held));
        over.map(|(key, _)| *key).collect()
    }

    /// Ends an allocation, or tells who must.
    pub(crate) fn stop(&mut self, key: SubmitKey, how: StopHow) -> Stopped {
        let Some(held) = self.held.get_mut(&key) else {
            return Stopped::Nothing;
        };
        held.is_stopped = true;
        match (&held.status, how) {
            (HeldStatus::Ended(_), _) => Stopped::Nothing,
            (HeldStatus::Pending, _) => {
                held.status = HeldStatus::Ended(AllocationEnd::Cancelled);
                Stopped::Withdrawn
            }
            (HeldStatus::Running { .. }, StopHow::Gently) => Stopped::Signalled,
            (HeldStatus::Running { .. }, StopHow::Now) => {
                held.status = HeldStatus::Ended(AllocationEnd::Cancelled);
                Stopped::Killed
            }
        }
    }

    /// Removes what is left of an ended allocation.
    pub(crate) fn forget(&mut self, key: SubmitKey) {
        if self.held.get(&key).is_some_and(Held::is_ended) {
            self.held.remove(&key);
            self.forgotten.insert(key);
        }
    }

    /// Loses all that it knew of allocations; tells what was alive.
    pub(crate) fn lose_all(&mut self) -> Vec<SubmitKey> {
        let lost = std::mem::take(&mut self.held);
        self.forgotten.extend(lost.keys());
        self.recent.clear();
        let alive = lost.into_iter().filter(|(_, held)| !held.is_ended());
        alive.map(|(key, _)| key).collect()
    }
}

/// Whether an empty node is enough for a share of `shape`.
fn large(node: &SiteNode, shape: Shape) -> bool {
    node.gpus >= shape.gpus_per_node && node.cpus >= shape.cpus_per_node
}
