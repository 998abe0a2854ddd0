//! One script's grip on the world: its keys, and states that it waits for.

use std::sync::Arc;

use schliff_scheduler::allocation::{Allocation, AllocationEnd, AllocationStatus, Listing};
use schliff_scheduler::cluster::Queue;
use schliff_spec::id::{Generation, JobId, SubmitKey};

use super::{Fault, World};
use crate::backend::Backend;

/// Pauses until a state that does not come is given up.
const PATIENCE: u32 = 5_000;

/// The word that a script ends with.
pub(super) type Told = Result<(), Fault>;

/// One script's cluster.
pub(super) struct Trial<'a> {
    pub(super) world: &'a dyn World,
    pub(super) backend: Arc<dyn Backend>,
    job: JobId,
}

impl<'a> Trial<'a> {
    pub(super) async fn begin(world: &'a dyn World, job: JobId) -> Result<Self, Fault> {
        let backend = world.open().await?;
        Ok(Self {
            world,
            backend,
            job,
        })
    }

    /// The script's key of this generation.
    pub(super) fn key(&self, generation: u64) -> SubmitKey {
        SubmitKey {
            job: self.job,
            generation: Generation(generation),
        }
    }

    /// Submits and starts a small allocation.
    pub(super) async fn running(&self, generation: u64) -> Result<SubmitKey, Fault> {
        let key = self.key(generation);
        self.backend.submit(&self.world.launch(key)).await?;
        self.world.start(key).await?;
        self.until(key, "running", |status| {
            matches!(status, AllocationStatus::Running)
        })
        .await?;
        Ok(key)
    }

    /// What is listed of a key now, by a back-end.
    pub(super) async fn seen(
        &self,
        backend: &dyn Backend,
        key: SubmitKey,
    ) -> Result<Option<Allocation>, Fault> {
        let listing = backend.observe().await?;
        sound(backend, &listing)?;
        let mut found: Vec<_> = listing
            .allocations
            .into_iter()
            .filter(|allocation| allocation.key == key)
            .collect();
        expect(found.len() < 2, || format!("{key} is listed twice"))?;
        Ok(found.pop())
    }

    /// What is listed of a key that must be there.
    pub(super) async fn listed(&self, key: SubmitKey) -> Result<Allocation, Fault> {
        let seen = self.seen(&*self.backend, key).await?;
        seen.ok_or_else(|| Fault::Wrong(format!("{key} is missing from the listing")))
    }

    /// Waits for a key's status; an end is final, so that another one is not waited for.
    pub(super) async fn until(
        &self,
        key: SubmitKey,
        what: &str,
        is_it: impl Fn(&AllocationStatus) -> bool,
    ) -> Result<Allocation, Fault> {
        let mut last = None;
        for _ in 0..PATIENCE {
            let allocation = self.listed(key).await?;
            if is_it(&allocation.status) {
                return Ok(allocation);
            }
            let is_final = matches!(allocation.status, AllocationStatus::Ended { .. });
            last = Some(allocation.status);
            if is_final {
                break;
            }
            self.world.pause().await;
        }
        Err(Fault::Wrong(format!(
            "{key} should be {what}, but is {last:?}"
        )))
    }

    /// Waits for a key's end.
    pub(super) async fn ended(&self, key: SubmitKey) -> Result<AllocationEnd, Fault> {
        let over = |status: &AllocationStatus| matches!(status, AllocationStatus::Ended { .. });
        match self.until(key, "over", over).await?.status {
            AllocationStatus::Ended { end } => Ok(end),
            status => Err(Fault::Wrong(format!("{key} is {status:?}"))),
        }
    }

    /// Waits for a key's end with this exit code.
    pub(super) async fn exited(&self, key: SubmitKey, code: i32) -> Told {
        let end = self.ended(key).await?;
        expect(end == AllocationEnd::Exited { code }, || {
            format!("{key} should have ended with code {code}, but ended by {end:?}")
        })
    }

    /// Checks how often a key was started.
    pub(super) async fn started(&self, key: SubmitKey, times: u32) -> Told {
        let starts = self.world.starts(key).await?;
        expect(starts == times, || {
            format!("{key} should have been started {times} times, but was {starts} times")
        })
    }

    /// Forgets an ended allocation and sees it gone.
    pub(super) async fn forgotten(&self, key: SubmitKey) -> Told {
        self.backend.forget(key).await?;
        if !self.world.keeps_records() {
            return Ok(());
        }
        let seen = self.seen(&*self.backend, key).await?;
        expect(seen.is_none(), || {
            format!("{key} is listed after it was forgotten")
        })
    }

    /// Ends and forgets what still runs.
    pub(super) async fn cleared(&self, key: SubmitKey) -> Told {
        self.world.end(key, 0).await?;
        self.exited(key, 0).await?;
        self.forgotten(key).await
    }

    /// One little while, in which something wrong might come about.
    pub(super) async fn pauses(&self, count: u32) {
        for _ in 0..count {
            self.world.pause().await;
        }
    }
}

/// What must be so of every listing.
fn sound(backend: &dyn Backend, listing: &Listing) -> Told {
    expect(listing.cluster == *backend.cluster(), || {
        format!(
            "a listing of {} is of {}",
            backend.cluster(),
            listing.cluster
        )
    })?;
    expect(listing.is_complete, || "a listing is partial".to_owned())?;
    let is_ours = backend.terms().queue == Queue::Ours;
    let has_nodes = listing
        .nodes
        .as_ref()
        .is_some_and(|nodes| !nodes.is_empty());
    expect(has_nodes || !is_ours, || {
        "a cluster without a queue of its own tells of no node".to_owned()
    })
}

/// Fails with `otherwise` unless it holds.
pub(super) fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Told {
    match holds {
        true => Ok(()),
        false => Err(Fault::Wrong(otherwise())),
    }
}
