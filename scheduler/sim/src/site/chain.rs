//! Allocations that go back to the queue, and run again with the same key.
//!
//! Rules: as Slurm does it. What is requeued keeps its id and does not begin for two minutes; a
//! successor has an id of its own, waits from the begin, and follows at once.

use schliff_backend::Launch;
use schliff_scheduler::allocation::AllocationId;
use schliff_spec::cluster::Chain;
use schliff_spec::id::SubmitKey;

use super::{HeldStatus, Site};

/// From a requeue until it may begin.
const REQUEUE_MS: u64 = 121_000;
/// From the end of a run until its successor may begin.
const SUCCESSOR_MS: u64 = 1_500;

/// Runs that may follow the first one by themselves: as many as the work takes, and one to spare.
pub(super) fn links_left(launch: &Launch) -> u32 {
    let links = match (launch.work_ms, launch.time_limit_ms) {
        (Some(work_ms), Some(limit_ms)) if limit_ms > 0 => work_ms.div_ceil(limit_ms),
        _ => 1,
    };
    u32::try_from(links).unwrap_or(u32::MAX)
}

impl Site {
    /// Its allocations go on by themselves.
    pub(crate) fn chains(&self) -> bool {
        self.chain != Chain::None
    }

    /// Whether a run of its own accord follows the one that ends.
    pub(crate) fn may_go_on(&self, key: SubmitKey) -> bool {
        let held = self.held.get(&key);
        let held = held.filter(|held| held.is_running() && !held.is_stopped);
        self.chains() && held.is_some_and(|held| held.links_left > 0)
    }

    /// A run has ended, and the next one waits.
    pub(crate) fn goes_on(&mut self, now_ms: u64, key: SubmitKey) {
        match self.chain {
            Chain::Successors => {
                self.wait_again(key, now_ms + SUCCESSOR_MS, "Dependency");
                let id = AllocationId(format!("{}", self.next_id));
                self.next_id += 1;
                if let Some(held) = self.held.get_mut(&key) {
                    held.id = id;
                }
            }
            Chain::Requeue | Chain::None => self.requeue(now_ms, key),
        }
    }

    /// What runs is taken back into the queue.
    pub(crate) fn requeue(&mut self, now_ms: u64, key: SubmitKey) {
        self.wait_again(key, now_ms + REQUEUE_MS, "BeginTime");
    }

    fn wait_again(&mut self, key: SubmitKey, begins_at_ms: u64, why: &'static str) {
        if let Some(held) = self.held.get_mut(&key).filter(|held| held.is_running()) {
            held.status = HeldStatus::Pending;
            held.nodes.clear();
            held.links_left = held.links_left.saturating_sub(1);
            (held.begins_at_ms, held.why) = (begins_at_ms, why);
        }
    }
}
