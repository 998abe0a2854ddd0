//! What a pretended cluster's log comes to, and what may happen next. Pure.
//!
//! Rules: the first end of an allocation counts; applying an event that no longer fits changes
//! nothing; a node that is granted is held until its allocation has ended.

use std::collections::BTreeMap;

use schliff_scheduler::allocation::{
    Allocation, AllocationEnd, AllocationId, AllocationStatus, NodeReport, StopHow,
};
use schliff_scheduler::cluster::{Queue, Terms};
use schliff_scheduler::shape::Shape;
use schliff_spec::exit::ExitCode;
use schliff_spec::id::{NodeName, SubmitKey};
use serde::{Deserialize, Serialize};

use crate::launch::Launch;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event {
    /// The cluster's nodes are these from now on.
    Nodes { nodes: Vec<NodeReport> },
    /// An allocation was accepted; with nodes, they are held for it.
    Submitted {
        key: SubmitKey,
        shape: Shape,
        nodes: Vec<NodeName>,
    },
    /// It was started on these nodes.
    Started {
        key: SubmitKey,
        nodes: Vec<NodeName>,
    },
    /// It was asked to end.
    StopAsked { key: SubmitKey, how: StopHow },
    /// It is over.
    Ended { key: SubmitKey, end: AllocationEnd },
    /// What was left of it is removed.
    Forgotten { key: SubmitKey },
}

/// Why something was not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// It never will be.
    Never(String),
    /// Something must become free first.
    Now(String),
}

/// All that happened.
#[derive(Debug, Default)]
pub(super) struct State {
    nodes: BTreeMap<NodeName, Machine>,
    allocations: BTreeMap<SubmitKey, Pretended>,
    /// How often what is forgotten was started.
    forgotten: BTreeMap<SubmitKey, u32>,
    waiting: usize,
}

#[derive(Debug)]
struct Machine {
    report: NodeReport,
    gpus_held: u32,
    cpus_held: u32,
}

#[derive(Debug)]
struct Pretended {
    shape: Shape,
    nodes: Vec<NodeName>,
    status: AllocationStatus,
    starts: u32,
    stop: Option<StopHow>,
}

impl Pretended {
    fn is_over(&self) -> bool {
        matches!(self.status, AllocationStatus::Ended { .. })
    }

    fn is_waiting(&self) -> bool {
        matches!(self.status, AllocationStatus::Pending { .. })
    }
}

impl State {
    /// Whether a submit of this key changes nothing.
    pub(super) fn knows(&self, key: SubmitKey) -> bool {
        self.allocations.contains_key(&key)
    }

    /// Whether anything waits for its start.
    pub(super) fn has_waiting(&self) -> bool {
        self.waiting > 0
    }

    /// How often a key was started.
    pub(super) fn starts(&self, key: SubmitKey) -> u32 {
        let known = self.allocations.get(&key).map(|it| it.starts);
        let forgotten = || self.forgotten.get(&key).copied();
        known.or_else(forgotten).unwrap_or(0)
    }

    /// What lives.
    pub(super) fn live(&self) -> impl Iterator<Item = (SubmitKey, Option<StopHow>)> {
        let live = self.allocations.iter().filter(|(_, it)| !it.is_over());
        live.map(|(key, it)| (*key, it.stop))
    }

    /// Every allocation, as it is listed.
    pub(super) fn allocations(&self) -> Vec<Allocation> {
        let list = self.allocations.iter().map(|(key, it)| Allocation {
            key: *key,
            id: AllocationId(key.to_string()),
            status: it.status.clone(),
            nodes: it.nodes.clone(),
        });
        list.collect()
    }

    /// The cluster's nodes.
    pub(super) fn nodes(&self) -> Vec<NodeReport> {
        let machines = self.nodes.values();
        machines.map(|machine| machine.report.clone()).collect()
    }

