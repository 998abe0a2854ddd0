//! Which news of an agent were taken, one report of an agent at a time.
//!
//! Rules: an agent that sends a report again, because it did not hear the answer, waits for the first
//! one to be done with; that is how nothing is counted twice. Bounded: who is silent is forgotten, and
//! looked up in the journal when it speaks again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use schliff_backend::chain;
use schliff_spec::id::SubmitKey;
use tokio::sync::OwnedMutexGuard;

use crate::journal::Journal;
use crate::refusal::{Refusal, RefusalKind};

/// Agents that are remembered.
const MOST: usize = 50_000;

/// The last news of an agent that was taken; `None` until the journal was asked.
type Last = Arc<tokio::sync::Mutex<Option<u64>>>;

/// All agents.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    agents: Mutex<HashMap<(SubmitKey, u32), Last>>,
}

/// The turn of one agent.
#[derive(Debug)]
pub(crate) struct Turn {
    last: OwnedMutexGuard<Option<u64>>,
    /// The last news that was taken.
    pub(crate) taken: u64,
}

impl Turn {
    /// All up to this were taken.
    pub(crate) fn take(mut self, taken: u64) {
        *self.last = Some(taken);
    }
}

impl Intake {
    /// Waits for the agent's turn.
    pub(crate) async fn turn(
        &self,
        key: SubmitKey,
        node: u32,
        journal: &Journal,
    ) -> Result<Turn, Refusal> {
        let last = self.last(key, node).lock_owned().await;
        let taken = match *last {
            Some(taken) => taken,
            None => {
                let taken = journal.taken(key).await.map_err(|error| {
                    Refusal::new(RefusalKind::Unavailable, "journal", chain(&error))
                })?;
                taken.get(&node).copied().unwrap_or(0)
            }
        };
        Ok(Turn { last, taken })
    }

    fn last(&self, key: SubmitKey, node: u32) -> Last {
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if agents.len() >= MOST {
            // Only those whose turn it is are held by somebody else, too.
            agents.retain(|_, last| Arc::strong_count(last) > 1);
        }
        Arc::clone(agents.entry((key, node)).or_default())
    }
}
