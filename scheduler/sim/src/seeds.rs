//! Many seeds on a few threads, and what came of them together.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use schliff_spec::id::IdError;

use crate::coverage::Coverage;
use crate::guard::Breach;
use crate::scenario::Scenario;
use crate::trace::Trace;
use crate::world::{Run, World};

/// What came of many seeds.
#[derive(Debug, Default)]
pub struct Summary {
    /// Runs.
    pub runs: u64,
    /// Events of all.
    pub events: u64,
    /// Jobs of all.
    pub jobs: u64,
    /// Writes to journals.
    pub writes: u64,
    /// Time in all worlds.
    pub world_ms: u64,
    /// What was seen.
    pub coverage: Coverage,
    /// Seeds that found something, by number.
    pub failures: Vec<Failure>,
}

/// A seed that found something.
#[derive(Debug)]
pub struct Failure {
    /// It.
    pub seed: u64,
    /// When.
    pub at_ms: u64,
    /// What.
    pub breach: Breach,
}

impl Summary {
    fn add(&mut self, seed: u64, run: Run) {
        self.runs += 1;
        self.events += run.events;
        self.jobs += run.jobs as u64;
        self.writes += run.writes;
        self.world_ms += run.world_ms;
        self.coverage.add(&run.coverage);
        if let Some((at_ms, breach)) = run.breach {
            self.failures.push(Failure {
                seed,
                at_ms,
                breach,
            });
        }
    }
}

/// Runs the seeds from `from` on, on so many threads.
///
/// # Errors
/// A site's name that is none: a defect of the scenarios.
pub fn seeds(from: u64, count: u64, threads: usize) -> Result<Summary, IdError> {
    let next = AtomicU64::new(from);
    let summary = Mutex::new(Summary::default());
    let work = || -> Result<(), IdError> {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from.saturating_add(count) {
                return Ok(());
            }
            let run = World::new(Scenario::drawn(seed), Trace::default())?.run();
            if let Ok(mut summary) = summary.lock() {
                summary.add(seed, run);
            }
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        // A thread that panicked has a seed that was not counted: the caller compares.
        let ended = threads.into_iter().filter_map(|thread| thread.join().ok());
        ended.collect::<Result<Vec<()>, IdError>>()
    })?;
    let mut summary = summary
        .into_inner()
        .unwrap_or_else(|error| error.into_inner());
    summary.failures.sort_by_key(|failure| failure.seed);
    Ok(summary)
}
