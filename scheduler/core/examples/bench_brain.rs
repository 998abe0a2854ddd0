//! How long the brain takes over 10,000 queued jobs and 4,000 nodes: one line of JSON, times in
//! microseconds. `make bench-coordinator` runs it; nothing else does.

use std::time::Instant;

use schliff_scheduler::action::Observed;
use schliff_scheduler::allocation::{
    Allocation, AllocationId, AllocationStatus, Listing, NodeReport,
};
use schliff_scheduler::ask::Ask;
use schliff_scheduler::cluster::{Queue, Terms};
use schliff_scheduler::input::{Command, Input, Submission};
use schliff_scheduler::shape::{Budget, Shape};
use schliff_scheduler::time::Timestamp;
use schliff_scheduler::{State, decide, explain, reconcile};
use schliff_spec::id::{ClusterName, JobId};

const NODES: u32 = 4_000;
const GPUS_PER_NODE: u32 = 4;
const RUNNING: u64 = 2_000;
const QUEUED: u64 = 10_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cluster: ClusterName = "bench".parse()?;
    let mut bench = Bench {
        state: State::default(),
        now: Timestamp(1_000_000),
    };
    let terms = Terms::of(Queue::Ours);
    bench.tell(Input::Command(Command::Clusters(vec![(
        cluster.clone(),
        terms,
    )])))?;
    bench.tell(Input::Observed(listing(&cluster, Vec::new(), true)?))?;
    // Two nodes each: the cluster is full with them.
    for _ in 0..RUNNING {
        bench.tell(submission(2))?;
    }
    let place_us = bench.timed(Input::Tick)?;
    for _ in 0..QUEUED {
        bench.tell(submission(1))?;
    }
    let idle_tick_us = bench.timed(Input::Tick)?;
    let allocations = bench.allocations();
    let running = listing(&cluster, allocations, false)?;
    let first_listing_us = bench.timed(Input::Observed(running.clone()))?;
    let same_listing_us = bench.timed(Input::Observed(running.clone()))?;
    let mut observed = Observed::default();
    observed.listings.insert(cluster, running.into());
    let begin = Instant::now();
    let actions = reconcile(&bench.state, &observed, bench.now);
    let reconcile_us = begin.elapsed().as_micros();
    let mut explain_us: Vec<_> = (0..1_000)
        .map(|at| {
            let job = JobId(1 + at * (RUNNING + QUEUED) / 1_000);
            let begin = Instant::now();
            let explained = explain(&bench.state, bench.now, job).is_some();
            (begin.elapsed().as_micros(), explained)
        })
        .map(|(us, _)| us)
        .collect();
    explain_us.sort_unstable();
    let figures = serde_json::json!({
        "jobs": RUNNING + QUEUED, "nodes": NODES, "live": bench.state.live.len(),
        "actions": actions.len(), "place_2000_us": place_us, "tick_full_us": idle_tick_us,
        "first_listing_us": first_listing_us, "same_listing_us": same_listing_us,
        "reconcile_us": reconcile_us, "explain_p50_us": explain_us[500],
        "explain_p99_us": explain_us[990],
    });
    use std::io::Write;
    writeln!(std::io::stdout(), "{figures}")?;
    Ok(())
}

struct Bench {
    state: State,
    now: Timestamp,
}

impl Bench {
    fn tell(&mut self, input: Input) -> Result<(), schliff_scheduler::rejection::Rejection> {
        for fact in decide(&self.state, self.now, input)? {
            self.state.apply(&fact);
        }
        Ok(())
    }

    /// Microseconds of deciding, the best of five, and its facts applied once.
    fn timed(&mut self, input: Input) -> Result<u128, Box<dyn std::error::Error>> {
        let mut best = u128::MAX;
        for _ in 0..5 {
            let input = input.clone();
            let begin = Instant::now();
            decide(&self.state, self.now, input)?;
            best = best.min(begin.elapsed().as_micros());
        }
        self.tell(input)?;
        Ok(best)
    }

    fn allocations(&self) -> Vec<Allocation> {
        let live = self
            .state
            .live
            .iter()
            .filter_map(|id| self.state.jobs.get(id));
        live.map(|job| Allocation {
            key: job.key(),
            id: AllocationId(job.id.to_string()),
            status: AllocationStatus::Running,
            nodes: job.live().map_or(Vec::new(), |a| a.placement.clone()),
        })
        .collect()
    }
}

fn listing(
    cluster: &ClusterName,
    allocations: Vec<Allocation>,
    with_nodes: bool,
) -> Result<Listing, Box<dyn std::error::Error>> {
    let mut nodes = Vec::new();
    for at in 0..NODES {
        nodes.push(NodeReport {
            name: format!("node{at:04}").parse()?,
            is_up: true,
            gpus: GPUS_PER_NODE,
            cpus: 64,
        });
    }
    Ok(Listing {
        cluster: cluster.clone(),
        asked_at: Timestamp(1_000_000),
        is_complete: true,
        allocations,
        nodes: with_nodes.then_some(nodes),
    })
}

fn submission(nodes: u32) -> Input {
    let shape = Shape {
        nodes,
        gpus_per_node: GPUS_PER_NODE,
        cpus_per_node: 8,
        ranks: nodes * GPUS_PER_NODE,
    };
    Input::Command(Command::Submit(Box::new(Submission {
        request_id: String::new(),
        owner: "bench".into(),
        ask: Ask {
            name: "bench".into(),
            cluster: None,
            shapes: vec![shape],
            time_ms: Some(3_600_000),
            priority: 50,
            retries: 3,
            budget: Budget::default(),
            residency: Vec::new(),
            wish: schliff_spec::cluster::BatchWish::default(),
            out: "out".into(),
            document: "x".repeat(1_000),
        },
        after: Vec::new(),
        sweep: None,
    })))
}
