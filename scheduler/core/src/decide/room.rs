//! What is free on a cluster whose queue Schliff keeps, while jobs are placed.
//!
//! Nodes with equal room lie together, so that a question about thousands of nodes looks at a few
//! kinds of them. The tightest nodes that do are taken, and among those the first by name: the same
//! question has the same answer, and large room stays whole.

use std::collections::{BTreeMap, BTreeSet};

use schliff_spec::id::NodeName;

use crate::cluster::{Cluster, Node};
use crate::shape::Shape;

/// It.
#[derive(Clone, Debug, Default)]
pub(crate) struct Room<'a> {
    /// Names of nodes by what they have free: GPUs, then cores.
    by_free: BTreeMap<(u32, u32), BTreeSet<&'a NodeName>>,
}

impl<'a> Room<'a> {
    /// That of a cluster, `avoided` nodes left out.
    pub(crate) fn of(cluster: &'a Cluster, avoided: &BTreeSet<&NodeName>) -> Self {
        let mut room = Self::default();
        let usable = |(name, node): &(&NodeName, &Node)| node.is_up && !avoided.contains(*name);
        for (name, node) in cluster.nodes.iter().filter(usable) {
            let free = (node.gpus_free(), node.cpus_free());
            room.by_free.entry(free).or_default().insert(name);
        }
        room
    }

    /// Nodes with enough free for a share of `shape`.
    pub(crate) fn nodes_for(&self, shape: Shape) -> usize {
        self.fitting(shape).map(|(_, names)| names.len()).sum()
    }

    /// Takes nodes for `shape`, if there are enough.
    pub(crate) fn take(&mut self, shape: Shape) -> Option<Vec<NodeName>> {
        let wanted = shape.nodes as usize;
        if self.nodes_for(shape) < wanted {
            return None;
        }
        let chosen: Vec<_> = self
            .fitting(shape)
            .flat_map(|(free, names)| names.iter().map(move |name| (free, *name)))
            .take(wanted)
            .collect();
        for ((gpus, cpus), name) in &chosen {
            self.remove((*gpus, *cpus), name);
            let left = (gpus - shape.gpus_per_node, cpus - shape.cpus_per_node);
            self.by_free.entry(left).or_default().insert(name);
        }
        Some(chosen.into_iter().map(|(_, name)| name.clone()).collect())
    }

    fn fitting(&self, shape: Shape) -> impl Iterator<Item = ((u32, u32), &BTreeSet<&'a NodeName>)> {
        let from = (shape.gpus_per_node, 0);
        self.by_free
            .range(from..)
            .filter(move |((_, cpus), _)| *cpus >= shape.cpus_per_node)
            .map(|(free, names)| (*free, names))
    }

    fn remove(&mut self, free: (u32, u32), name: &NodeName) {
        if let Some(names) = self.by_free.get_mut(&free) {
            names.remove(name);
            if names.is_empty() {
                self.by_free.remove(&free);
            }
        }
    }

    /// Gives room back, as if an attempt of `shape` on `nodes` had ended.
    pub(crate) fn give(&mut self, shape: Shape, nodes: &[NodeName]) {
        for node in nodes {
            let place = self
                .by_free
                .iter()
                .find_map(|(free, names)| Some((*free, *names.get(node)?)));
            if let Some(((gpus, cpus), name)) = place {
                self.remove((gpus, cpus), name);
                let more = (gpus + shape.gpus_per_node, cpus + shape.cpus_per_node);
                self.by_free.entry(more).or_default().insert(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Queue, Terms};

    fn cluster(nodes: &[(&str, u32, u32)]) -> Cluster {
        let node = |(name, gpus, held): &(&str, u32, u32)| {
            let node = Node {
                is_up: true,
                gpus: *gpus,
                cpus: 8,
                gpus_held: *held,
                cpus_held: 0,
            };
            (name.parse().expect("a name"), node)
        };
        Cluster {
            name: "c".parse().expect("a name"),
            terms: Terms::of(Queue::Ours),
            nodes: nodes.iter().map(node).collect(),
            strikes: BTreeMap::new(),
            observed_at: None,
        }
    }

    fn shape(nodes: u32, gpus_per_node: u32) -> Shape {
        Shape {
            nodes,
            gpus_per_node,
            cpus_per_node: 1,
            ranks: nodes * gpus_per_node,
        }
    }

    fn names(taken: Option<Vec<NodeName>>) -> Vec<String> {
        let taken = taken.unwrap_or_default();
        taken.iter().map(|name| name.as_str().to_owned()).collect()
    }

    #[test]
    fn the_tightest_node_is_taken_and_room_shrinks() {
        let cluster = cluster(&[("a", 4, 0), ("b", 4, 2), ("c", 4, 4)]);
        let mut room = Room::of(&cluster, &BTreeSet::new());
        assert_eq!(names(room.take(shape(1, 2))), ["b"]);
        assert_eq!(names(room.take(shape(1, 2))), ["a"]);
        assert_eq!(names(room.take(shape(1, 2))), ["a"]);
        assert_eq!(room.take(shape(1, 1)), None);
    }

    #[test]
    fn what_is_avoided_or_too_small_is_not_taken() {
        let cluster = cluster(&[("a", 4, 0), ("b", 4, 0)]);
        let bad: NodeName = "a".parse().expect("a name");
        let mut room = Room::of(&cluster, &BTreeSet::from([&bad]));
        assert_eq!(room.take(shape(2, 1)), None);
        assert_eq!(names(room.take(shape(1, 4))), ["b"]);
        room.give(shape(1, 4), &["b".parse().expect("a name")]);
        assert_eq!(room.nodes_for(shape(1, 4)), 1);
    }
}
