//! What checkpoints cost and what became of them, for the summary.
//!
//! Rules: a pause is the time that training stands still for a checkpoint; a latency is the time from
//! then until the store has it. Times are those of this process alone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schliff_spec::event::CheckpointNews;
use serde_json::{Value, json};

/// Counts of a run. Copies share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    shared: Arc<Mutex<Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    pauses_ms: Vec<f64>,
    latencies_ms: Vec<f64>,
    delays: usize,
}

impl Tally {
    /// Training stood still for so long.
    pub(super) fn paused(&self, pause: Duration) {
        self.lock().pauses_ms.push(pause.as_secs_f64() * 1e3);
    }

    /// What the writer says.
    pub(super) fn heard(&self, news: &CheckpointNews) {
        match news {
            CheckpointNews::Committed { latency_ms, .. } => {
                self.lock().latencies_ms.push(*latency_ms as f64);
            }
            CheckpointNews::Delayed { .. } => self.lock().delays += 1,
            CheckpointNews::Resumed { .. } => {}
        }
    }

    /// Counts, and the middle and highest of the times; states that newer ones overtook are those
    /// taken and not committed.
    pub(super) fn figures(&self) -> Value {
        let counts = self.lock();
        json!({
            "taken": counts.pauses_ms.len(),
            "committed": counts.latencies_ms.len(),
            "delays": counts.delays,
            "pause_ms": spread(&counts.pauses_ms),
            "latency_ms": spread(&counts.latencies_ms),
        })
    }

    /// The counts are whole between any two calls.
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `null` where there is nothing.
fn spread(values: &[f64]) -> Value {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.get(sorted.len() / 2), sorted.last()) {
        (Some(median), Some(max)) => json!({"median": median, "max": max}),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_overtaken_is_taken_and_not_committed() {
        let tally = Tally::default();
        assert_eq!(tally.figures()["latency_ms"], Value::Null);
        for pause_ms in [9, 1, 5] {
            tally.paused(Duration::from_millis(pause_ms));
        }
        let (step, bytes) = (3, 100);
        tally.heard(&CheckpointNews::Committed {
            step,
            bytes,
            latency_ms: 70,
        });
        assert_eq!(
            tally.figures(),
            json!({
                "taken": 3, "committed": 1, "delays": 0,
                "pause_ms": {"median": 5.0, "max": 9.0},
                "latency_ms": {"median": 70.0, "max": 70.0},
            })
        );
    }
}
