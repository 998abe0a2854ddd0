//! A coordinator that is made up: its jobs are functions of the time.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use axum::http::StatusCode;
use schliff_page::{Caller, Change, Refusal, Source};
use schliff_wire::v1::{
    CancelRequest, ClusterView, ClustersReply, Explanation, HistoryEntry, HistoryReply, JobView,
    ListReply, ListRequest, LogChunk, LogLine, LogsRequest, NodeView, NodesReply, Phase,
    PhaseCount, Reason, RetryRequest, SeriesReply, SeriesRequest, ServerReply,
};
use tokio::sync::broadcast;

use crate::{curves, jobs};

/// What there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One of everything.
    Rich,
    /// That, and 11,000 more.
    Many,
    /// Nothing.
    Empty,
}

/// What tells the time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Clock {
    /// The machine.
    Real,
    /// Nobody: it is always this time.
    Still(i64),
}

/// A moment that tests can choose: 2026-02-03 14:05:06.
pub(crate) const A_MOMENT_MS: i64 = 1_770_127_506_000;

/// Lines in one answer.
const MOST_LINES: usize = 500;

/// The coordinator.
pub(crate) struct World {
    kind: Kind,
    clock: Clock,
    begun_ms: i64,
    crowd: Vec<JobView>,
    ended: Mutex<BTreeMap<u64, JobView>>,
    changes: broadcast::Sender<Change>,
}

impl World {
    /// One whose jobs began before now.
    pub(crate) fn new(kind: Kind, clock: Clock) -> Self {
        let world = Self {
            kind,
            clock,
            begun_ms: 0,
            crowd: Vec::new(),
            ended: Mutex::default(),
            changes: broadcast::Sender::new(64),
        };
        let begun_ms = world.now_ms();
        let is_crowded = kind == Kind::Many;
        let crowd = if is_crowded {
            jobs::crowd(begun_ms).collect()
        } else {
            Vec::new()
        };
        Self {
            begun_ms,
            crowd,
            ..world
        }
    }

    /// Says what has changed, once a second, for ever.
    pub(crate) async fn tell_of_changes(&self) {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        loop {
            second.tick().await;
            self.tell(Change::Job { job: jobs::RUNNING });
            self.tell(Change::Clusters);
        }
    }

    /// Says that something has changed.
    pub(crate) fn tell(&self, change: Change) {
        // Nobody may be listening.
        let _ = self.changes.send(change);
    }

    /// Those that move or that somebody has ended; the crowd's numbers are higher.
    fn moving(&self) -> BTreeMap<u64, JobView> {
        let mut all = match self.kind {
            Kind::Empty => BTreeMap::new(),
            Kind::Rich | Kind::Many => jobs::all(self.now_ms(), self.begun_ms),
        };
        all.extend(self.ended.lock().expect("no holder panics").clone());
        all
    }

    fn find(&self, job: u64) -> Result<JobView, Refusal> {
        let found = self.moving().remove(&job);
        let found = found.or_else(|| self.crowd.iter().find(|own| own.id == job).cloned());
        found.ok_or_else(|| Refusal::no_job(job))
    }
}

fn wants(ask: &ListRequest, job: &JobView) -> bool {
    let is = |asked: &str, own: &str| asked.is_empty() || asked == own;
    (ask.phases.is_empty() || ask.phases.contains(&job.phase))
        && job.name.contains(&ask.name_contains)
        && is(&ask.cluster, &job.cluster)
        && is(&ask.owner, &job.owner)
        && is(&ask.outcome, &job.outcome)
        && (ask.parent == 0 || ask.parent == job.parent)
        && (!ask.top || job.parent == 0)
        && (ask.before == 0 || job.id < ask.before)
}

#[async_trait]
impl Source for World {
    async fn server(&self) -> Result<ServerReply, Refusal> {
        Ok(ServerReply {
            version: "0.1.0".into(),
            protocol: 1,
            leader: true,
            started_ms: self.begun_ms,
            jobs: (self.moving().len() + self.crowd.len()) as u64,
            ..ServerReply::default()
        })
    }

