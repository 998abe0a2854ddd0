//! Slurm's nodes as the brain knows nodes. Pure.
//!
//! Rules: only nodes that the site's jobs can get. A name that is none for us is passed over.

use schliff_scheduler::allocation::NodeReport;
use schliff_slurm::node::Node;
use schliff_spec::id::NodeName;

/// The nodes of these partitions, with commas between; of all where none is named.
pub(crate) fn reports(nodes: &[Node], partitions: Option<&str>) -> Vec<NodeReport> {
    let is_ours = |node: &&Node| {
        partitions.is_none_or(|wanted| {
            let mut wanted = wanted.split(',');
            wanted.any(|name| node.partitions.iter().any(|own| own == name))
        })
    };
    nodes.iter().filter(is_ours).filter_map(report).collect()
}

fn report(node: &Node) -> Option<NodeReport> {
    Some(NodeReport {
        name: node.name.parse().ok()?,
        is_up: node.is_up,
        gpus: node.gpus,
        cpus: node.cpus,
    })
}

/// The nodes of a host list, in the order of their numbers.
pub(crate) fn names(list: &str) -> Vec<NodeName> {
    let names = schliff_slurm::hostlist::expand(list).unwrap_or_default();
    names.iter().filter_map(|name| name.parse().ok()).collect()
}
