//! Why a job of Slurm's waits, in words. Pure.

use schliff_slurm::job::Job;
use schliff_slurm::reason::Reason;
use schliff_slurm::state::BaseState;
use schliff_slurm::time::UnixSeconds;

/// The reason of a job that `scontrol requeue`, a preemption or a lost node put back.
pub(crate) const BEGIN_TIME: &str = "BeginTime";

/// What starts sooner than this needs no help.
const SOON_S: i64 = 15;

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

/// It waits for nothing but the two minutes that Slurm makes a job wait that was put back, and they are
/// not nearly over: one that was let start has a begin time soon, and is not to be put off again.
pub(crate) fn waits_for_begin_time(job: &Job, now: UnixSeconds) -> bool {
    let waits = job.state.base == BaseState::Pending && job.state.flags.is_empty();
    let is_far = job.start_at.is_none_or(|at| at.0 - now.0 > SOON_S);
    let was_put_back = job.restarts.is_none_or(|restarts| restarts > 0);
    waits && is_far && was_put_back && job.reason == BEGIN_TIME
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slurm::listing::tests::job;

    fn waiting(reason: &str) -> Job {
        Job {
            reason: reason.to_owned(),
            ..job(7, BaseState::Pending)
        }
    }

    #[test]
    fn why_a_job_waits_is_told_in_words() {
        let told = why(&waiting("Resources"));
        assert!(told.contains("waits for nodes"), "{told}");
        assert!(told.ends_with(" (Resources)"), "{told}");
        assert_eq!(why(&waiting("MoonPhase")), "waits; Slurm says MoonPhase");
    }

    #[test]
    fn only_what_was_put_back_and_has_been_cleared_away_may_start_at_once() {
        let now = UnixSeconds(1_000);
        let mut job = waiting(BEGIN_TIME);
        assert!(waits_for_begin_time(&job, now));
        job.restarts = Some(0);
        assert!(
            !waits_for_begin_time(&job, now),
            "it was submitted for later"
        );
        job.restarts = Some(1);
        job.start_at = Some(UnixSeconds(1_120));
        assert!(waits_for_begin_time(&job, now));
        job.start_at = Some(UnixSeconds(1_003));
        assert!(!waits_for_begin_time(&job, now), "it was let start already");
        job.start_at = None;
        job.state.flags = vec![schliff_slurm::state::StateFlag::Completing];
        assert!(!waits_for_begin_time(&job, now));
        assert!(!waits_for_begin_time(&waiting("Priority"), now));
    }
}
