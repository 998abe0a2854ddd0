//! The seam to a batch system.

use async_trait::async_trait;
use schliff_scheduler::allocation::{AllocationId, Listing, StopHow};
use schliff_scheduler::cluster::Terms;
use schliff_scheduler::time::Timestamp;
use schliff_spec::cluster::Reports;
use schliff_spec::id::{ClusterName, Step, SubmitKey};

use crate::error::BackendError;
use crate::foundling::{FindError, Foundling};
use crate::launch::Launch;

/// One cluster as it is reached.
///
/// All methods may be called at the same time and from any task. Dropping a call's future leaves the
/// effect of the call open, as [`BackendError::Lost`] does.
#[async_trait]
pub trait Backend: Send + Sync {
    /// The cluster's name.
    fn cluster(&self) -> &ClusterName;

    /// What the brain has to know of it.
    fn terms(&self) -> Terms;

    /// One word for people, such as `local`.
    fn kind(&self) -> &'static str;

    /// How what its agents tell reaches the coordinator.
    fn reports(&self) -> Reports {
        Reports::Direct
    }

    /// Sees to what an attempt is to find there besides its files, such as the checkpoint that it is to
    /// go on from; `committed` is the newest that is known to be there somewhere. Called before each
    /// [`Self::submit`], which does not follow where this fails.
    ///
    /// # Errors
    /// As [`Self::submit`], but never `Lost`.
    async fn prepare(&self, launch: &Launch, committed: Option<Step>) -> Result<(), BackendError> {
        let _ = (launch, committed);
        Ok(())
    }

    /// Starts an allocation, or hands it to the queue. The same key again gives the same allocation
    /// and starts nothing. A key is not submitted again once it was forgotten; a back-end that keeps
    /// records of its own rejects it.
    ///
    /// # Errors
    /// See [`BackendError`]; after `Lost` only a listing can tell.
    async fn submit(&self, launch: &Launch) -> Result<AllocationId, BackendError>;

    /// Everything that carries a submit key.
    ///
    /// # Errors
    /// See [`BackendError`]; never because a single allocation cannot be read.
    async fn observe(&self) -> Result<Listing, BackendError>;

    /// Asks an allocation to end. One that has ended, or that nobody knows, is fine.
    ///
    /// # Errors
    /// See [`BackendError`].
    async fn stop(&self, key: SubmitKey, how: StopHow) -> Result<(), BackendError>;

    /// Removes what is left of an ended allocation. One that is alive is left alone.
    ///
    /// # Errors
    /// See [`BackendError`].
    async fn forget(&self, key: SubmitKey) -> Result<(), BackendError>;

    /// When an allocation would start if it were submitted now; `None` where nobody can tell.
    ///
    /// # Errors
    /// See [`BackendError`]; `Rejected` says why it would never be taken.
    async fn estimate(&self, launch: &Launch) -> Result<Option<Timestamp>, BackendError> {
        let _ = launch;
        Ok(None)
    }

    /// Looks at what somebody submitted by hand, to adopt it. Changes nothing.
    ///
    /// # Errors
    /// See [`FindError`].
    async fn find(&self, id: &AllocationId) -> Result<Foundling, FindError> {
        let _ = id;
        Err(FindError::NoWay)
    }

    /// Makes what somebody submitted by hand the allocation of this launch's key; nothing is started.
    /// From then on it is like one that was submitted, and the same key again gives the same
    /// allocation.
    ///
    /// # Errors
    /// As [`Self::submit`].
    async fn adopt(
        &self,
        launch: &Launch,
        id: &AllocationId,
    ) -> Result<AllocationId, BackendError> {
        Err(BackendError::Rejected {
            doing: format!("adopt {id} as {}", launch.key),
            why: FindError::NoWay.to_string(),
        })
    }

    /// Calls made to the batch system since the start, and those of them that failed.
    fn calls(&self) -> (u64, u64);

    /// What those calls cost the site.
    fn traffic(&self) -> Traffic {
        Traffic::default()
    }
}

/// What a site's administrators see of its guests, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Remote procedure calls to the batch system's controller.
    pub rpcs: u64,
    /// Log-ins.
    pub logins: u64,
}
