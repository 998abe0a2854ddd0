//! What Slurm and the attempts' folders tell, made into allocations. Pure.
//!
//! Rules: SL-1 an allocation is all Slurm jobs of its key: the ones that were put into the queue again,
//! successors, and one that was submitted a second time by mistake. While one of them is alive it is.
//! SL-2 the script's own word, `done`, counts more than Slurm's. SL-3 a folder that is not there was
//! forgotten: what Slurm remembers of it has ended for good. SL-4 a job that nobody remembers is over,
//! since Slurm's controller was asked after the folder said that it had been submitted. Absent on
//! purpose: asking anybody anything.

mod blame;
mod end;

use std::collections::BTreeMap;

use schliff_scheduler::allocation::{Allocation, AllocationId, AllocationStatus};
use schliff_scheduler::time::Timestamp;
use schliff_slurm::job::{Job, JobId};
use schliff_slurm::state::{BaseState, StateFlag};
use schliff_slurm::time::UnixSeconds;
use schliff_spec::id::SubmitKey;

use super::folder::{Facts, Glance};
use super::{node, pending};

pub(crate) use blame::{blame, blames_nobody};

/// First word of our jobs' comments.
pub(crate) const COMMENT: &str = "schliff";
/// For so long after its end a job may be said to be completing; the nodes may be gone for ever.
const COMPLETING_S: i64 = 300;

/// Jobs of this coordinator by their keys, in Slurm's order.
pub(crate) type Ours<'a> = BTreeMap<SubmitKey, Vec<&'a Job>>;

/// What is known of a cluster at one moment.
pub(crate) struct Known<'a> {
    pub(crate) now: UnixSeconds,
    /// Whose jobs are ours.
    pub(crate) instance: &'a str,
    /// What Slurm's controller tells.
    pub(crate) jobs: Ours<'a>,
    /// Folders that were there before it was asked.
    pub(crate) glances: &'a BTreeMap<SubmitKey, Glance>,
    /// What folders told after it was asked.
    pub(crate) facts: &'a BTreeMap<SubmitKey, Facts>,
    /// What the accounting database tells of jobs that the controller has forgotten.
    pub(crate) history: &'a BTreeMap<SubmitKey, Vec<Job>>,
}

/// The jobs that are ours, of all that the controller told.
pub(crate) fn ours<'a>(
    jobs: &'a [Job],
    instance: &str,
    glances: &BTreeMap<SubmitKey, Glance>,
) -> Ours<'a> {
    let mut ours = Ours::new();
    for job in jobs {
        let Ok(key) = job.name.parse::<SubmitKey>() else {
            continue;
        };
        // Not every source tells of comments.
        let is_untold = job.comment.is_empty() && glances.contains_key(&key);
        if is_untold || is_ours(job, instance) {
            ours.entry(key).or_default().push(job);
        }
    }
    ours
}

/// Slurm's numbers of the jobs of each key.
pub(crate) fn numbers(jobs: &Ours<'_>) -> BTreeMap<SubmitKey, Vec<JobId>> {
    let ids = |jobs: &Vec<&Job>| jobs.iter().map(|job| job.id).collect();
    jobs.iter().map(|(key, jobs)| (*key, ids(jobs))).collect()
}

/// Whether a job's comment says that it is this coordinator's.
pub(crate) fn is_ours(job: &Job, instance: &str) -> bool {
    let mut words = job.comment.split(' ');
    (words.next(), words.next()) == (Some(COMMENT), Some(instance))
}

/// What a job of Slurm's does, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Life {
    Over,
    Waits,
    Runs,
}

/// Whether a job waits, runs or is over.
pub(crate) fn life(job: &Job, now: UnixSeconds) -> Life {
    match job.state.base {
        BaseState::Pending => Life::Waits,
        _ if is_completing(job) => {
            // One that goes back into the queue has no end.
            let is_stuck = job.end_at.is_some_and(|end| now.0 - end.0 >= COMPLETING_S);
            if is_stuck { Life::Over } else { Life::Runs }
        }
        BaseState::Running | BaseState::Suspended => Life::Runs,
        _ => Life::Over,
    }
}

/// Its processes are being ended; what it was before that is not always told.
fn is_completing(job: &Job) -> bool {
    job.state.flags.contains(&StateFlag::Completing)
}

/// Seconds since then; very many where it is not told.
fn since(then: Option<UnixSeconds>, now: UnixSeconds) -> i64 {
    then.map_or(i64::MAX, |then| now.0.saturating_sub(then.0))
}

