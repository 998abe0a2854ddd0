//! Why a job of Slurm's waits, in words. Pure.

use schliff_slurm::job::Job;
use schliff_slurm::reason::Reason;

/// The reason of a job that `scontrol requeue`, a preemption or a lost node put back.
pub(crate) const BEGIN_TIME: &str = "BeginTime";

/// What it waits for, what can be done, and Slurm's own word, which people look for.
pub(crate) fn why(job: &Job) -> String {
    let reason = Reason::read(&job.reason);
    let mut text = reason.sentence();
    if let Some(remedy) = reason.remedy() {
        text.push_str("; ");
        text.push_str(remedy);
    }
    match reason {
        Reason::NotTold | Reason::Other(_) => text,
        _ => format!("{text} ({})", job.reason),
    }
}

/// It waits for nothing but the two minutes that Slurm makes a job wait that was put back.
pub(crate) fn waits_for_begin_time(job: &Job) -> bool {
    job.reason == BEGIN_TIME && job.restarts.is_none_or(|restarts| restarts > 0)
}