    async fn list(&self, ask: ListRequest) -> Result<ListReply, Refusal> {
        let moving = self.moving();
        let all: Vec<_> = moving.values().chain(&self.crowd).collect();
        let top = || all.iter().filter(|job| !ask.top || job.parent == 0);
        let counts = (1..=6).map(|phase| PhaseCount {
            phase,
            jobs: top().filter(|job| job.phase == phase).count() as u64,
        });
        let limit = if ask.limit == 0 {
            100
        } else {
            ask.limit as usize
        };
        let mut found = all.iter().rev().filter(|job| wants(&ask, job));
        let jobs: Vec<_> = found
            .by_ref()
            .take(limit)
            .map(|job| (*job).clone())
            .collect();
        let is_more = found.next().is_some();
        let last = jobs.last().map_or(0, |job| job.id);
        Ok(ListReply {
            next_before: if is_more { last } else { 0 },
            counts: counts.collect(),
            failed: top().filter(|job| job.outcome == "failed").count() as u64,
            jobs,
        })
    }

    async fn job(&self, job: u64) -> Result<JobView, Refusal> {
        self.find(job)
    }

    async fn explain(&self, job: u64) -> Result<Explanation, Refusal> {
        let view = self.find(job)?;
        let because = |text: &str| Reason {
            text: text.into(),
            ..Reason::default()
        };
        let is_queued = view.phase() == Phase::Queued;
        Ok(Explanation {
            job,
            phase: view.phase,
            reason: view.reason.clone(),
            because: match is_queued {
                true => vec![
                    because("2 of 12 nodes of juwels-booster have 4 GPUs free"),
                    because(
                        "the next nodes are expected free in 38 min, when job 42 reaches its wall time",
                    ),
                ],
                false => Vec::new(),
            },
            ahead: if is_queued { vec![42, 46] } else { Vec::new() },
            ahead_count: if is_queued { 5 } else { 0 },
            start_estimate_ms: view.start_estimate_ms,
        })
    }

    async fn series(&self, ask: SeriesRequest) -> Result<SeriesReply, Refusal> {
        Ok(curves::series(&self.find(ask.job)?, &ask))
    }

    async fn logs(&self, ask: LogsRequest) -> Result<LogChunk, Refusal> {
        let job = self.find(ask.job)?;
        let lines: Vec<LogLine> = curves::lines(&job)
            .into_iter()
            .filter(|line| line.position > ask.after)
            .filter(|line| ask.rank.is_none_or(|rank| rank == line.rank))
            .filter(|line| line.text.contains(&ask.contains))
            .collect();
        // The last so many, or else the first ones.
        let skip = match ask.tail {
            0 => 0,
            tail => lines.len().saturating_sub(tail as usize),
        };
        Ok(LogChunk {
            lines: lines.into_iter().skip(skip).take(MOST_LINES).collect(),
        })
    }

    async fn history(&self, job: u64) -> Result<HistoryReply, Refusal> {
        let job = self.find(job)?;
        let mut entries = Vec::new();
        let mut entry = |at_ms: i64, kind: &str, text: String| {
            entries.push(HistoryEntry {
                sequence: entries.len() as u64 + job.id * 100,
                at_ms,
                kind: kind.into(),
                fact_json: format!("{{\"fact\":\"{kind}\",\"job\":{}}}", job.id),
                text,
            });
        };
        entry(
            job.submitted_ms,
            "submitted",
            format!("submitted by {}", job.owner),
        );
        for attempt in &job.attempts {
            let number = attempt.generation;
            let cluster = &attempt.cluster;
            entry(
                attempt.planned_ms,
                "planned",
                format!("attempt {number} planned on {cluster}"),
            );
            if attempt.granted_ms > 0 {
                entry(
                    attempt.granted_ms,
                    "granted",
                    format!("{} nodes granted", attempt.nodes.len()),
                );
            }
            if let Some(ending) = &attempt.ending {
                entry(
                    attempt.ended_ms,
                    "ended",
                    format!("attempt {number}: {}", ending.text),
                );
            }
        }
        Ok(HistoryReply { entries })
    }

    async fn clusters(&self) -> Result<ClustersReply, Refusal> {
        let clusters = match self.kind {
            Kind::Empty => Vec::new(),
            _ => clusters(self.now_ms()),
        };
        Ok(ClustersReply { clusters })
    }

    async fn nodes(&self, cluster: &str) -> Result<NodesReply, Refusal> {
        let mut nodes = match self.kind {
            Kind::Empty => Vec::new(),
            _ => nodes(self.now_ms()),
        };
        nodes.retain(|node| cluster.is_empty() || node.cluster == cluster);
        Ok(NodesReply { nodes })
    }