    /// The nodes that a submit is granted at once; none where it has to wait.
    pub(super) fn submitted(
        &self,
        launch: &Launch,
        terms: &Terms,
    ) -> Result<Vec<NodeName>, NoRoom> {
        let never = |why: &str| Err(NoRoom::Never(why.to_owned()));
        if self.forgotten.contains_key(&launch.key) {
            return never("its allocation has ended and was forgotten");
        }
        let is_longer = |most: u64| launch.time_limit_ms.is_some_and(|limit| limit > most);
        if terms.max_time_ms.is_some_and(is_longer) {
            return never("its time limit is over the cluster's");
        }
        let fits = |it: &&Machine| it.fits_empty(launch.shape);
        if self.nodes.values().filter(fits).count() < launch.shape.nodes as usize {
            return never(&format!("the cluster has no {}", launch.shape));
        }
        match (terms.queue, launch.placement.as_slice()) {
            (Queue::Ours, []) => self.free_nodes(launch.shape, &launch.avoid),
            (Queue::Ours, placement) => self.placed(launch.shape, placement),
            (Queue::Theirs, _)
                if terms
                    .max_waiting
                    .is_some_and(|most| self.waiting >= most as usize) =>
            {
                Err(NoRoom::Now("too many allocations wait".to_owned()))
            }
            (Queue::Theirs, _) => Ok(Vec::new()),
        }
    }

    /// Exactly these nodes, where they are free.
    fn placed(&self, shape: Shape, placement: &[NodeName]) -> Result<Vec<NodeName>, NoRoom> {
        if placement.len() != shape.nodes as usize {
            let why = format!("{} nodes are no place for {shape}", placement.len());
            return Err(NoRoom::Never(why));
        }
        for name in placement {
            let machine = self.nodes.get(name);
            match machine {
                None => return Err(NoRoom::Never(format!("there is no node {name}"))),
                Some(machine) if !machine.has_free(shape) => {
                    return Err(NoRoom::Now(format!("node {name} is down or in use")));
                }
                Some(_) => {}
            }
        }
        Ok(placement.to_vec())
    }

    /// The first nodes that have room.
    fn free_nodes(&self, shape: Shape, avoid: &[NodeName]) -> Result<Vec<NodeName>, NoRoom> {
        let count = shape.nodes as usize;
        let free = self
            .nodes
            .iter()
            .filter(|(name, machine)| machine.has_free(shape) && !avoid.contains(name));
        let nodes: Vec<_> = free.map(|(name, _)| name.clone()).take(count).collect();
        match nodes.len() == count {
            true => Ok(nodes),
            false => Err(NoRoom::Now(format!("no {shape} is free"))),
        }
    }

    /// The start of one that waits.
    pub(super) fn start(&self, key: SubmitKey) -> Result<Option<Event>, NoRoom> {
        let Some(waiting) = self.allocations.get(&key).filter(|it| it.is_waiting()) else {
            return Ok(None);
        };
        let nodes = match waiting.nodes.as_slice() {
            [] => self.free_nodes(waiting.shape, &[])?,
            nodes => nodes.to_vec(),
        };
        Ok(Some(Event::Started { key, nodes }))
    }

    /// The start of the first that waits, where there is room for it: nothing overtakes.
    pub(super) fn next_start(&self) -> Option<Event> {
        let mut waiting = self.allocations.iter().filter(|(_, it)| it.is_waiting());
        let (key, _) = waiting.next()?;
        self.start(*key).ok().flatten()
    }

    /// What follows from a stop.
    pub(super) fn stopped(&self, key: SubmitKey, how: StopHow, obeys: bool) -> Vec<Event> {
        let Some(live) = self.allocations.get(&key).filter(|it| !it.is_over()) else {
            return Vec::new();
        };
        let asked = (live.stop != Some(how)).then_some(Event::StopAsked { key, how });
        let end = match (live.is_waiting(), how) {
            (true, _) => AllocationEnd::Cancelled,
            (false, StopHow::Gently) => AllocationEnd::Exited {
                code: ExitCode::MoreToDo.code(),
            },
            (false, StopHow::Now) => AllocationEnd::Killed { signal: Some(9) },
        };
        let ended = (obeys || live.is_waiting()).then_some(Event::Ended { key, end });
        asked.into_iter().chain(ended).collect()
    }

