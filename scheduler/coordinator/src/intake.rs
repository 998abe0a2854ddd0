//! Which news of an agent were taken, one report of an agent at a time.
//!
//! Rules: an agent that sends a report again, because it did not hear the answer, waits for the first
//! one to be done with; that is how nothing is counted twice. Bounded: few may wait for the same agent;
//! who is silent is forgotten, and looked up in the journal when it speaks again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use schliff_spec::id::SubmitKey;
use tokio::sync::OwnedMutexGuard;

use crate::journal::Journal;
use crate::refusal::Refusal;

/// Agents that are remembered.
const MOST: usize = 50_000;
/// Reports of the same agent that wait for their turn, at most.
const WAITING: usize = 4;
/// The next one comes back after this.
const PAUSE_MS: u32 = 500;

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
        let last = self.last(key, node)?.lock_owned().await;
        let taken = match *last {
            Some(taken) => taken,
            None => {
                let taken = journal.taken(key).await?;
                taken.get(&node).copied().unwrap_or(0)
            }
        };
        Ok(Turn { last, taken })
    }

    fn last(&self, key: SubmitKey, node: u32) -> Result<Last, Refusal> {
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if agents.len() >= MOST {
            // Only those whose turn it is are held by somebody else, too.
            agents.retain(|_, last| Arc::strong_count(last) > 1);
        }
        let last = agents.entry((key, node)).or_default();
        // One is held here, and one by the report whose turn it is.
        if Arc::strong_count(last) >= 2 + WAITING {
            return Err(Refusal::overload("reports of this agent wait", PAUSE_MS));
        }
        Ok(Arc::clone(last))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use schliff_spec::id::{Generation, JobId};
    use tokio::task::JoinSet;
    use tokio::time::timeout;

    use super::*;
    use crate::journal::{JournalUrl, Options};

    #[tokio::test]
    async fn more_reports_of_an_agent_than_may_wait_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let url = JournalUrl::Sqlite(folder.path().join("journal.db"));
        let journal = Journal::open(&url, Options::default()).await.unwrap();
        let key = SubmitKey {
            job: JobId(1),
            generation: Generation(1),
        };
        let intake = Arc::new(Intake::default());
        let first = intake.turn(key, 0, &journal).await.unwrap();
        let mut rest = JoinSet::new();
        for _ in 0..=WAITING {
            let (intake, journal) = (Arc::clone(&intake), journal.clone());
            rest.spawn(async move { intake.turn(key, 0, &journal).await.map(|turn| turn.taken) });
        }
        let patience = Duration::from_secs(20);
        let refused = timeout(patience, rest.join_next()).await.unwrap();
        let refused = refused.unwrap().unwrap().unwrap_err();
        assert_eq!((refused.code, refused.pause_ms), ("overload", PAUSE_MS));
        // Another agent waits for nobody.
        assert_eq!(intake.turn(key, 1, &journal).await.unwrap().taken, 0);
        first.take(7);
        for _ in 0..WAITING {
            let served = timeout(patience, rest.join_next()).await.unwrap();
            assert_eq!(served.unwrap().unwrap(), Ok(7));
        }
        assert!(rest.is_empty());
    }
}
