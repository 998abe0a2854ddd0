//! Which nodes a generation runs on: all of a job's, or as many as it can do with where some are gone.
//! Pure.
//!
//! Rules: CR-1 the nodes of a crew are the job's, halved so often as it takes, never below the fewest
//! that the job can do with; node 0 leads and is always one of them. CR-2 a node that is lost may come
//! back for a while; where those that are there can take its place, nobody waits for it. CR-3 who is in
//! no crew stays, and is taken when a later one is made. Absent on purpose: ending ranks, and words for
//! what they did.

use std::collections::BTreeMap;
use std::fmt;

/// The nodes of one generation, each with the same share of its ranks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crew {
    nodes: Vec<usize>,
    ranks_per_node: usize,
    of: usize,
    gone: Vec<usize>,
}

impl Crew {
    /// All nodes of a job.
    pub fn whole(nodes: usize, ranks_per_node: usize) -> Self {
        Self {
            nodes: (0..nodes).collect(),
            ranks_per_node,
            of: nodes,
            gone: Vec::new(),
        }
    }

    /// The same, where some nodes are gone and it goes on with these.
    pub fn without(self, gone: &[usize], nodes: &[usize]) -> Self {
        Self {
            nodes: nodes.to_vec(),
            gone: gone.to_vec(),
            ..self
        }
    }

    /// All nodes of the job are in it.
    pub fn is_whole(&self) -> bool {
        self.nodes.len() == self.of
    }

    /// Its nodes by their numbers, in the order of their ranks.
    pub fn nodes(&self) -> &[usize] {
        &self.nodes
    }

    /// Nodes of the job that were not there when it began.
    pub fn gone(&self) -> &[usize] {
        &self.gone
    }

    /// Ranks on each node.
    pub fn ranks_per_node(&self) -> usize {
        self.ranks_per_node
    }

    /// Ranks in all.
    pub fn ranks(&self) -> usize {
        self.nodes.len() * self.ranks_per_node
    }

    /// The node that a rank is on.
    pub fn node_of(&self, rank: usize) -> Option<usize> {
        let place = rank.checked_div(self.ranks_per_node)?;
        self.nodes.get(place).copied()
    }

    /// The first of a node's ranks, where it has any.
    pub(crate) fn first_rank(&self, node: usize) -> Option<usize> {
        let place = self.nodes.iter().position(|own| *own == node)?;
        Some(place * self.ranks_per_node)
    }
}

impl fmt::Display for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gone: Vec<_> = self.gone.iter().map(ToString::to_string).collect();
        match gone.as_slice() {
            [] => {}
            [node] => write!(f, "node {node} is gone; ")?,
            nodes => write!(f, "nodes {} are gone; ", nodes.join(", "))?,
        }
        write!(f, "going on with {} of {} nodes", self.nodes.len(), self.of)
    }
}

/// What a crew is made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// Nodes of the job.
    pub(crate) nodes: usize,
    /// The fewest that it can do with.
    pub(crate) min_nodes: usize,
    /// Ranks on each.
    pub(crate) ranks_per_node: usize,
}

/// Who is there, and the crew at work or the last one.
#[derive(Debug)]
pub(crate) struct Roster {
    terms: Terms,
    /// Nodes that are not there, each with the time until which it is waited for.
    absent: BTreeMap<usize, u64>,
    crew: Crew,
}

impl Roster {
    /// Only node 0 is there; the others are waited for until then.
    pub(crate) fn new(terms: Terms, until_ms: u64) -> Self {
        Self {
            terms,
            absent: (1..terms.nodes).map(|node| (node, until_ms)).collect(),
            crew: Crew::whole(terms.nodes, terms.ranks_per_node),
        }
    }

    /// A node is there.
    pub(crate) fn joined(&mut self, node: usize) {
        self.absent.remove(&node);
    }

    /// A node is gone, and waited for until then.
    pub(crate) fn lost(&mut self, node: usize, until_ms: u64) {
        self.absent.insert(node, until_ms);
    }

    /// Nodes that are not there.
    pub(crate) fn absent(&self) -> Vec<usize> {
        self.absent.keys().copied().collect()
    }

    /// The crew at work, or the last one.
    pub(crate) fn crew(&self) -> &Crew {
        &self.crew
    }

    /// The next crew, where it need not wait for anybody.
    pub(crate) fn next(&self, now_ms: u64) -> Option<Crew> {
        let is_there = |node: &usize| !self.absent.contains_key(node);
        let there: Vec<_> = (0..self.terms.nodes).filter(is_there).collect();
        let size = self.size(there.len())?;
        let nobody_is_due = self.absent.values().all(|until_ms| now_ms >= *until_ms);
        let nodes: Vec<_> = there.into_iter().take(size).collect();
        let whole = Crew::whole(self.terms.nodes, self.terms.ranks_per_node);
        let is_as_large = size >= self.crew.nodes.len();
        (is_as_large || nobody_is_due).then(|| whole.without(&self.absent(), &nodes))
    }

