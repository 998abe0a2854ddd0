//! Clusters and their nodes.

use std::collections::BTreeMap;

use schliff_scheduler::cluster::{Cluster, Node};
use schliff_scheduler::job::Phase;
use schliff_scheduler::policy::{AVOID_MS, STRIKES_OUT};
use schliff_spec::id::NodeName;
use schliff_wire::v1::{ClusterView, NodeView};

use super::Look;
use super::reason::or_zero;
use crate::clock::wire_ms;

/// A cluster, as far as the state knows it.
pub(crate) fn cluster(look: Look<'_>, cluster: &Cluster) -> ClusterView {
    let nodes: Vec<&Node> = cluster.nodes.values().collect();
    let sum = |of: fn(&Node) -> u32, nodes: &[&Node]| -> u32 {
        nodes
            .iter()
            .map(|node| of(node))
            .fold(0, u32::saturating_add)
    };
    let up: Vec<&Node> = nodes.iter().copied().filter(|node| node.is_up).collect();
    let live = look.state.live.iter();
    let here = live.filter_map(|id| look.state.jobs.get(id)).filter(|job| {
        job.live()
            .is_some_and(|attempt| attempt.cluster == cluster.name)
    });
    let (queued, running): (Vec<_>, Vec<_>) =
        here.partition(|job| matches!(job.phase, Phase::Allocating));
    let bound = look.state.queue.iter().filter(|place| {
        let job = look.state.jobs.get(&place.job);
        job.is_some_and(|job| job.ask.cluster.as_ref() == Some(&cluster.name))
    });
    ClusterView {
        name: cluster.name.to_string(),
        nodes: small(nodes.len()),
        nodes_up: small(up.len()),
        gpus: sum(|node| node.gpus, &nodes),
        gpus_free: sum(Node::gpus_free, &up),
        cpus: sum(|node| node.cpus, &nodes),
        cpus_free: sum(Node::cpus_free, &up),
        queued: (queued.len() + bound.count()) as u64,
        running: running.len() as u64,
        observed_ms: or_zero(cluster.observed_at),
        ..ClusterView::default()
    }
}

fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The nodes of a cluster.
pub(crate) fn nodes(look: Look<'_>, cluster: &Cluster) -> Vec<NodeView> {
    let mut jobs: BTreeMap<&NodeName, Vec<u64>> = BTreeMap::new();
    let live = look.state.live.iter();
    for job in live.filter_map(|id| look.state.jobs.get(id)) {
        let attempt = job.live().filter(|it| it.cluster == cluster.name);
        for node in attempt.into_iter().flat_map(|it| it.held_nodes()) {
            jobs.entry(node).or_default().push(job.id.0);
        }
    }
    let view = |(name, node): (&NodeName, &Node)| {
        let strikes = cluster.strikes.get(name).copied().unwrap_or_default();
        let until = strikes.last_at.plus(AVOID_MS);
        let is_avoided = strikes.count >= STRIKES_OUT && until > look.now;
        NodeView {
            cluster: cluster.name.to_string(),
            name: name.to_string(),
            up: node.is_up,
            gpus: node.gpus,
            gpus_free: node.gpus_free(),
            cpus: node.cpus,
            cpus_free: node.cpus_free(),
            strikes: strikes.count,
            avoided_until_ms: if is_avoided { wire_ms(until) } else { 0 },
            jobs: jobs.remove(name).unwrap_or_default(),
        }
    };
    cluster.nodes.iter().map(view).collect()
}
