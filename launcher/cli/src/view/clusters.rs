//! Clusters and their nodes as tables.

use schliff_wire::v1::{ClusterView, NodeView};

use crate::{clock, figures, plain, table};

/// Numbers of jobs that a node's line shows.
const JOBS: usize = 4;

/// A line a cluster.
pub(crate) fn clusters(clusters: &[ClusterView], now_ms: i64, columns: Option<usize>) -> String {
    let heads = [
        "cluster",
        "by",
        "nodes up",
        "GPUs free",
        "cores free",
        "queued",
        "running",
        "calls",
        "seen",
        "trouble",
    ];
    let row = |it: &ClusterView| {
        let calls = match it.calls_failed {
            0 => figures::count(it.calls),
            failed => format!(
                "{} ({} failed)",
                figures::count(it.calls),
                figures::count(failed)
            ),
        };
        let seen = match it.observed_ms {
            0 => "never".to_owned(),
            at => format!("{} ago", clock::between(at, now_ms)),
        };
        vec![
            plain::line(&it.name),
            plain::line(&it.backend),
            format!("{}/{}", it.nodes_up, it.nodes),
            format!("{}/{}", it.gpus_free, it.gpus),
            format!("{}/{}", it.cpus_free, it.cpus),
            figures::count(it.queued),
            figures::count(it.running),
            calls,
            seen,
            plain::line(&it.trouble),
        ]
    };
    tabled(&heads, clusters.iter().map(row), &[0, 1, 9], columns)
}

/// A line a node.
pub(crate) fn nodes(nodes: &[NodeView], now_ms: i64, columns: Option<usize>) -> String {
    let heads = [
        "cluster",
        "node",
        "state",
        "GPUs free",
        "cores free",
        "strikes",
        "jobs",
    ];
    let row = |it: &NodeView| {
        let state = match (it.up, it.avoided_until_ms > now_ms) {
            (false, _) => "down".to_owned(),
            (true, true) => format!(
                "avoided for {}",
                clock::between(now_ms, it.avoided_until_ms)
            ),
            (true, false) => "up".to_owned(),
        };
        vec![
            plain::line(&it.cluster),
            plain::line(&it.name),
            state,
            format!("{}/{}", it.gpus_free, it.gpus),
            format!("{}/{}", it.cpus_free, it.cpus),
            it.strikes.to_string(),
            jobs(&it.jobs),
        ]
    };
    tabled(&heads, nodes.iter().map(row), &[0, 1, 2, 6], columns)
}

fn jobs(jobs: &[u64]) -> String {
    let shown: Vec<_> = jobs.iter().take(JOBS).map(u64::to_string).collect();
    match jobs.len().saturating_sub(JOBS) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Nothing at all where there is no row.
fn tabled(
    heads: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
    left: &[usize],
    columns: Option<usize>,
) -> String {
    let heads = heads.iter().map(|head| (*head).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(heads).chain(rows).collect();
    match rows.len() {
        1 => String::new(),
        _ => table::aligned(&rows, left, columns),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_772_373_909_000;

    #[test]
    fn clusters_say_what_is_free_and_wrong() {
        let local = ClusterView {
            name: "local".into(),
            backend: "local".into(),
            nodes: 1,
            nodes_up: 1,
            gpus: 4,
            gpus_free: 3,
            cpus: 16,
            cpus_free: 12,
            queued: 2,
            running: 1,
            calls: 1_234,
            observed_ms: NOW - 1_200,
            ..ClusterView::default()
        };
        let far = ClusterView {
            name: "booster".into(),
            backend: "slurm".into(),
            calls: 7,
            calls_failed: 7,
            rpcs: 0,
            logins: 0,
            trouble: "ssh: connection\nrefused".into(),
            ..ClusterView::default()
        };
        insta::assert_snapshot!(clusters(&[local, far], NOW, None));
        assert_eq!(clusters(&[], NOW, None), "");
    }

    #[test]
    fn nodes_say_why_they_are_avoided() {
        let node = |name: &str, up, strikes, avoided_until_ms| NodeView {
            cluster: "booster".into(),
            name: name.into(),
            up,
            gpus: 4,
            gpus_free: 2,
            cpus: 48,
            cpus_free: 24,
            strikes,
            avoided_until_ms,
            jobs: (1..=u64::from(strikes) * 3).collect(),
        };
        let all = [
            node("n01", true, 0, 0),
            node("n02", true, 2, NOW + 600_000),
            node("n03", false, 1, 0),
        ];
        insta::assert_snapshot!(nodes(&all, NOW, None));
    }
}
