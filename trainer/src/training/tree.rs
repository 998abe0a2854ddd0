//! The fixed binary tree in which a step's leaves are summed, and each rank's part of it.
//!
//! Rules: the tree depends on the leaves' weights alone, never on threads or ranks. A node splits
//! its run of leaves in two runs of about equal weight, neither empty while there are two leaves.
//! Rank `r` of `2^k` owns the `r`-th node of level `k`, so ranks that sum their own nodes and then
//! each other's sums, pairwise in rank order, walk this very tree.

use std::ops::Range;

/// Leaves of one rank: a node of level `log2(world_size)`; empty where the tree ends above it.
pub(crate) fn share(weights: &[usize], rank: usize, world_size: usize) -> Range<usize> {
    let mut own = 0..weights.len();
    let mut ranks = world_size;
    while ranks > 1 {
        ranks /= 2;
        let middle = own.start + split(&weights[own.clone()]);
        own = match (rank / ranks) % 2 {
            0 => own.start..middle,
            _ => middle..own.end,
        };
    }
    own
}

/// Folds one value a rank in rank order: `((v0 v1) (v2 v3)) ...`.
pub(crate) fn fold_ranks<T>(values: Vec<T>, combine: impl Fn(T, T) -> T) -> Option<T> {
    let mut level = values;
    while level.len() > 1 {
        let mut pairs = level.into_iter();
        let mut above = Vec::new();
        while let Some(left) = pairs.next() {
            above.push(match pairs.next() {
                Some(right) => combine(left, right),
                None => left,
            });
        }
        level = above;
    }
    level.pop()
}

/// Finished nodes over a run of leaves, each waiting for its sibling.
pub(crate) struct Tree<T> {
    /// Parent of each node, and whether the node is its left child; the root has none.
    parents: Vec<Option<(usize, bool)>>,
    /// Node of each leaf.
    leaves: Vec<usize>,
    waiting: Vec<Option<T>>,
}

impl<T> Tree<T> {
    /// The tree over leaves of these weights.
    pub(crate) fn new(weights: &[usize]) -> Self {
        let mut tree = Self {
            parents: Vec::new(),
            leaves: vec![0; weights.len()],
            waiting: Vec::new(),
        };
        let mut open = vec![(0..weights.len(), None)];
        while let Some((run, parent)) = open.pop() {
            let node = tree.parents.len();
            tree.parents.push(parent);
            match run.len() {
                0 => {}
                1 => tree.leaves[run.start] = node,
                _ => {
                    let middle = run.start + split(&weights[run.clone()]);
                    open.push((run.start..middle, Some((node, true))));
                    open.push((middle..run.end, Some((node, false))));
                }
            }
        }
        tree.waiting.resize_with(tree.parents.len(), || None);
        tree
    }

    /// Node of a leaf.
    pub(crate) fn leaf(&self, leaf: usize) -> usize {
        self.leaves[leaf]
    }

    /// Leaves a node's value; gives back both children, left first, and their parent where the
    /// sibling was there already.
    pub(crate) fn insert(&mut self, node: usize, value: T) -> Option<(T, T, usize)> {
        let Some((parent, is_left)) = self.parents[node] else {
            self.waiting[node] = Some(value);
            return None;
        };
        // The parent's place holds the child that came first; a parent's own value comes later.
        match self.waiting[parent].take() {
            None => {
                self.waiting[parent] = Some(value);
                None
            }
            Some(sibling) if is_left => Some((value, sibling, parent)),
            Some(sibling) => Some((sibling, value, parent)),
        }
    }

    /// The root's value, once every leaf was inserted.
    pub(crate) fn root(mut self) -> Option<T> {
        self.waiting.first_mut()?.take()
    }
}

/// Where a run of leaves is cut: the weights of both sides are as close as they can be.
fn split(weights: &[usize]) -> usize {
    if weights.len() < 2 {
        return weights.len();
    }
    let total: usize = weights.iter().sum();
    let (mut left, mut best) = (0, (usize::MAX, 1));
    for (at, weight) in weights[..weights.len() - 1].iter().enumerate() {
        left += weight;
        best = best.min((left.abs_diff(total - left), at + 1));
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The tree over `weights` in words.
    fn words(weights: &[usize], first: usize) -> String {
        match weights.len() {
            0 => String::new(),
            1 => first.to_string(),
            _ => {
                let middle = split(weights);
                let left = words(&weights[..middle], first);
                let right = words(&weights[middle..], first + middle);
                format!("({left} {right})")
            }
        }
    }

    fn join(left: String, right: String) -> String {
        match (left.is_empty(), right.is_empty()) {
            (true, _) => right,
            (_, true) => left,
            _ => format!("({left} {right})"),
        }
    }

    proptest! {
        #[test]
        fn ranks_walk_the_same_tree(weights in prop::collection::vec(1_usize..900, 0..40)) {
            let whole = words(&weights, 0);
            for world_size in [1, 2, 4, 8, 16] {
                let parts = (0..world_size).map(|rank| {
                    let own = share(&weights, rank, world_size);
                    words(&weights[own.clone()], own.start)
                });
                let folded = fold_ranks(parts.collect(), join);
                prop_assert_eq!(Some(&whole), folded.as_ref());
            }
        }

        #[test]
        fn any_order_of_finishing_gives_the_same_root(
            weights in prop::collection::vec(1_usize..900, 1..40), seed: u64,
        ) {
            let mut tree = Tree::new(&weights);
            let mut left: Vec<usize> = (0..weights.len()).collect();
            let mut random = seed;
            while !left.is_empty() {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let leaf = left.swap_remove((random >> 33) as usize % left.len());
                let mut node = (tree.leaf(leaf), leaf.to_string());
                while let Some((a, b, parent)) = tree.insert(node.0, node.1) {
                    node = (parent, format!("({a} {b})"));
                }
            }
            prop_assert_eq!(tree.root(), Some(words(&weights, 0)));
        }

        #[test]
        fn shares_are_even(weights in prop::collection::vec(200_usize..520, 8..64)) {
            let total: usize = weights.iter().sum();
            let heaviest = weights.iter().copied().max().unwrap_or(0);
            for world_size in [2, 4] {
                for rank in 0..world_size {
                    let own: usize = weights[share(&weights, rank, world_size)].iter().sum();
                    prop_assert!(own <= total / world_size + heaviest);
                }
            }
        }
    }
}