    /// What follows from forgetting.
    pub(super) fn forgotten(&self, key: SubmitKey) -> Vec<Event> {
        let ended = self.allocations.get(&key).filter(|it| it.is_over());
        ended
            .map(|_| Event::Forgotten { key })
            .into_iter()
            .collect()
    }

    /// Takes note of what happened.
    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Nodes { nodes } => self.renew(nodes),
            Event::Submitted { key, shape, nodes } => self.submit(key, shape, nodes),
            Event::Started { key, nodes } => {
                let Some(it) = self.allocations.get_mut(&key).filter(|it| it.is_waiting()) else {
                    return;
                };
                it.status = AllocationStatus::Running;
                it.starts += 1;
                self.waiting -= 1;
                let (shape, is_new) = (it.shape, it.nodes.is_empty());
                if is_new {
                    it.nodes.clone_from(&nodes);
                    self.hold(&nodes, |machine| machine.take(shape));
                }
            }
            Event::StopAsked { key, how } => {
                if let Some(it) = self.allocations.get_mut(&key) {
                    it.stop = Some(how);
                }
            }
            Event::Ended { key, end } => {
                let Some(it) = self.allocations.get_mut(&key).filter(|it| !it.is_over()) else {
                    return;
                };
                self.waiting -= usize::from(it.is_waiting());
                it.status = AllocationStatus::Ended { end };
                let (shape, nodes) = (it.shape, it.nodes.clone());
                self.hold(&nodes, |machine| machine.give_back(shape));
            }
            Event::Forgotten { key } => {
                if let Some(it) = self.allocations.remove(&key) {
                    self.forgotten.insert(key, it.starts);
                }
            }
        }
    }

    fn submit(&mut self, key: SubmitKey, shape: Shape, nodes: Vec<NodeName>) {
        self.hold(&nodes, |machine| machine.take(shape));
        self.waiting += 1;
        let pretended = Pretended {
            shape,
            nodes,
            status: AllocationStatus::Pending {
                why: "waiting for its start".to_owned(),
                start_estimate: None,
            },
            starts: 0,
            stop: None,
        };
        self.allocations.insert(key, pretended);
    }

    fn hold(&mut self, nodes: &[NodeName], change: impl Fn(&mut Machine)) {
        for name in nodes {
            if let Some(machine) = self.nodes.get_mut(name) {
                change(machine);
            }
        }
    }

    /// What is held stays held on nodes that stay.
    fn renew(&mut self, reports: Vec<NodeReport>) {
        let mut old = std::mem::take(&mut self.nodes);
        let renewed = reports.into_iter().map(|report| {
            let held = old.remove(&report.name);
            let (gpus_held, cpus_held) =
                held.map_or((0, 0), |machine| (machine.gpus_held, machine.cpus_held));
            let machine = Machine {
                report,
                gpus_held,
                cpus_held,
            };
            (machine.report.name.clone(), machine)
        });
        self.nodes = renewed.collect();
    }
}

impl Machine {
    fn fits_empty(&self, shape: Shape) -> bool {
        shape.gpus_per_node <= self.report.gpus && shape.cpus_per_node <= self.report.cpus
    }

    fn has_free(&self, shape: Shape) -> bool {
        let fits = |wanted: u32, all: u32, held: u32| wanted <= all.saturating_sub(held);
        self.report.is_up
            && fits(shape.gpus_per_node, self.report.gpus, self.gpus_held)
            && fits(shape.cpus_per_node, self.report.cpus, self.cpus_held)
    }

    fn take(&mut self, shape: Shape) {
        self.gpus_held += shape.gpus_per_node;
        self.cpus_held += shape.cpus_per_node;
    }

    fn give_back(&mut self, shape: Shape) {
        self.gpus_held = self.gpus_held.saturating_sub(shape.gpus_per_node);
        self.cpus_held = self.cpus_held.saturating_sub(shape.cpus_per_node);
    }
}
