//! Which of an allocation's nodes were lost, where Slurm does not tell. Pure.
//!
//! Rules: of several nodes, those are blamed that are not up just now. Where all are up again nobody is,
//! and where none is told of neither.

use schliff_scheduler::allocation::{Allocation, AllocationEnd, AllocationStatus, NodeReport};
use schliff_spec::id::NodeName;

/// Whether somebody's nodes were lost, and nobody knows which.
pub(crate) fn blames_nobody(allocations: &[Allocation]) -> bool {
    allocations
        .iter()
        .any(|it| matches!(lost(&it.status), Some([])))
}

/// Names the nodes that were lost, as far as the site's nodes tell.
pub(crate) fn blame(allocations: &mut [Allocation], reports: &[NodeReport]) {
    let is_down = |name: &&NodeName| {
        let mut reports = reports.iter();
        reports.any(|report| report.name == **name && !report.is_up)
    };
    for allocation in allocations {
        if matches!(lost(&allocation.status), Some([])) {
            let nodes = allocation.nodes.iter().filter(is_down).cloned().collect();
            let end = AllocationEnd::NodesLost { nodes };
            allocation.status = AllocationStatus::Ended { end };
        }
    }
}

fn lost(status: &AllocationStatus) -> Option<&[NodeName]> {
    match status {
        AllocationStatus::Ended {
            end: AllocationEnd::NodesLost { nodes },
        } => Some(nodes),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use schliff_scheduler::allocation::AllocationId;

    use super::*;

    #[test]
    fn of_several_nodes_those_are_blamed_that_are_not_up() {
        let name = |name: &str| -> NodeName { name.parse().expect("a name") };
        let report = |node: &str, is_up| NodeReport {
            name: name(node),
            is_up,
            gpus: 0,
            cpus: 8,
        };
        let end = |nodes| AllocationEnd::NodesLost { nodes };
        let ended = |end| Allocation {
            key: "schliff-4-1".parse().expect("a key"),
            id: AllocationId("7".into()),
            status: AllocationStatus::Ended { end },
            nodes: vec![name("n1"), name("n2")],
        };
        let reports = [report("n1", true), report("n2", false), report("n3", false)];
        let mut all = [
            ended(end(Vec::new())),
            ended(end(vec![name("n1")])),
            ended(AllocationEnd::Cancelled),
        ];
        assert!(blames_nobody(&all));
        blame(&mut all, &reports);
        assert!(!blames_nobody(&all));
        assert_eq!(all[0], ended(end(vec![name("n2")])));
        assert_eq!(all[1], ended(end(vec![name("n1")])), "what is known stays");
        assert_eq!(all[2], ended(AllocationEnd::Cancelled));
        let mut all = [ended(end(Vec::new()))];
        blame(&mut all, &[report("n1", true), report("n2", true)]);
        assert!(blames_nobody(&all), "both are back");
    }
}
