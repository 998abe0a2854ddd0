//! What live attempts hold of nodes, and failures that are blamed on nodes.

use schliff_spec::id::{ClusterName, NodeName};

use crate::cluster::{Cluster, Node, Strikes};
use crate::policy::STRIKE_MEMORY_MS;
use crate::shape::Shape;
use crate::state::State;
use crate::time::Timestamp;

/// A cluster's nodes, and how much of each.
type Held = Option<(ClusterName, Vec<NodeName>, Shape)>;

impl State {
    /// An attempt that held `before` holds `after` now.
    pub(super) fn hold(&mut self, before: Held, after: Held) {
        if before == after {
            return;
        }
        if let Some((cluster, nodes, shape)) = before {
            self.change_held(&cluster, &nodes, |node| {
                node.gpus_held = node.gpus_held.saturating_sub(shape.gpus_per_node);
                node.cpus_held = node.cpus_held.saturating_sub(shape.cpus_per_node);
            });
        }
        if let Some((cluster, nodes, shape)) = after {
            self.change_held(&cluster, &nodes, |node| {
                node.gpus_held += shape.gpus_per_node;
                node.cpus_held += shape.cpus_per_node;
            });
        }
    }

    fn change_held(
        &mut self,
        cluster: &ClusterName,
        nodes: &[NodeName],
        change: impl Fn(&mut Node),
    ) {
        let Some(cluster) = self.clusters.get_mut(cluster) else {
            return;
        };
        for name in nodes {
            // A node that was not observed yet, as after a restart, is known by what it holds.
            let node = cluster.nodes.entry(name.clone()).or_insert(Node {
                is_up: false,
                gpus: 0,
                cpus: 0,
                gpus_held: 0,
                cpus_held: 0,
            });
            change(node);
        }
    }
}

impl Cluster {
    /// One more failure of a node; older ones are forgotten after a while.
    pub(super) fn strike(&mut self, node: &NodeName, at: Timestamp) {
        let strikes = self.strikes.entry(node.clone()).or_default();
        let is_old = at.since(strikes.last_at) > STRIKE_MEMORY_MS;
        *strikes = Strikes {
            count: if is_old { 1 } else { strikes.count + 1 },
            last_at: at,
        };
    }
}
