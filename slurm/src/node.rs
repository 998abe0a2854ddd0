//! A node and a partition as Slurm tells of them.

pub(crate) mod state;

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// State as Slurm words it, in lower case and without its flag signs, such as `idle`, `mixed`.
    pub state: String,
    /// It can run something now or later: not down, not drained, and it answers.
    pub is_up: bool,
    /// Why not, in an administrator's words; may be empty.
    pub reason: String,
    /// Cores, or hardware threads where the site counts those.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// GPUs in all.
    pub gpus: u32,
    /// Type of its GPUs, such as `h100`; empty where it is not told.
    pub gpu_type: String,
    /// Features, for `--constraint`.
    pub features: Vec<String>,
    /// Partitions that it belongs to.
    pub partitions: Vec<String>,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its name.
    pub name: String,
    /// Jobs without `--partition` go here.
    pub is_default: bool,
    /// It takes jobs.
    pub is_up: bool,
    /// Longest wall time in minutes; `None` for unlimited.
    pub max_time_min: Option<u32>,
    /// Most nodes of a job; `None` for unlimited.
    pub max_nodes: Option<u32>,
    /// Nodes in all.
    pub nodes: u32,
}
