//! What a run begins with: sites, what users do, what goes wrong, and when that ends.
//!
//! Rules: drawn from a seed or built by hand, both are the same to the world. Absent on purpose: what
//! follows from it.

mod drawn;
mod script;

use std::collections::BTreeMap;

use schliff_scheduler::ask::Halving;
use schliff_scheduler::cluster::Queue;
use schliff_scheduler::shape::{Budget, Shape};
use schliff_spec::cluster::Chain;

use crate::fault::Fault;
use crate::work::Work;

pub use script::SCRIPTS;

/// It.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Its name, or that of its seed.
    pub name: String,
    /// Where the world's numbers come from.
    pub seed: u64,
    /// Batch systems.
    pub sites: Vec<SitePlan>,
    /// What users do, and when.
    pub acts: Vec<(u64, Act)>,
    /// What befalls the world, and when.
    pub strikes: Vec<Strike>,
    /// What befalls single calls, reports and writes.
    pub odds: BTreeMap<Fault, Odds>,
    /// After that nothing goes wrong any more.
    pub faults_end_ms: u64,
    /// How often things are looked at.
    pub pace: Pace,
}

/// How likely a fault is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Odds {
    /// In so many of a thousand cases.
    pub permille: u64,
    /// In this case, counted from 1, at any rate.
    pub case: u64,
}

impl Odds {
    /// In so many of a thousand cases.
    pub(crate) fn of(permille: u64) -> Self {
        Self { permille, case: 0 }
    }
}

/// A batch system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SitePlan {
    /// Its name.
    pub name: String,
    /// Who keeps its queue.
    pub queue: Queue,
    /// Its nodes.
    pub nodes: u32,
    /// GPUs of each.
    pub gpus: u32,
    /// Cores of each.
    pub cpus: u32,
    /// The longest wall time.
    pub max_time_ms: Option<u64>,
    /// Allocations that may wait.
    pub max_waiting: Option<u32>,
    /// How its allocations go on by themselves.
    pub chain: Chain,
    /// Where it stands.
    pub country: Option<&'static str>,
}

/// Periods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Of the coordinator's ticks.
    pub tick_ms: u64,
    /// Of listings.
    pub observe_ms: u64,
    /// Of agents' reports.
    pub report_ms: u64,
    /// Before the wall time's end, ranks are warned.
    pub warn_ms: u64,
}

/// What a user does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Submits a job.
    Submit(Box<JobPlan>),
    /// Cancels one.
    Cancel {
        /// Which.
        on: Target,
        /// Without a checkpoint.
        is_now: bool,
    },
    /// Somebody else takes nodes of batch systems.
    Crowd {
        /// So many of each.
        nodes: usize,
        /// For so long.
        for_ms: u64,
    },
    /// Wants an ended one to be tried again.
    Retry {
        /// Which.
        on: Target,
    },
}

/// A job that is submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobPlan {
    /// The only site it may run on.
    pub site: Option<String>,
    /// Shapes, the wanted one first.
    pub shapes: Vec<Shape>,
    /// Countries in which its data may lie; any where empty.
    pub residency: Vec<String>,
    /// Wall time in all.
    pub time_ms: Option<u64>,
    /// The priority.
    pub priority: u8,
    /// Failures that are allowed.
    pub retries: u32,
    /// The most that it may use.
    pub budget: Budget,
    /// Submits that it waits for, by their numbers, and whether any end will do.
    pub after: Vec<(usize, bool)>,
    /// What its ranks do.
    pub work: Work,
    /// Trials instead of one job.
    pub sweep: Option<SweepPlan>,
}

/// Trials of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepPlan {
    /// How many.
    pub trials: u64,
    /// At work at a time.
    pub max_parallel: Option<u32>,
    /// Rungs.
    pub halving: Option<Halving>,
}

/// Something that befalls the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strike {
    /// When.
    pub at_ms: u64,
    /// What.
    pub fault: Fault,
    /// Whom.
    pub on: Target,
    /// How long it lasts, where it lasts.
    pub for_ms: u64,
}

/// Whom something befalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Anyone whom it can.
    Any,
    /// The job of a submit, by its number from 0.
    Job(usize),
}

/// The time for which jobs, once faults have ended, may take until all have ended.
pub(crate) const BOUND_MS: u64 = 12 * 3_600_000;