    /// The largest size of a crew for which so many nodes are enough.
    fn size(&self, there: usize) -> Option<usize> {
        let halved = |nodes: &usize| nodes.is_multiple_of(2).then_some(nodes / 2);
        let sizes = std::iter::successors(Some(self.terms.nodes), halved);
        let mut allowed = sizes.take_while(|size| *size >= self.terms.min_nodes);
        allowed.find(|size| *size <= there)
    }

    /// The crew begins. Gives words for people where it is another one than before.
    pub(crate) fn begin(&mut self, crew: Crew) -> Option<String> {
        let told = (crew != self.crew).then(|| crew.to_string());
        self.crew = crew;
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn roster(nodes: usize, min_nodes: usize) -> Roster {
        let terms = Terms {
            nodes,
            min_nodes,
            ranks_per_node: 2,
        };
        let mut roster = Roster::new(terms, 100);
        (1..nodes).for_each(|node| roster.joined(node));
        roster
    }

    fn next(roster: &Roster, now_ms: u64) -> Option<Vec<usize>> {
        roster.next(now_ms).map(|crew| crew.nodes)
    }

    #[test]
    fn a_lost_node_is_waited_for_and_then_done_without() {
        let mut roster = roster(4, 1);
        assert_eq!(next(&roster, 0), Some(vec![0, 1, 2, 3]));
        roster.lost(1, 20);
        assert_eq!(next(&roster, 19), None);
        assert_eq!(next(&roster, 20), Some(vec![0, 2]));
        let crew = roster.next(20).expect("a crew");
        assert_eq!(
            (crew.ranks(), crew.node_of(3), crew.node_of(4)),
            (4, Some(2), None)
        );
        assert_eq!((crew.first_rank(2), crew.first_rank(3)), (Some(2), None));
        let told = roster.begin(crew);
        assert_eq!(
            told.as_deref(),
            Some("node 1 is gone; going on with 2 of 4 nodes")
        );
    }

    #[test]
    fn who_idles_takes_the_place_of_a_later_loss_at_once() {
        let mut roster = roster(4, 2);
        roster.lost(1, 20);
        let crew = roster.next(20).expect("a crew");
        roster.begin(crew);
        roster.lost(2, 60);
        let crew = roster.next(41).expect("node 3 is there");
        assert_eq!(crew.nodes, [0, 3]);
        let told = roster.begin(crew);
        assert_eq!(
            told.as_deref(),
            Some("nodes 1, 2 are gone; going on with 2 of 4 nodes")
        );
        roster.lost(3, 80);
        assert_eq!(next(&roster, 1_000), None, "one is too few");
    }

    #[test]
    fn who_comes_back_is_taken_at_the_next_restart() {
        let mut roster = roster(2, 1);
        roster.lost(1, 20);
        let crew = roster.next(20).expect("a crew");
        roster.begin(crew.clone());
        assert_eq!(roster.begin(crew), None, "told once");
        roster.joined(1);
        assert_eq!(roster.crew().nodes, [0], "at work as before");
        let crew = roster.next(30).expect("both");
        let told = roster.begin(crew);
        assert_eq!(told.as_deref(), Some("going on with 2 of 2 nodes"));
    }

    #[test]
    fn without_leave_nobody_is_done_without() {
        let mut roster = roster(2, 2);
        roster.lost(1, 20);
        assert_eq!(next(&roster, u64::MAX), None);
    }

    proptest! {
        #[test]
        fn a_crew_is_as_large_as_it_can_be_and_of_those_who_are_there(
            doublings in 0..6_u32, min_nodes in 1..70_usize,
            lost in proptest::collection::btree_set(1..64_usize, 0..40), is_late in any::<bool>()
        ) {
            let nodes = 1 << doublings;
            let mut roster = roster(nodes, min_nodes.min(nodes));
            let lost: Vec<_> = lost.into_iter().filter(|node| *node < nodes).collect();
            lost.iter().for_each(|node| roster.lost(*node, 20));
            let crew = next(&roster, if is_late { 20 } else { 19 });
            let there = nodes - lost.len();
            match crew {
                None => prop_assert!(!lost.is_empty() && (!is_late || there < min_nodes.min(nodes).next_power_of_two())),
                Some(crew) => {
                    prop_assert!(is_late || lost.is_empty());
                    prop_assert_eq!(crew[0], 0);
                    prop_assert!(crew.iter().all(|node| !lost.contains(node)));
                    prop_assert!(crew.len() >= min_nodes.min(nodes) && crew.len().is_power_of_two());
                    prop_assert!(crew.len() * 2 > there || crew.len() == nodes);
                    prop_assert!(crew.is_sorted());
                }
            }
        }
    }
}
