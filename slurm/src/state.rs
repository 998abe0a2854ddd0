//! What a job does, in Slurm's words.
//!
//! Absent on purpose: what follows from it. Not in the queue never means failed.

mod words;

/// The states of `squeue` and `sacct`; flags such as `COMPLETING` are apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BaseState {
    /// It waits.
    Pending,
    /// It runs.
    Running,
    /// It is stopped for a while.
    Suspended,
    /// It ended with exit code 0.
    Completed,
    /// Somebody cancelled it.
    Cancelled,
    /// It ended with another exit code.
    Failed,
    /// Its wall time was over.
    Timeout,
    /// A node failed.
    NodeFail,
    /// Somebody more urgent took its nodes.
    Preempted,
    /// Its nodes could not be booted.
    BootFail,
    /// It could not have ended before its deadline.
    Deadline,
    /// It took too much memory.
    OutOfMemory,
    /// A sibling in a federation took over.
    Revoked,
}

/// What else is said of a job's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StateFlag {
    /// Its processes are being ended.
    Completing,
    /// Its nodes are being prepared.
    Configuring,
    /// It is being put into the queue again.
    Requeued,
    /// Put into the queue again, and held there.
    RequeueHold,
    /// Held there for a special exit code.
    SpecialExit,
    /// It changes its size.
    Resizing,
    /// It is stopped by a signal.
    Stopped,
    /// Files are being copied.
    StageOut,
    /// It could not be launched.
    LaunchFailed,
    /// It waits for its reservation to be deleted.
    ResvDelHold,
    /// It is being signalled.
    Signaling,
    /// Its state is updated in the database.
    UpdateDb,
    /// Federated.
    Revoked,
    /// Its power is being turned on.
    PowerUpNode,
    /// Put into the queue again by a federation.
    RequeueFed,
    /// Its nodes could not be set up as it asked.
    ReconfigFail,
    /// Put into the queue again, to start before others.
    Expediting,
}

/// A job's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobState {
    /// The state itself.
    pub base: BaseState,
    /// Flags, sorted, each once.
    pub flags: Vec<StateFlag>,
    /// Who cancelled it, of `CANCELLED by UID`.
    pub cancelled_by: Option<u32>,
}

impl BaseState {
    /// It has ended, unless it is put into the queue again.
    pub fn is_end(self) -> bool {
        !matches!(self, Self::Pending | Self::Running | Self::Suspended)
    }
}
