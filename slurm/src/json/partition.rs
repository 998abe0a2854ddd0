//! A partition in JSON: flat in 22.05, in sections from 23.02 on.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::value::{Number, Text, Words, section};
use crate::node::Partition;

/// The fields that are read, of both forms.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Form {
    name: Text,
    flags: Words,
    state: Words,
    max_time_limit: Number,
    maximum_nodes_per_job: Number,
    total_nodes: Number,
    #[serde(deserialize_with = "section")]
    partition: Inner,
    #[serde(deserialize_with = "section")]
    maximums: Maximums,
    nodes: Nodes,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Inner {
    state: Words,
    flags: Words,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Maximums {
    time: Number,
    nodes: Number,
}

/// A section, or the host list of 22.05.
#[derive(Deserialize)]
#[serde(untagged)]
enum Nodes {
    Section {
        #[serde(default)]
        total: Number,
    },
    List(IgnoredAny),
}

impl Default for Nodes {
    fn default() -> Self {
        Self::List(IgnoredAny)
    }
}

impl Form {
    pub(super) fn into_partition(self) -> Partition {
        let total = match self.nodes {
            Nodes::Section { total } => total,
            Nodes::List(_) => self.total_nodes,
        };
        Partition {
            name: self.name.into_text(),
            is_default: self.flags.has("default") || self.partition.flags.has("default"),
            is_up: self.state.has("up") || self.partition.state.has("up"),
            max_time_min: self
                .max_time_limit
                .minutes()
                .or(self.maximums.time.minutes()),
            max_nodes: self
                .maximum_nodes_per_job
                .count()
                .or(self.maximums.nodes.count()),
            nodes: total.count().unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::partitions;

    #[test]
    fn partitions_of_both_forms() {
        let old = partitions(
            r#"{"partitions":[{"name":"batch","flags":["default"],"state":"UP","max_time_limit":-1,
            "maximum_nodes_per_job":-1,"nodes":"n[1-4]","total_nodes":4},
            {"name":"short","flags":[],"state":"DOWN","max_time_limit":3,"maximum_nodes_per_job":2,"total_nodes":4}]}"#,
        );
        let old = old.expect("partitions");
        assert!(old[0].is_default && old[0].is_up && !old[1].is_up);
        assert_eq!(
            (old[0].max_time_min, old[0].max_nodes, old[0].nodes),
            (None, None, 4)
        );
        assert_eq!((old[1].max_time_min, old[1].max_nodes), (Some(3), Some(2)));
        let new = partitions(
            r#"{"partitions":[{"name":"short","nodes":{"configured":"n[1-4]","total":4},
            "maximums":{"time":{"set":true,"infinite":false,"number":3},"nodes":{"set":false,"infinite":true,"number":0}},
            "partition":{"state":["UP"]}}]}"#,
        );
        let new = &new.expect("partitions")[0];
        assert!(new.is_up && !new.is_default);
        assert_eq!(
            (new.max_time_min, new.max_nodes, new.nodes),
            (Some(3), None, 4)
        );
    }
}
