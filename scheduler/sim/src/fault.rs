//! What can go wrong, each kind with a name.
//!
//! Rules: a kind is counted where it takes effect, not where it is planned.

use std::fmt;

macro_rules! faults {
    ($($(#[$doc:meta])* $kind:ident = $code:literal,)*) => {
        /// A kind of fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault {
            $($(#[$doc])* $kind,)*
        }

        impl Fault {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// Its name.
            pub fn code(self) -> &'static str {
                match self {
                    $(Self::$kind => $code,)*
                }
            }
        }
    };
}

faults! {
    /// A rank's process ends; its agent starts the ranks again.
    RankExit = "rank-exit",
    /// A rank stands still until its agent notices.
    RankHang = "rank-hang",
    /// A rank, and with it all, gets slow.
    SlowRank = "slow-rank",
    /// Ranks die again and again, until the agent gives up.
    RanksKeepDying = "ranks-keep-dying",
    /// The job itself is at fault: its agent ends with 1, 2 or 70.
    JobAtFault = "job-at-fault",
    /// An agent ends with a code that is none of ours.
    ForeignExit = "foreign-exit",
    /// One agent of an allocation never comes.
    AgentAbsent = "agent-absent",
    /// An agent cannot reach the coordinator for a while, and returns late.
    AgentPartition = "agent-partition",
    /// A report arrives twice.
    DuplicateReport = "duplicate-report",
    /// A report is overtaken by later ones.
    ReorderedReport = "reordered-report",
    /// A node and all on it is gone.
    NodeDeath = "node-death",
    /// The same, and what ran there goes on with the nodes that are left.
    NodeDoneWithout = "node-done-without",
    /// The batch system believes a node dead; what it runs goes on.
    NodeIsolated = "node-isolated",
    /// A node takes nothing new.
    NodeDrained = "node-drained",
    /// Somebody more urgent takes the nodes.
    Preemption = "preemption",
    /// The batch system takes an allocation back into its queue, for one more urgent.
    RequeuePreempted = "requeue-preempted",
    /// The same, for a node that failed.
    RequeueNodeLost = "requeue-node-lost",
    /// An allocation puts itself back into the queue, to go on past its wall time.
    RequeueOwn = "requeue-own",
    /// The allocation that waited for the end of another begins.
    Successor = "successor",
    /// The wall time is nearly over.
    WallTimeEnd = "wall-time-end",
    /// The wall time ends without a warning.
    WallTimeUnwarned = "wall-time-unwarned",
    /// Somebody cancels an allocation in the batch system.
    CancelOutside = "cancel-outside",
    /// An allocation takes more memory than it may.
    OutOfMemory = "out-of-memory",
    /// An allocation is killed, and nobody says why.
    KilledOutright = "killed-outright",
    /// An allocation was accepted and cannot be started.
    CannotStart = "cannot-start",
    /// A submit is accepted, its answer lost.
    SubmitReplyLost = "submit-reply-lost",
    /// A submit is lost on its way.
    SubmitLost = "submit-lost",
    /// A submit is refused for good.
    SubmitRefused = "submit-refused",
    /// A site does not say when it would start a job.
    EstimateLost = "estimate-lost",
    /// A site says that it would not take a job.
    EstimateRefused = "estimate-refused",
    /// A call is answered by a conflict (409).
    CallConflict = "call-409",
    /// A call is answered by "too many" (429).
    CallThrottled = "call-429",
    /// A call is answered by a defect (500); it may have had its effect.
    CallBroken = "call-500",
    /// A listing shows how things were a while ago.
    StaleListing = "stale-listing",
    /// A listing lacks entries, and says so.
    PartialListing = "partial-listing",
    /// The batch system answers slowly.
    SlowSite = "slow-site",
    /// The batch system is down for a while.
    SiteRestart = "site-restart",
    /// The batch system is down, and has lost what it knew.
    SiteForgets = "site-forgets",
    /// The coordinator's clock jumps ahead.
    ClockForwards = "clock-forwards",
    /// The coordinator's clock jumps back.
    ClockBackwards = "clock-backwards",
    /// A checkpoint is torn while it is written.
    TornCheckpoint = "torn-checkpoint",
    /// The coordinator dies before a write to the journal.
    CrashBeforeWrite = "crash-before-write",
    /// The coordinator dies after a write to the journal, before anything follows from it.
    CrashAfterWrite = "crash-after-write",
    /// The coordinator dies within a write to the journal.
    TornJournal = "torn-journal",
    /// The coordinator is started without one of its clusters.
    ClusterRemoved = "cluster-removed",
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code().fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_kind_has_its_own_name() {
        let names: BTreeSet<_> = Fault::ALL.iter().map(|fault| fault.code()).collect();
        assert_eq!(names.len(), Fault::ALL.len());
        assert!(names.iter().all(|name| name.len() <= 20), "{names:?}");
    }
}