/// Keys whose folders must be read: Slurm alone does not tell how it stands with them.
pub(crate) fn unclear(
    jobs: &Ours<'_>,
    glances: &BTreeMap<SubmitKey, Glance>,
    now: UnixSeconds,
    has_successors: bool,
) -> Vec<SubmitKey> {
    let is_unclear = |glance: &&Glance| {
        let Some(jobs) = jobs.get(&glance.key) else {
            return glance.first.is_some();
        };
        let runs = |job: &&Job| life(job, now) == Life::Runs && !is_completing(job);
        let waits = |job: &&Job| life(job, now) == Life::Waits;
        let waits_only = !has_successors && jobs.iter().all(waits);
        !waits_only && !jobs.iter().any(runs)
    };
    glances
        .values()
        .filter(is_unclear)
        .map(|glance| glance.key)
        .collect()
}

/// Keys of whose jobs only the accounting database may know something.
pub(crate) fn gone(jobs: &Ours<'_>, facts: &BTreeMap<SubmitKey, Facts>) -> Vec<SubmitKey> {
    let is_gone = |(key, facts): &(&SubmitKey, &Facts)| {
        facts.done.is_none() && !facts.ids.is_empty() && !jobs.contains_key(key)
    };
    facts.iter().filter(is_gone).map(|(key, _)| *key).collect()
}

/// All allocations.
pub(crate) fn allocations(known: &Known<'_>) -> Vec<Allocation> {
    let of_jobs = known.jobs.keys();
    let of_folders = known
        .facts
        .keys()
        .filter(|key| !known.jobs.contains_key(key));
    of_jobs
        .chain(of_folders)
        .filter_map(|key| allocation(known, *key))
        .collect()
}

fn allocation(known: &Known<'_>, key: SubmitKey) -> Option<Allocation> {
    let jobs = known.jobs.get(&key).map(Vec::as_slice).unwrap_or_default();
    let facts = known.facts.get(&key);
    if facts.is_some_and(|facts| !facts.instance.is_empty() && facts.instance != known.instance) {
        return None;
    }
    let alive = jobs
        .iter()
        .copied()
        .filter(|job| life(job, known.now) > Life::Over);
    let alive = alive.max_by_key(|job| life(job, known.now));
    let end = facts.and_then(|facts| end::done(facts, jobs));
    let status = match (end, alive, facts) {
        (Some(end), _, _) => AllocationStatus::Ended { end },
        (None, Some(job), _) => alive_status(job, known.now),
        (None, None, Some(facts)) => over_status(known, key, jobs, facts)?,
        // Forgotten.
        (None, None, None) => return None,
    };
    let first = known.glances.get(&key).and_then(|glance| glance.first);
    let first = first.or_else(|| jobs.iter().map(|job| job.id).min());
    let first = first.or_else(|| facts?.ids.first().copied())?;
    let last = alive.or_else(|| jobs.last().copied());
    Some(Allocation {
        key,
        id: AllocationId(first.to_string()),
        status,
        nodes: last.map(|job| node::names(&job.nodes)).unwrap_or_default(),
    })
}

fn alive_status(job: &Job, now: UnixSeconds) -> AllocationStatus {
    match life(job, now) {
        Life::Waits => AllocationStatus::Pending {
            why: pending::why(job),
            start_estimate: job.start_at.and_then(timestamp),
        },
        _ => AllocationStatus::Running,
    }
}

/// Of a key none of whose jobs is alive.
fn over_status(
    known: &Known<'_>,
    key: SubmitKey,
    jobs: &[&Job],
    facts: &Facts,
) -> Option<AllocationStatus> {
    if jobs.is_empty() && facts.ids.is_empty() {
        // Being submitted, or a submit came to nothing.
        return None;
    }
    if let Some(job) = end::decisive(jobs) {
        return Some(end::of_job(job, facts, known.now));
    }
    let history: Vec<&Job> = known.history.get(&key).into_iter().flatten().collect();
    let end = match end::decisive(&history) {
        // The database may not have heard of an end that was long ago.
        Some(job) if job.state.base.is_end() => return Some(end::of_job(job, facts, known.now)),
        _ => end::unremembered(facts),
    };
    Some(AllocationStatus::Ended { end })
}

/// The brain's way to write a time.
pub(crate) fn timestamp(at: UnixSeconds) -> Option<Timestamp> {
    let seconds = u64::try_from(at.0).ok()?;
    Some(Timestamp(seconds.saturating_mul(1_000)))
}

#[cfg(test)]
pub(crate) mod tests;
