//! How much of a cluster an attempt takes, and what that comes to.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Equal shares of so many nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Shape {
    /// Nodes, at least 1.
    pub nodes: u32,
    /// GPUs of each; 0 for ranks on processors.
    pub gpus_per_node: u32,
    /// Cores of each, at least 1.
    pub cpus_per_node: u32,
    /// Ranks in all, a multiple of `nodes`.
    pub ranks: u32,
}

impl Shape {
    /// GPUs in all.
    pub fn gpus(&self) -> u64 {
        u64::from(self.nodes) * u64::from(self.gpus_per_node)
    }

    /// Cores in all.
    pub fn cpus(&self) -> u64 {
        u64::from(self.nodes) * u64::from(self.cpus_per_node)
    }

    /// What it takes in so long.
    pub fn usage(&self, span_ms: u64) -> Usage {
        Usage {
            gpu_ms: self.gpus() * span_ms,
            core_ms: self.cpus() * span_ms,
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (amount, what) = match self.gpus_per_node {
            0 => (self.cpus_per_node, "core"),
            gpus => (gpus, "GPU"),
        };
        let s = |n| if n == 1 { "" } else { "s" };
        write!(formatter, "{amount} {what}{}", s(amount))?;
        match self.nodes {
            1 => write!(formatter, " on 1 node"),
            nodes => write!(formatter, " on each of {nodes} nodes"),
        }
    }
}

/// Time on devices and cores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// GPU-milliseconds.
    pub gpu_ms: u64,
    /// Core-milliseconds.
    pub core_ms: u64,
}

impl Usage {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            gpu_ms: self.gpu_ms.saturating_add(other.gpu_ms),
            core_ms: self.core_ms.saturating_add(other.core_ms),
        }
    }
}

/// The most that a job may use; `None` where it may use any amount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// GPU-milliseconds.
    pub gpu_ms: Option<u64>,
    /// Core-milliseconds.
    pub core_ms: Option<u64>,
}

impl Budget {
    /// Whether `usage` spends it.
    pub fn is_spent_by(&self, usage: Usage) -> bool {
        let spent = |budget: Option<u64>, used| budget.is_some_and(|budget| used >= budget);
        spent(self.gpu_ms, usage.gpu_ms) || spent(self.core_ms, usage.core_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_read_like_a_request() {
        let shape = |nodes, gpus_per_node, cpus_per_node| Shape {
            nodes,
            gpus_per_node,
            cpus_per_node,
            ranks: nodes,
        };
        assert_eq!(shape(2, 4, 8).to_string(), "4 GPUs on each of 2 nodes");
        assert_eq!(shape(1, 0, 1).to_string(), "1 core on 1 node");
    }

    #[test]
    fn a_budget_is_spent_when_it_is_reached() {
        let budget = Budget {
            gpu_ms: Some(10),
            core_ms: None,
        };
        let used = |gpu_ms| Usage {
            gpu_ms,
            core_ms: 1 << 40,
        };
        assert!(!budget.is_spent_by(used(9)));
        assert!(budget.is_spent_by(used(10)));
    }
}