    async fn cancel(&self, caller: &Caller, ask: CancelRequest) -> Result<JobView, Refusal> {
        let mut view = self.find(ask.job)?;
        if view.phase() == Phase::Done {
            return Err(Refusal {
                code: "has-ended".into(),
                text: format!("job {} has ended", ask.job),
                hint: String::new(),
                status: StatusCode::CONFLICT,
            });
        }
        let text = match ask.why.as_str() {
            "" => format!("cancelled by {}", caller.name),
            why => format!("cancelled by {}: {why}", caller.name),
        };
        view.phase = Phase::Done as i32;
        view.outcome = "cancelled".into();
        view.ended_ms = self.now_ms();
        view.reason = Some(Reason {
            code: "cancelled".into(),
            text,
            hint: String::new(),
        });
        self.ended
            .lock()
            .expect("no holder panics")
            .insert(view.id, view.clone());
        self.tell(Change::Job { job: view.id });
        Ok(view)
    }

    async fn retry(&self, _: &Caller, ask: RetryRequest) -> Result<JobView, Refusal> {
        let mut old = self.find(ask.job)?;
        let numbers = self.moving().into_keys();
        let newest = numbers.chain(self.crowd.iter().map(|job| job.id)).max();
        let mut view = old.clone();
        view.id = newest.unwrap_or(0) + 1;
        view.retry_of = old.id;
        old.retried_as = view.id;
        view.phase = Phase::Queued as i32;
        view.outcome = String::new();
        view.ended_ms = 0;
        let text = "starts with the next look at the queue".into();
        view.reason = Some(Reason {
            code: "next".into(),
            text,
            hint: String::new(),
        });
        for job in [&old, &view] {
            self.ended
                .lock()
                .expect("no holder panics")
                .insert(job.id, job.clone());
            self.tell(Change::Job { job: job.id });
        }
        Ok(view)
    }

    fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    fn now_ms(&self) -> i64 {
        match self.clock {
            Clock::Still(at_ms) => at_ms,
            Clock::Real => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH);
                since.map_or(0, |since| since.as_millis() as i64)
            }
        }
    }
}

fn clusters(now_ms: i64) -> Vec<ClusterView> {
    let slurm = ClusterView {
        name: "juwels-booster".into(),
        backend: "slurm".into(),
        nodes: 12,
        nodes_up: 11,
        gpus: 48,
        gpus_free: 8,
        cpus: 576,
        cpus_free: 210,
        queued: 5,
        running: 4,
        calls: 1284,
        calls_failed: 3,
        rpcs: 0,
        logins: 0,
        observed_ms: now_ms - 7_000,
        trouble: String::new(),
    };
    let here = ClusterView {
        name: "local".into(),
        backend: "local".into(),
        nodes: 1,
        nodes_up: 1,
        cpus: 16,
        cpus_free: 12,
        running: 1,
        calls: 96,
        observed_ms: now_ms - 1_000,
        ..ClusterView::default()
    };
    let away = ClusterView {
        name: "lumi-g".into(),
        backend: "slurm".into(),
        calls: 40,
        calls_failed: 12,
        rpcs: 0,
        logins: 0,
        observed_ms: now_ms - 640_000,
        trouble: "cannot ask lumi-g for its queue: ssh exited with 255: Connection timed out"
            .into(),
        ..slurm.clone()
    };
    vec![slurm, here, away]
}

fn nodes(now_ms: i64) -> Vec<NodeView> {
    let node = |number: u32| NodeView {
        cluster: "juwels-booster".into(),
        name: format!("jwb{number:04}"),
        up: number != 19,
        gpus: 4,
        gpus_free: if number > 20 { 4 } else { 0 },
        cpus: 48,
        cpus_free: if number > 20 { 48 } else { 6 },
        strikes: if number == 18 { 2 } else { 0 },
        avoided_until_ms: if number == 18 { now_ms + 1_500_000 } else { 0 },
        jobs: if number > 20 {
            Vec::new()
        } else {
            vec![jobs::RUNNING]
        },
    };
    let mut nodes: Vec<_> = (11..=22).map(node).collect();
    nodes.push(NodeView {
        cluster: "local".into(),
        name: "workstation".into(),
        up: true,
        cpus: 16,
        cpus_free: 12,
        jobs: vec![41],
        ..NodeView::default()
    });
    nodes
}
