//! What `sinfo` prints: nodes and partitions, each in one call.
//!
//! Rules: only `-o` letters that 20.11 has. A node is printed once for each of its partitions; here it
//! is one node with several. An administrator's reason is free text and stands last.

use crate::gres;
use crate::node::{Node, Partition, state};
use crate::parse::{ParseError, small_count, told};
use crate::record::{Record, records};
use crate::time::Span;

/// Arguments of `sinfo` for [`nodes`]; the last one must be quoted.
pub const NODE_ARGUMENTS: &[&str] = &["--noheader", "--all", "--Node", "-o", NODE_FORMAT];

/// Arguments of `sinfo` for [`partitions`]; the last one must be quoted.
pub const PARTITION_ARGUMENTS: &[&str] = &["--noheader", "--all", "-o", PARTITION_FORMAT];

const NODE_FORMAT: &str = "%N\u{1f}%R\u{1f}%T\u{1f}%c\u{1f}%m\u{1f}%G\u{1f}%f\u{1f}%E";
const NODE_FIELDS: usize = 8;
const PARTITION_FORMAT: &str = "%R\u{1f}%P\u{1f}%a\u{1f}%l\u{1f}%s\u{1f}%D";
const PARTITION_FIELDS: usize = 6;

/// Reads nodes, in the order in which they are first named.
///
/// # Errors
/// Names the record that is not understood.
pub fn nodes(printed: &str) -> Result<Vec<Node>, ParseError> {
    let mut nodes: Vec<Node> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for record in records(printed, NODE_FIELDS, 1) {
        let node: Node = read(&record, "a node of sinfo", node)?;
        let place = *places.entry(node.name.clone()).or_insert(nodes.len());
        match nodes.get_mut(place) {
            Some(known) => known.partitions.extend(node.partitions),
            None => nodes.push(node),
        }
    }
    Ok(nodes)
}

/// Reads partitions.
///
/// # Errors
/// Names the record that is not understood.
pub fn partitions(printed: &str) -> Result<Vec<Partition>, ParseError> {
    let mut partitions: Vec<Partition> = Vec::new();
    for record in records(printed, PARTITION_FIELDS, 0) {
        let found: Partition = read(&record, "a partition of sinfo", partition)?;
        // Some releases print a line for each group of unlike nodes.
        match partitions.iter_mut().find(|known| known.name == found.name) {
            Some(known) => known.nodes = known.nodes.saturating_add(found.nodes),
            None => partitions.push(found),
        }
    }
    Ok(partitions)
}

/// Reads a record of `N` fields.
fn read<const N: usize, T>(
    record: &Record,
    what: &'static str,
    as_what: fn([&str; N]) -> Result<T, ParseError>,
) -> Result<T, ParseError> {
    let broken = |why: String| ParseError::new(what, record.line, why);
    let count = format!("expected {N} fields, found {}", record.fields.len());
    let fields: [&str; N] = record
        .fields
        .as_slice()
        .try_into()
        .map_err(|_| broken(count))?;
    as_what(fields).map_err(|error| broken(error.to_string()))
}

fn node(fields: [&str; NODE_FIELDS]) -> Result<Node, ParseError> {
    let [
        name,
        partition,
        state,
        cpus,
        memory,
        resources,
        features,
        reason,
    ] = fields;
    let (state, is_up) = state::read([state]);
    let (gpus, gpu_type) = gres::gpus(&gres::list(resources)?);
    let features = told(features).unwrap_or_default();
    Ok(Node {
        name: name.trim().to_owned(),
        state,
        is_up,
        reason: told(reason).unwrap_or_default().to_owned(),
        cpus: small_count("a count of processors", cpus)?,
        memory_mib: gres::memory_mib(memory.trim().trim_end_matches('+'))?,
        gpus,
        gpu_type: gpu_type.unwrap_or_default(),
        features: features
            .split([',', '&'])
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect(),
        partitions: told(partition).map(str::to_owned).into_iter().collect(),
    })
}

fn partition(fields: [&str; PARTITION_FIELDS]) -> Result<Partition, ParseError> {
    let [name, marked, available, limit, size, nodes] = fields;
    let most = size.rsplit('-').next().unwrap_or_default().trim();
    let max_nodes = match most {
        "infinite" | "UNLIMITED" | "" | "N/A" => None,
        most => Some(small_count("a count of nodes", most)?),
    };
    Ok(Partition {
        name: name.trim().to_owned(),
        is_default: marked.trim().ends_with('*') && !name.trim().ends_with('*'),
        is_up: available.trim() == "up",
        max_time_min: Span::parse(limit)?.minutes(),
        max_nodes,
        nodes: small_count("a count of nodes", nodes)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> String {
        text.replace('|', "\u{1f}")
    }

    #[test]
    fn the_formats_have_the_fields_that_are_read() {
        assert_eq!(NODE_FORMAT.split('\u{1f}').count(), NODE_FIELDS);
        assert_eq!(PARTITION_FORMAT.split('\u{1f}').count(), PARTITION_FIELDS);
    }

    #[test]
    fn a_node_of_several_partitions_is_one() {
        let found = nodes(&line(
            "n1|batch|mixed|8|4000|gpu:h100:4(S:0-1)|ib,nvme|none\n\
             n1|urgent|mixed|8|4000|gpu:h100:4(S:0-1)|ib,nvme|none\n\
             n2|batch|drained*|96+|1031000+|(null)|(null)|bad | fan\n",
        ));
        let found = found.expect("nodes");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].partitions, ["batch", "urgent"]);
        assert_eq!((found[0].gpus, found[0].gpu_type.as_str()), (4, "h100"));
        assert_eq!(found[0].features, ["ib", "nvme"]);
        assert!(found[0].is_up && found[0].reason.is_empty());
        let bad = &found[1];
        assert_eq!((bad.cpus, bad.memory_mib, bad.gpus), (96, 1_031_000, 0));
        assert_eq!((bad.state.as_str(), bad.is_up), ("drained", false));
        assert_eq!(bad.reason, "bad \u{1f} fan");
    }

    #[test]
    fn partitions_with_their_limits() {
        let found = partitions(&line(
            "batch|batch*|up|infinite|1-infinite|4\nshort|short|drain|3:00|1-2|1.5K\nold|old|inact|n/a|4|0\n",
        ));
        let found = found.expect("partitions");
        assert!(found[0].is_default && found[0].is_up);
        assert_eq!((found[0].max_time_min, found[0].max_nodes), (None, None));
        assert_eq!(
            (found[1].max_time_min, found[1].max_nodes),
            (Some(3), Some(2))
        );
        assert_eq!((found[1].nodes, found[1].is_up), (1536, false));
        assert_eq!(found[2].max_nodes, Some(4));
    }

    #[test]
    fn a_broken_record_is_named() {
        assert!(nodes("n1 batch\n").is_err());
        let error = partitions(&line("a|a|up|soon|1|4")).expect_err("no length of time");
        assert!(error.to_string().contains("soon"), "{error}");
    }
}
