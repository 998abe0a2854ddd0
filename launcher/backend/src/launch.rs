//! What an allocation starts on each of its nodes.

use schliff_scheduler::shape::Shape;
use schliff_spec::cluster::BatchWish;
use schliff_spec::id::{NodeName, SubmitKey};

/// One allocation: how much it takes, and what is started there.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// The attempt that it is for; the batch system's job carries it as its name.
    pub key: SubmitKey,
    /// A name for people, part of the comment only.
    pub name: String,
    /// How much it takes.
    pub shape: Shape,
    /// The fewest nodes that it can do with where some are lost; `None` where it needs all.
    pub min_nodes: Option<u32>,
    /// Nodes to take, where Schliff keeps the queue.
    pub placement: Vec<NodeName>,
    /// Nodes to avoid, where the batch system does.
    pub avoid: Vec<NodeName>,
    /// Wall time.
    pub time_limit_ms: Option<u64>,
    /// Wall time that the whole job still needs, over this allocation and what follows it; unknown
    /// where absent. A batch system that chains by itself makes so many links of it.
    pub work_ms: Option<u64>,
    /// What the job says to the batch system.
    pub wish: BatchWish,
    /// Arguments of `schliff`, started once a node. `{dir}` in an argument stands for the folder with
    /// the files, `{node}` for the node's number.
    pub args: Vec<String>,
    /// Environment of that process besides the usual; never secrets.
    pub env: Vec<(String, String)>,
    /// Files that it reads.
    pub files: Vec<LaunchFile>,
}

impl Launch {
    /// The fewest nodes that it goes on with where some are lost: its nodes are halved as often as it
    /// takes, which must be possible once.
    pub fn shrinks_to(&self) -> Option<u32> {
        let nodes = self.shape.nodes;
        let may = |least: &u32| nodes.is_multiple_of(2) && nodes / 2 >= *least;
        self.min_nodes.filter(may)
    }
}

/// A small file that comes with an allocation.
#[derive(Clone, PartialEq)]
pub struct LaunchFile {
    /// Plain name, without folders.
    pub name: String,
    /// What it holds.
    pub content: Vec<u8>,
    /// Only its owner may read it, and it is never shown.
    pub is_secret: bool,
}

impl std::fmt::Debug for LaunchFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = self.content.len();
        write!(formatter, "LaunchFile({}, {bytes} bytes)", self.name)
    }
}
