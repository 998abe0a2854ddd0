//! Why a job of Slurm's waits, in words. Pure.

use schliff_slurm::job::Job;
use schliff_slurm::reason::Reason;
use schliff_slurm::state::BaseState;

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
    let waits = job.state.base == BaseState::Pending && job.state.flags.is_empty();
    waits && job.reason == BEGIN_TIME && job.restarts.is_none_or(|restarts| restarts > 0)
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
        let mut job = waiting(BEGIN_TIME);
        assert!(waits_for_begin_time(&job));
        job.restarts = Some(0);
        assert!(!waits_for_begin_time(&job), "it was submitted for later");
        job.restarts = Some(1);
        job.state.flags = vec![schliff_slurm::state::StateFlag::Completing];
        assert!(!waits_for_begin_time(&job));
        assert!(!waits_for_begin_time(&waiting("Priority")));
    }
}
