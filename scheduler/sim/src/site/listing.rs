//! What a batch system shows of itself, now or as it was a while ago.

use schliff_scheduler::allocation::{Allocation, AllocationStatus, NodeReport};
use schliff_scheduler::cluster::Queue;

use super::{Held, HeldStatus, Site, SiteNode};

/// How long old answers are kept: no site shows older ones.
const KEPT_MS: u64 = 120_000;

/// The content of a listing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    pub(crate) allocations: Vec<Allocation>,
    pub(crate) nodes: Vec<NodeReport>,
}

impl Site {
    /// How things are.
    pub(crate) fn shows(&mut self, now_ms: u64) -> Shown {
        let visible = |held: &&Held| held.visible_from_ms <= now_ms;
        let shown = Shown {
            allocations: self.held.values().filter(visible).map(told).collect(),
            nodes: self.nodes.iter().map(|(n, node)| report(n, node)).collect(),
        };
        self.recent.push_back((now_ms, shown.clone()));
        while self
            .recent
            .front()
            .is_some_and(|(at, _)| at + KEPT_MS < now_ms)
        {
            self.recent.pop_front();
        }
        shown
    }

    /// How things were, at most so long ago and before the last answer; `None` where that is not known.
    pub(crate) fn showed(&self, now_ms: u64, most_ms: u64) -> Option<Shown> {
        let old = self.recent.iter().find(|(at, _)| at + most_ms >= now_ms);
        old.map(|(_, shown)| shown.clone())
    }

    /// Who keeps its queue is Schliff.
    pub(crate) fn is_ours(&self) -> bool {
        self.terms.queue == Queue::Ours
    }
}

fn told(held: &Held) -> Allocation {
    Allocation {
        key: held.launch.key,
        id: held.id.clone(),
        status: match &held.status {
            HeldStatus::Pending => AllocationStatus::Pending {
                why: held.why.into(),
                start_estimate: None,
            },
            HeldStatus::Running { .. } => AllocationStatus::Running,
            HeldStatus::Ended(end) => AllocationStatus::Ended { end: end.clone() },
        },
        nodes: held.nodes.clone(),
    }
}

fn report(name: &schliff_spec::id::NodeName, node: &SiteNode) -> NodeReport {
    NodeReport {
        name: name.clone(),
        is_up: node.is_up && !node.is_drained,
        gpus: node.gpus,
        cpus: node.cpus,
    }
}
