//! Why a job of Slurm's waits, in words. Pure.

use schliff_slurm::job::Job;

/// The reason of a job that `scontrol requeue`, a preemption or a lost node put back.
pub(crate) const BEGIN_TIME: &str = "BeginTime";

/// Slurm's reason, and what it means.
pub(crate) fn why(job: &Job) -> String {
    job.reason.clone()
}

/// It waits for nothing but the two minutes that Slurm makes a job wait that was put back.
pub(crate) fn waits_for_begin_time(job: &Job) -> bool {
    job.reason == BEGIN_TIME && job.restarts.is_none_or(|restarts| restarts > 0)
}
