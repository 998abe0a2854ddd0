//! Many jobs: which of them, and how many there are.

use schliff_scheduler::job::{Job, Role};
use schliff_wire::v1::{self, ListReply, ListRequest, PhaseCount};

use super::{Look, job};

/// Jobs of a page where nobody says otherwise.
const USUAL: usize = 100;
/// Jobs of a page, at most.
const MOST: usize = 1_000;

/// The newest jobs that are asked for.
pub(crate) fn list(look: Look<'_>, ask: &ListRequest) -> ListReply {
    let limit = match ask.limit as usize {
        0 => USUAL,
        limit => limit.min(MOST),
    };
    let older = |job: &&Job| ask.before == 0 || job.id.0 < ask.before;
    let wanted = |job: &&Job| is_wanted(job, ask);
    let newest = look.state.jobs.values().rev();
    let mut found: Vec<_> = newest
        .filter(older)
        .filter(wanted)
        .take(limit + 1)
        .collect();
    let is_more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().map_or(0, |job| job.id.0);
    let (counts, failed) = counts(look, ask.top);
    ListReply {
        jobs: found.into_iter().map(|it| job::short(look, it)).collect(),
        next_before: if is_more { last } else { 0 },
        counts,
        failed,
    }
}

fn is_wanted(job: &Job, ask: &ListRequest) -> bool {
    let phase = job::phase(&job.phase) as i32;
    let parent = parent(job);
    let cluster = || job::cluster(job) == ask.cluster;
    (ask.phases.is_empty() || ask.phases.contains(&phase))
        && (ask.name_contains.is_empty() || job.ask.name.contains(&ask.name_contains))
        && (ask.owner.is_empty() || job.owner == ask.owner)
        && (ask.parent == 0 || parent == Some(ask.parent))
        && (!ask.top || parent.is_none())
        && (ask.cluster.is_empty() || cluster())
        && (ask.outcome.is_empty() || has_ended(job, &ask.outcome))
}

fn parent(job: &Job) -> Option<u64> {
    match &job.role {
        Role::Trial { parent, .. } => Some(parent.0),
        Role::Single | Role::Sweep { .. } => None,
    }
}

fn counts(look: Look<'_>, is_top: bool) -> (Vec<PhaseCount>, u64) {
    const PHASES: [v1::Phase; 6] = [
        v1::Phase::Queued,
        v1::Phase::Allocating,
        v1::Phase::Starting,
        v1::Phase::Running,
        v1::Phase::Recovering,
        v1::Phase::Done,
    ];
    let mut counts = PHASES.map(|phase| PhaseCount {
        phase: phase as i32,
        jobs: 0,
    });
    let mut failed = 0;
    let jobs = look.state.jobs.values();
    for job in jobs.filter(|job| !is_top || parent(job).is_none()) {
        let phase = job::phase(&job.phase) as i32;
        if let Some(count) = counts.iter_mut().find(|count| count.phase == phase) {
            count.jobs += 1;
        }
        failed += u64::from(has_ended(job, "failed"));
    }
    (counts.into(), failed)
}

/// It has ended with this outcome.
fn has_ended(job: &Job, word: &str) -> bool {
    job.outcome().is_some_and(|outcome| outcome.word() == word)
}
