//! Nodes in JSON: one by one, or in groups as `sinfo` has them from 23.02 on.

use std::collections::HashMap;

use serde::Deserialize;

use super::value::{Number, Text, Words, section};
use crate::node::{Node, state};
use crate::parse::ParseError;
use crate::{gres, hostlist};

/// The fields that are read of one node.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Form {
    name: Text,
    state: Words,
    /// Up to 22.05.
    state_flags: Words,
    reason: Text,
    cpus: Number,
    real_memory: Number,
    gres: Text,
    features: Words,
    partitions: Words,
}

/// The fields that are read of a group of nodes that are alike.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct GroupForm {
    #[serde(deserialize_with = "section")]
    node: NodeState,
    #[serde(deserialize_with = "section")]
    nodes: Names,
    #[serde(deserialize_with = "section")]
    cpus: Least,
    #[serde(deserialize_with = "section")]
    memory: Least,
    #[serde(deserialize_with = "section")]
    features: Totals,
    #[serde(deserialize_with = "section")]
    gres: GresTotal,
    #[serde(deserialize_with = "section")]
    reason: Reason,
    #[serde(deserialize_with = "section")]
    partition: PartitionName,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NodeState {
    state: Words,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Names {
    nodes: List,
}

/// Each entry is a name or a host list.
type List = super::value::List<String>;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Least {
    minimum: Number,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Totals {
    total: Words,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct GresTotal {
    total: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reason {
    description: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PartitionName {
    name: Text,
}

impl Form {
    pub(super) fn into_node(self) -> Node {
        let words = self.state.0.iter().chain(&self.state_flags.0);
        let (state, is_up) = state::read(words.map(String::as_str));
        // What is asked for by strange words is not a reason to know nothing of the other nodes.
        let list = gres::list(&self.gres.into_text()).unwrap_or_default();
        let (gpus, gpu_type) = gres::gpus(&list);
        Node {
            name: self.name.into_text(),
            state,
            is_up,
            reason: self.reason.into_text(),
            cpus: self.cpus.count().unwrap_or(0),
            memory_mib: self.real_memory.large().unwrap_or(0),
            gpus,
            gpu_type: gpu_type.unwrap_or_default(),
            features: self.features.0,
            partitions: self.partitions.0,
        }
    }
}

/// The nodes of groups; a node that is in several has the partitions of all of them.
pub(super) fn of_groups(groups: Vec<GroupForm>) -> Result<Vec<Node>, ParseError> {
    let mut nodes: Vec<Node> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for group in groups {
        let (names, alike) = group.into_alike()?;
        for name in names {
            match places.get(&name).and_then(|place| nodes.get_mut(*place)) {
                Some(known) => known.partitions.extend(alike.partitions.iter().cloned()),
                None => {
                    places.insert(name.clone(), nodes.len());
                    nodes.push(Node {
                        name,
                        ..alike.clone()
                    });
                }
            }
        }
    }
    Ok(nodes)
}

impl GroupForm {
    /// The names, and a node without a name that all of them are like.
    fn into_alike(self) -> Result<(Vec<String>, Node), ParseError> {
        let names = hostlist::expand(&self.nodes.nodes.0.join(","))?;
        let partition = self.partition.name.into_text();
        let form = Form {
            state: self.node.state,
            reason: self.reason.description,
            cpus: self.cpus.minimum,
            real_memory: self.memory.minimum,
            gres: self.gres.total,
            features: self.features.total,
            ..Form::default()
        };
        let mut alike = form.into_node();
        alike
            .partitions
            .extend(Some(partition).filter(|name| !name.is_empty()));
        Ok((names, alike))
    }
}

#[cfg(test)]
mod tests {
    use super::super::nodes;

    #[test]
    fn nodes_as_22_05_has_them() {
        let found = nodes(
            r#"{"nodes":[{"name":"n1","state":"idle","state_flags":["DRAIN"],"reason":"bad fan","cpus":8,
            "real_memory":4000,"gres":"gpu:h100:4(S:0-1)","features":"ib,nvme","partitions":["batch","short"]}]}"#,
        );
        let node = &found.expect("a node")[0];
        assert_eq!((node.state.as_str(), node.is_up), ("idle+drained", false));
        assert_eq!((node.gpus, node.gpu_type.as_str()), (4, "h100"));
        assert_eq!((node.features.len(), node.partitions.len()), (2, 2));
    }

    #[test]
    fn nodes_as_24_11_has_them() {
        let found = nodes(
            r#"{"nodes":[{"name":"n1","state":["MIXED","PLANNED"],"features":["ib"],"cpus":8,"gres":"gpu:x:y:z:4"}]}"#,
        );
        let node = &found.expect("a node")[0];
        assert_eq!((node.state.as_str(), node.is_up), ("mixed+planned", true));
        assert_eq!(
            (node.features.as_slice(), node.gpus),
            (&["ib".to_owned()][..], 0)
        );
    }

    #[test]
    fn groups_are_nodes_with_several_partitions() {
        let group = |partition: &str| {
            format!(
                r#"{{"node":{{"state":["IDLE"]}},"nodes":{{"total":3,"nodes":["n[1-2]","n4"]}},
                "cpus":{{"minimum":8,"maximum":8}},"memory":{{"minimum":4000}},"features":{{"total":""}},
                "gres":{{"total":"gpu:4"}},"partition":{{"name":"{partition}"}},"reason":{{"description":""}}}}"#
            )
        };
        let answer = format!(r#"{{"sinfo":[{},{}]}}"#, group("batch"), group("short"));
        let found = nodes(&answer).expect("nodes");
        assert_eq!(found.len(), 3);
        assert_eq!(found[2].name, "n4");
        assert_eq!(found[0].partitions, ["batch", "short"]);
        assert_eq!(
            (found[1].cpus, found[1].memory_mib, found[1].gpus),
            (8, 4000, 4)
        );
    }
}
