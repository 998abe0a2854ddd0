//! Figures for whoever watches the coordinator, as OpenMetrics.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use schliff_wire::v1::{ClusterView, PhaseCount};

/// All of them.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    /// Facts in the journal since the start.
    pub(crate) facts: Counter,
    /// Time of a commit.
    pub(crate) commit_seconds: Histogram,
    /// Time of writing what agents tell.
    pub(crate) record_seconds: Histogram,
    /// Messages that wait for the owner.
    pub(crate) inbox: Gauge,
    /// Reports of agents that were taken.
    pub(crate) reports: Counter,
    /// Requests that were not served, by their code.
    pub(crate) refused: Family<Refused, Counter>,
    /// Connections that are open.
    pub(crate) connections: Gauge,
    /// Readers of streams that were too slow.
    pub(crate) dropped_readers: Counter,
    jobs: Family<InPhase, Gauge>,
    calls: Family<OfCluster, Gauge>,
    calls_failed: Family<OfCluster, Gauge>,
    rpcs: Family<OfCluster, Gauge>,
    logins: Family<OfCluster, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Refused {
    pub(crate) code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InPhase {
    phase: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfCluster {
    cluster: String,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        // From a quarter of a millisecond to two seconds.
        let seconds = || Histogram::new(exponential_buckets(0.000_25, 2.0, 14));
        let mut new = Self {
            registry: Registry::with_prefix("schliff"),
            facts: Counter::default(),
            commit_seconds: seconds(),
            record_seconds: seconds(),
            inbox: Gauge::default(),
            reports: Counter::default(),
            refused: Family::default(),
            connections: Gauge::default(),
            dropped_readers: Counter::default(),
            jobs: Family::default(),
            calls: Family::default(),
            calls_failed: Family::default(),
            rpcs: Family::default(),
            logins: Family::default(),
        };
        new.register();
        new
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("facts", "Facts written", self.facts.clone());
        let help = "Time of a commit of facts";
        registry.register("commit_seconds", help, self.commit_seconds.clone());
        let help = "Time of writing what agents tell";
        registry.register("record_seconds", help, self.record_seconds.clone());
        let help = "Messages that wait for the owner of the state";
        registry.register("inbox", help, self.inbox.clone());
        registry.register("reports", "Reports of agents taken", self.reports.clone());
        registry.register("refused", "Requests refused, by code", self.refused.clone());
        let help = "Connections that are open";
        registry.register("connections", help, self.connections.clone());
        let help = "Readers of streams that were too slow";
        registry.register("dropped_readers", help, self.dropped_readers.clone());
        registry.register("jobs", "Jobs by phase", self.jobs.clone());
        let help = "Calls to the batch system";
        registry.register("backend_calls", help, self.calls.clone());
        let help = "Calls to the batch system that failed";
        registry.register("backend_calls_failed", help, self.calls_failed.clone());
        let help = "Remote procedure calls to the batch system's controller";
        registry.register("backend_rpcs", help, self.rpcs.clone());
        let help = "Log-ins to the cluster";
        registry.register("backend_logins", help, self.logins.clone());
    }

    pub(crate) fn refuse(&self, code: &str) {
        let code = code.to_owned();
        self.refused.get_or_create(&Refused { code }).inc();
    }

    /// All as text; what is not counted as it happens is put in first.
    pub(crate) fn text(&self, counts: &[PhaseCount], clusters: &[ClusterView]) -> String {
        for count in counts {
            let phase = count.phase().as_str_name();
            let phase = phase.trim_start_matches("PHASE_").to_lowercase();
            let gauge = self.jobs.get_or_create(&InPhase { phase });
            gauge.set(signed(count.jobs));
        }
        for view in clusters {
            let cluster = OfCluster {
                cluster: view.name.clone(),
            };
            self.calls.get_or_create(&cluster).set(signed(view.calls));
            let failed = self.calls_failed.get_or_create(&cluster);
            failed.set(signed(view.calls_failed));
            self.rpcs.get_or_create(&cluster).set(signed(view.rpcs));
            self.logins.get_or_create(&cluster).set(signed(view.logins));
        }
        let mut text = String::new();
        // Writing to memory cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_open_metrics() {
        let metrics = Metrics::new();
        metrics.refuse("token");
        metrics.facts.inc_by(3);
        let counts = [PhaseCount { phase: 4, jobs: 7 }];
        let text = metrics.text(&counts, &[]);
        for line in [
            "schliff_facts_total 3",
            "schliff_refused_total{code=\"token\"} 1",
            "schliff_jobs{phase=\"running\"} 7",
            "# EOF",
        ] {
            assert!(text.lines().any(|own| own == line), "{line}\n{text}");
        }
    }
}
