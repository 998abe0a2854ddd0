//! Clusters and their nodes, and the models that are to come.

use askama::Template;
use schliff_wire::v1::{ClusterView, NodeView};

use crate::show::number;
use crate::show::time::Moment;
use crate::source::{Caller, Refusal};
use crate::view::frame::Frame;
use crate::view::{Part, plural, text};

/// Nodes of one cluster that are listed: those with something to say come first.
const NODES: usize = 64;

/// The page.
#[derive(Template)]
#[template(path = "clusters.html")]
pub(crate) struct ClustersPage {
    pub(crate) frame: Frame,
    pub(crate) cards: Cards,
}

/// All clusters.
#[derive(Template)]
#[template(path = "clusters_cards.html")]
pub(crate) struct Cards {
    cards: Vec<Card>,
}

struct Card {
    name: String,
    backend: String,
    trouble: String,
    meters: Vec<Meter>,
    queued: String,
    running: String,
    calls: String,
    failed: u64,
    observed: Moment,
    nodes: Vec<Node>,
    more: usize,
}

/// Free of all.
struct Meter {
    word: &'static str,
    free: u32,
    all: u32,
}

impl Meter {
    fn used(&self) -> u32 {
        self.all.saturating_sub(self.free)
    }
}

struct Node {
    name: String,
    is_up: bool,
    gpus: String,
    cpus: String,
    strikes: u32,
    avoided: Option<Moment>,
    jobs: Vec<u64>,
}

impl Cards {
    pub(crate) fn of(clusters: &[ClusterView], nodes: &[NodeView], now_ms: i64) -> Self {
        let card = |cluster| Card::of(cluster, nodes, now_ms);
        Self {
            cards: clusters.iter().map(card).collect(),
        }
    }

    /// The part that changes.
    pub(crate) fn rendered(&self) -> Result<Vec<Part>, Refusal> {
        Ok(vec![("clusters", text(self)?)])
    }
}

impl Card {
    fn of(cluster: &ClusterView, nodes: &[NodeView], now_ms: i64) -> Self {
        let mut own: Vec<_> = nodes
            .iter()
            .filter(|node| node.cluster == cluster.name)
            .collect();
        own.sort_by_key(|node| {
            let is_quiet = node.up && node.strikes == 0 && node.jobs.is_empty();
            (node.up && node.strikes == 0, is_quiet, node.name.clone())
        });
        let meters = [
            ("GPUs", cluster.gpus_free, cluster.gpus),
            ("Cores", cluster.cpus_free, cluster.cpus),
            ("Nodes up", cluster.nodes_up, cluster.nodes),
        ];
        Self {
            name: cluster.name.clone(),
            backend: cluster.backend.clone(),
            trouble: cluster.trouble.clone(),
            meters: meters
                .into_iter()
                .filter(|(_, _, all)| *all > 0)
                .map(|(word, free, all)| Meter { word, free, all })
                .collect(),
            queued: number::count(cluster.queued),
            running: number::count(cluster.running),
            calls: number::count(cluster.calls),
            failed: cluster.calls_failed,
            observed: Moment {
                at_ms: cluster.observed_ms,
                now_ms,
            },
            more: own.len().saturating_sub(NODES),
            nodes: own
                .into_iter()
                .take(NODES)
                .map(|node| Node::of(node, now_ms))
                .collect(),
        }
    }

    fn failed_text(&self) -> String {
        let word = plural(self.failed, "call", "calls");
        format!("{} {word} failed", number::count(self.failed))
    }
}

impl Node {
    fn of(node: &NodeView, now_ms: i64) -> Self {
        let share = |free: u32, all: u32| match all {
            0 => String::new(),
            all => format!("{free} of {all}"),
        };
        let is_avoided = node.avoided_until_ms > now_ms;
        Self {
            name: node.name.clone(),
            is_up: node.up,
            gpus: share(node.gpus_free, node.gpus),
            cpus: share(node.cpus_free, node.cpus),
            strikes: node.strikes,
            avoided: is_avoided.then_some(Moment {
                at_ms: node.avoided_until_ms,
                now_ms,
            }),
            jobs: node.jobs.clone(),
        }
    }
}

/// The page of models.
#[derive(Template)]
#[template(path = "models.html")]
pub(crate) struct ModelsPage {
    frame: Frame,
}

impl ModelsPage {
    pub(crate) fn new(caller: &Caller) -> Self {
        Self {
            frame: Frame::new("Models", "models", caller),
        }
    }
}
