//! A job.

use schliff_scheduler::job::{Attempt, Job, Phase, Role};
use schliff_spec::id::NodeName;
use schliff_wire::v1::{self, AttemptView, Dependency, JobView, Progress, RankView};

use super::reason::{ending, or_zero, told};
use super::{Look, cost};
use crate::clock::wire_ms;

/// The wire's word for a phase.
pub(crate) fn phase(phase: &Phase) -> v1::Phase {
    match phase {
        Phase::Queued => v1::Phase::Queued,
        Phase::Allocating => v1::Phase::Allocating,
        Phase::Starting { .. } => v1::Phase::Starting,
        Phase::Running { .. } => v1::Phase::Running,
        Phase::Recovering { .. } => v1::Phase::Recovering,
        Phase::Done { .. } => v1::Phase::Done,
    }
}

/// A job as it stands in a list: without attempts, ranks, checkpoints and its file.
pub(crate) fn short(look: Look<'_>, job: &Job) -> JobView {
    let explained = look.explainer.explain(job.id);
    let shape = job.attempts.last().map_or(job.ask.wanted(), |it| it.shape);
    let (parent, label) = match &job.role {
        Role::Trial { parent, label, .. } => (parent.0, label.clone()),
        Role::Single | Role::Sweep { .. } => (0, String::new()),
    };
    let outcome = job.outcome();
    let start_estimate = explained.as_ref().and_then(|it| it.start_estimate);
    JobView {
        id: job.id.0,
        name: job.ask.name.clone(),
        owner: job.owner.clone(),
        cluster: cluster(job),
        phase: phase(&job.phase) as i32,
        reason: explained.map(|it| told(&it.reason)),
        outcome: outcome.map_or("", |outcome| outcome.word()).to_owned(),
        exit_code: outcome.map_or(0, |outcome| outcome.exit().code()),
        priority: job.ask.priority.into(),
        submitted_ms: wire_ms(job.submitted_at),
        started_ms: or_zero(job.attempts.iter().find_map(|it| it.running_at)),
        ended_ms: match &job.phase {
            Phase::Done { at, .. } => wire_ms(*at),
            _ => 0,
        },
        start_estimate_ms: or_zero(start_estimate),
        progress: Some(progress(look, job)),
        cost: Some(cost::cost(look, job)),
        nodes: shape.nodes,
        ranks: shape.ranks,
        out: job.ask.out.clone(),
        parent,
        children: children(job),
        after: after(job),
        label,
        stopping: job.stop.is_some(),
        failures: job.failures,
        retries: job.ask.retries,
        sweep: matches!(job.role, Role::Sweep { .. }),
        retry_of: job.retry_of.map_or(0, |of| of.0),
        ..JobView::default()
    }
}

/// A job with all that is known of it here.
pub(crate) fn full(look: Look<'_>, job: &Job) -> JobView {
    let newer = look.state.jobs.range(job.id..);
    let mut retries = newer.filter(|(_, other)| other.retry_of == Some(job.id));
    JobView {
        attempts: job.attempts.iter().map(attempt).collect(),
        rank_views: ranks(look, job),
        job_toml: job.ask.document.clone(),
        retried_as: retries.next_back().map_or(0, |(id, _)| id.0),
        ..short(look, job)
    }
}

/// Where a job runs, ran last, or is bound to; empty while that is open.
pub(super) fn cluster(job: &Job) -> String {
    let last = job.attempts.last().map(|attempt| &attempt.cluster);
    let name = last.or(job.ask.cluster.as_ref());
    name.map_or(String::new(), ToString::to_string)
}

fn children(job: &Job) -> Vec<u64> {
    match &job.role {
        Role::Sweep { trials, .. } => trials.iter().map(|trial| trial.0).collect(),
        Role::Single | Role::Trial { .. } => Vec::new(),
    }
}

fn after(job: &Job) -> Vec<Dependency> {
    let after = job.after.iter().map(|it| Dependency {
        job: it.job.0,
        any_end: it.any_end,
    });
    after.collect()
}

fn progress(look: Look<'_>, job: &Job) -> Progress {
    let recent = look.memory.of(job.id);
    let last = recent.and_then(|recent| recent.last);
    let vitals = job.attempts.last().map(|attempt| &attempt.vitals);
    let told = vitals.and_then(|vitals| vitals.step).map(|step| step.0);
    let told_steps = vitals.and_then(|vitals| vitals.steps).map(|steps| steps.0);
    let measured = |is_base: bool| {
        let mut measures = job.measures.iter().rev();
        let found = measures.find(|(step, _)| (step.0 == 0) == is_base);
        found.map(|(_, loss)| *loss)
    };
    let is_running = matches!(job.phase, Phase::Running { .. });
    let remaining_ms = recent
        .filter(|_| is_running)
        .and_then(|it| it.remaining_ms());
    Progress {
        // What is committed was made, though the beat that would have told of it came too late.
        step: told
            .or(last.map(|point| point.step))
            .max(job.committed.map(|step| step.0))
            .unwrap_or(0),
        steps: told_steps.or(last.map(|point| point.steps)).unwrap_or(0),
        loss: last.map(|point| point.loss),
        eval_loss: recent
            .and_then(|it| it.eval_loss)
            .or_else(|| measured(false)),
        baseline_loss: recent
            .and_then(|it| it.baseline_loss)
            .or_else(|| measured(true)),
        tokens_per_s: last.filter(|_| is_running).map(|point| point.tokens_per_s),
        remaining_ms: remaining_ms.unwrap_or(0),
    }
}

fn attempt(attempt: &Attempt) -> AttemptView {
    let nodes = attempt.nodes.iter().map(NodeName::to_string);
    AttemptView {
        generation: attempt.generation.0,
        cluster: attempt.cluster.to_string(),
        allocation: attempt
            .allocation
            .as_ref()
            .map_or(String::new(), ToString::to_string),
        nodes: nodes.collect(),
        ranks: attempt.shape.ranks,
        planned_ms: wire_ms(attempt.planned_at),
        granted_ms: or_zero(attempt.granted_at),
        running_ms: or_zero(attempt.running_at),
        ended_ms: or_zero(attempt.ended.as_ref().map(|(_, at)| *at)),
        ending: attempt.ending().map(ending),
        resumed_from: attempt.resume_from.map(|step| step.0),
        committed: None,
    }
}

fn ranks(look: Look<'_>, job: &Job) -> Vec<RankView> {
    let recent = look.memory.of(job.id).filter(|_| job.live().is_some());
    recent.map_or(Vec::new(), |recent| {
        recent.ranks.values().cloned().collect()
    })
}
