//! `scontrol show partition --oneliner`: limits as in `sinfo`, and who may use it.

use super::Pairs;
use crate::node::Partition;
use crate::parse::{ParseError, small_count};
use crate::time::Span;

/// A partition, and who may use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The partition.
    pub partition: Partition,
    /// Accounts that may use it; `None` for all.
    pub accounts: Option<Vec<String>>,
    /// Accounts that may not.
    pub denied_accounts: Vec<String>,
    /// QOS that may be used; `None` for all.
    pub qos: Option<Vec<String>>,
    /// Seconds between the warning and the end of a job that is preempted there.
    pub grace_s: u32,
    /// What becomes of a job that is preempted there, such as `REQUEUE`.
    pub preempt_mode: String,
}

/// Reads the partitions of what it printed.
///
/// # Errors
/// Names the line that is not understood.
pub fn partitions(printed: &str) -> Result<Vec<Rules>, ParseError> {
    let lines = printed
        .lines()
        .filter(|line| line.starts_with("PartitionName="));
    let read = |line: &str| {
        let broken =
            |error: ParseError| ParseError::new("a partition of scontrol", line, error.to_string());
        rules(&Pairs::read(line)).map_err(broken)
    };
    lines.map(read).collect()
}

fn rules(pairs: &Pairs) -> Result<Rules, ParseError> {
    let count = |name| match pairs.get(name) {
        None | Some("UNLIMITED") => Ok(None),
        Some(word) => small_count("a count", word).map(Some),
    };
    let partition = Partition {
        name: pairs.text("PartitionName"),
        is_default: pairs.get("Default") == Some("YES"),
        is_up: pairs.get("State") == Some("UP"),
        max_time_min: Span::parse(pairs.get("MaxTime").unwrap_or_default())?.minutes(),
        max_nodes: count("MaxNodes")?,
        nodes: count("TotalNodes")?.unwrap_or(0),
    };
    Ok(Rules {
        partition,
        accounts: allowed(pairs.get("AllowAccounts")),
        denied_accounts: allowed(pairs.get("DenyAccounts")).unwrap_or_default(),
        qos: allowed(pairs.get("AllowQos")),
        grace_s: count("GraceTime")?.unwrap_or(0),
        preempt_mode: pairs.text("PreemptMode"),
    })
}

fn allowed(value: Option<&str>) -> Option<Vec<String>> {
    let names = value.filter(|value| *value != "ALL")?.split(',');
    Some(names.map(|name| name.trim().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_who_may_use_it() {
        let found = partitions(
            "PartitionName=batch AllowGroups=ALL AllowAccounts=dev,other AllowQos=ALL Default=YES QoS=N/A \
             GraceTime=10 MaxNodes=UNLIMITED MaxTime=1-00:00:00 MinNodes=0 Nodes=n[1-4] PreemptMode=REQUEUE \
             State=UP TotalCPUs=32 TotalNodes=4\n\
             PartitionName=gpu AllowAccounts=ALL DenyAccounts=bad AllowQos=a Default=NO MaxNodes=2 \
             MaxTime=UNLIMITED State=DOWN TotalNodes=0\n",
        );
        let found = found.expect("two");
        assert_eq!(
            found[0].accounts,
            Some(vec!["dev".to_owned(), "other".to_owned()])
        );
        assert_eq!(
            (found[0].partition.max_time_min, found[0].grace_s),
            (Some(1440), 10)
        );
        assert!(found[0].partition.is_default && found[0].partition.is_up);
        assert_eq!(
            (found[1].partition.max_nodes, found[1].partition.is_up),
            (Some(2), false)
        );
        assert_eq!(
            (found[1].denied_accounts.len(), found[1].qos.clone()),
            (1, Some(vec!["a".to_owned()]))
        );
        assert!(partitions("PartitionName=x MaxNodes=y\n").is_err());
    }
}
