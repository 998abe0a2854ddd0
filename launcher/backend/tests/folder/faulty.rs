//! The suite finds out back-ends that break a rule, each in its own way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use schliff_backend::conformance::{self, World, WorldError};
use schliff_backend::folder::{Folder, FolderWorld};
use schliff_backend::{Backend, BackendError, Launch};
use schliff_scheduler::allocation::{
    AllocationEnd, AllocationId, AllocationStatus, Listing, StopHow,
};
use schliff_scheduler::cluster::Terms;
use schliff_spec::id::{ClusterName, SubmitKey};

use crate::conforms::world;

/// What a back-end does wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    TellsNothing,
    TellsOnlyWhatLives,
    TellsTwice,
    TellsEveryEndAsDone,
    GivesAnotherIdAgain,
    AcceptsWhatNeverFits,
    IsSilentAboutRefusals,
    StopsNothing,
    StopsAlwaysAtOnce,
    StopsEverything,
    FailsToStopTheUnknown,
    ForgetsNothing,
    ForgetsWhatLives,
    CountsNothing,
}

const FAULTS: &[Fault] = &[
    Fault::TellsNothing,
    Fault::TellsOnlyWhatLives,
    Fault::TellsTwice,
    Fault::TellsEveryEndAsDone,
    Fault::GivesAnotherIdAgain,
    Fault::AcceptsWhatNeverFits,
    Fault::IsSilentAboutRefusals,
    Fault::StopsNothing,
    Fault::StopsAlwaysAtOnce,
    Fault::StopsEverything,
    Fault::FailsToStopTheUnknown,
    Fault::ForgetsNothing,
    Fault::ForgetsWhatLives,
    Fault::CountsNothing,
];

struct Faulty {
    fault: Fault,
    inner: Folder,
    world: Arc<FolderWorld>,
    submits: AtomicU32,
}

impl Faulty {
    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }
}

#[async_trait]
impl Backend for Faulty {
    fn cluster(&self) -> &ClusterName {
        self.inner.cluster()
    }

    fn terms(&self) -> Terms {
        self.inner.terms()
    }

    fn kind(&self) -> &'static str {
        "faulty"
    }

    async fn submit(&self, launch: &Launch) -> Result<AllocationId, BackendError> {
        let told = self.inner.submit(launch).await;
        let count = self.submits.fetch_add(1, Ordering::Relaxed);
        match told {
            Ok(_) if self.has(Fault::GivesAnotherIdAgain) => Ok(AllocationId(count.to_string())),
            Err(BackendError::Rejected { .. }) if self.has(Fault::AcceptsWhatNeverFits) => {
                Ok(AllocationId(count.to_string()))
            }
            Err(BackendError::Rejected { doing, why })
                if self.has(Fault::IsSilentAboutRefusals) =>
            {
                let source = why.into();
                Err(BackendError::Transient { doing, source })
            }
            told => told,
        }
    }

    async fn observe(&self) -> Result<Listing, BackendError> {
        let mut listing = self.inner.observe().await?;
        let allocations = &mut listing.allocations;
        let is_over = |status: &AllocationStatus| matches!(status, AllocationStatus::Ended { .. });
        match self.fault {
            Fault::TellsNothing => allocations.clear(),
            Fault::TellsOnlyWhatLives => allocations.retain(|it| !is_over(&it.status)),
            Fault::TellsTwice => allocations.extend(allocations.clone()),
            Fault::TellsEveryEndAsDone => {
                for it in allocations.iter_mut().filter(|it| is_over(&it.status)) {
                    let end = AllocationEnd::Exited { code: 0 };
                    it.status = AllocationStatus::Ended { end };
                }
            }
            _ => {}
        }
        Ok(listing)
    }

    async fn stop(&self, key: SubmitKey, how: StopHow) -> Result<(), BackendError> {
        let is_live = self.world.live().expect("the world").contains(&key);
        match self.fault {
            Fault::StopsNothing => Ok(()),
            Fault::StopsAlwaysAtOnce => self.inner.stop(key, StopHow::Now).await,
            Fault::StopsEverything => {
                for key in self.world.live().expect("the world") {
                    self.inner.stop(key, how).await?;
                }
                Ok(())
            }
            Fault::FailsToStopTheUnknown if !is_live => Err(BackendError::Rejected {
                doing: format!("stop {key}"),
                why: "nobody knows it".to_owned(),
            }),
            _ => self.inner.stop(key, how).await,
        }
    }

    async fn forget(&self, key: SubmitKey) -> Result<(), BackendError> {
        match self.fault {
            Fault::ForgetsNothing => return Ok(()),
            Fault::ForgetsWhatLives => self.inner.stop(key, StopHow::Now).await?,
            _ => {}
        }
        self.inner.forget(key).await
    }

    fn calls(&self) -> (u64, u64) {
        match self.has(Fault::CountsNothing) {
            true => (0, 0),
            false => self.inner.calls(),
        }
    }
}

/// A world whose back-ends have a fault.
struct FaultyWorld {
    fault: Fault,
    world: Arc<FolderWorld>,
}

#[async_trait]
impl World for FaultyWorld {
    async fn open(&self) -> Result<Arc<dyn Backend>, WorldError> {
        Ok(Arc::new(Faulty {
            fault: self.fault,
            inner: self.world.backend()?,
            world: Arc::clone(&self.world),
            submits: AtomicU32::new(0),
        }))
    }

    fn launch(&self, key: SubmitKey) -> Launch {
        self.world.launch(key)
    }

    fn unfit(&self, key: SubmitKey) -> Option<Launch> {
        self.world.unfit(key)
    }

    async fn start(&self, key: SubmitKey) -> Result<(), WorldError> {
        World::start(&*self.world, key).await
    }

    async fn end(&self, key: SubmitKey, code: i32) -> Result<(), WorldError> {
        World::end(&*self.world, key, code).await
    }

    async fn kill(&self, key: SubmitKey) -> Result<(), WorldError> {
        self.world.kill(key).await
    }

    async fn starts(&self, key: SubmitKey) -> Result<u32, WorldError> {
        World::starts(&*self.world, key).await
    }

    // Without waiting, so that what never comes is soon given up.
    async fn pause(&self) {}
}

#[tokio::test]
async fn every_fault_is_found_out() {
    for fault in FAULTS.iter().copied() {
        let (_folder, world) = world(|_| ());
        let world = Arc::new(world);
        let told = conformance::all(&FaultyWorld { fault, world }).await;
        let broken = told.err().map(|broken| broken.to_string());
        assert!(broken.is_some(), "{fault:?} was not found out");
    }
}

#[tokio::test]
async fn a_broken_rule_is_told_with_its_script() {
    let (_folder, world) = world(|_| ());
    let world = Arc::new(world);
    let fault = Fault::StopsAlwaysAtOnce;
    let broken = conformance::all(&FaultyWorld { fault, world }).await;
    assert_eq!(
        broken.unwrap_err().to_string(),
        "ends::a_gentle_stop_ends_with_more_to_do: schliff-12-1 should have ended with code 75, \
         but ended by Killed { signal: Some(9) }"
    );
}
