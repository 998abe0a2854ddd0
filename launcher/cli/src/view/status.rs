//! One job in full.

use schliff_wire::v1::{AttemptView, Cost, Dependency, Explanation, JobView, Phase, Progress};

use super::{counted, explanation, reason_text, state_word, title};
use crate::{clock, figures, plain, table};

/// Checkpoints that are listed, the newest ones.
const CHECKPOINTS: usize = 3;

/// The whole text.
pub(crate) fn text(view: &JobView, why: &Explanation, now_ms: i64) -> String {
    let mut parts = vec![
        format!("{}  {}\n", title(view), state_word(view)),
        explanation::text(why, now_ms),
        table::list(&figures_of(view, now_ms)),
        attempts(&view.attempts, now_ms),
    ];
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

fn figures_of(view: &JobView, now_ms: i64) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    let mut row = |name, value: Option<String>| {
        let value = value.filter(|value| !value.is_empty());
        rows.extend(value.map(|value| (name, value)));
    };
    row("progress", view.progress.as_ref().and_then(progress));
    row("held-out loss", view.progress.as_ref().and_then(held_out));
    row("cost", view.cost.as_ref().and_then(cost));
    row("runs on", runs_on(view));
    row("owner", Some(plain::line(&view.owner)));
    row(
        "priority",
        (view.priority > 0).then(|| view.priority.to_string()),
    );
    row("submitted", clock::with_distance(view.submitted_ms, now_ms));
    row("started", clock::with_distance(view.started_ms, now_ms));
    row("ended", clock::with_distance(view.ended_ms, now_ms));
    row(
        "after",
        (!view.after.is_empty()).then(|| after(&view.after)),
    );
    let job = |number: u64| (number > 0).then(|| format!("job {number}"));
    row("goes on with", job(view.retry_of));
    row("gone on with by", job(view.retried_as));
    row("sweep", job(view.parent));
    row("trials", trials(&view.children));
    row("failures", failures(view));
    row("checkpoints", checkpoints(view, now_ms));
    row("out", Some(plain::line(&view.out)));
    rows
}

/// `step 120 of 250 (48.0 %), loss 1.2346, 812 tok/s, 4m 05s left`.
fn progress(progress: &Progress) -> Option<String> {
    let Progress { step, steps, .. } = *progress;
    let mut words = match (step, steps) {
        (0, 0) => return None,
        (step, 0) => vec![format!("step {}", figures::count(step))],
        (step, steps) => vec![format!(
            "step {} of {} ({})",
            figures::count(step),
            figures::count(steps),
            figures::percent(step as f64 / steps as f64)
        )],
    };
    words.extend(pace(progress));
    Some(words.join(", "))
}

/// `loss 1.2346`, `812 tok/s`, `4m 05s left`, each where it is known.
pub(crate) fn pace(progress: &Progress) -> Vec<String> {
    let loss = progress.loss.map(|loss| format!("loss {loss:.4}"));
    let left = Some(progress.remaining_ms).filter(|left_ms| *left_ms > 0);
    let left = left.map(|left_ms| format!("{} left", figures::span(left_ms as f64 / 1_000.0)));
    let words = [loss, speed(progress), left];
    words.into_iter().flatten().collect()
}

/// `812 tok/s`, where it is known.
pub(crate) fn speed(progress: &Progress) -> Option<String> {
    let speed = progress.tokens_per_s.filter(|speed| *speed > 0.0);
    speed.map(|speed| format!("{} tok/s", figures::rate(speed)))
}

/// `1.9000, 3.4012 without the adapter`.
fn held_out(progress: &Progress) -> Option<String> {
    let now = progress.eval_loss.map(|loss| format!("{loss:.4}"));
    let base = progress.baseline_loss;
    let base = base.map(|loss| format!("{loss:.4} without the adapter"));
    let words: Vec<_> = [now, base].into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// `1.20 of 10.00 GPU-hours, 4.00 core-hours, 2.40 EUR`.
fn cost(cost: &Cost) -> Option<String> {
    let hours = |used: f64, budget: Option<f64>, unit: &str| match budget {
        Some(budget) => Some(format!("{used:.2} of {budget:.2} {unit}")),
        None => (used > 0.0).then(|| format!("{used:.2} {unit}")),
    };
    let plain = |value: Option<f64>, unit: &str| value.map(|value| format!("{value:.2} {unit}"));
    let words = [
        hours(cost.gpu_hours, cost.budget_gpu_hours, "GPU-hours"),
        hours(cost.core_hours, cost.budget_core_hours, "core-hours"),
        plain(cost.eur, "EUR"),
        plain(cost.kwh, "kWh"),
        plain(cost.gco2, "g CO2"),
    ];
    let words: Vec<_> = words.into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// `local, 2 nodes, 8 ranks`.
fn runs_on(view: &JobView) -> Option<String> {
    let mut words = Vec::new();
    words.extend((!view.cluster.is_empty()).then(|| plain::line(&view.cluster)));
    words.extend((view.nodes > 0).then(|| counted(view.nodes.into(), "node")));
    words.extend((view.ranks > 0).then(|| counted(view.ranks.into(), "rank")));
    (!words.is_empty()).then(|| words.join(", "))
}

fn after(after: &[Dependency]) -> String {
    let words = after.iter().map(|it| match it.any_end {
        true => format!("job {} however it ends", it.job),
        false => format!("job {}", it.job),
    });
    words.collect::<Vec<_>>().join(", ")
}

fn trials(children: &[u64]) -> Option<String> {
    let (first, last) = (children.first()?, children.last()?);
    let count = counted(children.len() as u64, "job");
    Some(format!("{count}, {first} to {last}"))
}

fn failures(view: &JobView) -> Option<String> {
    let allowed = view.retries;
    (view.failures > 0).then(|| format!("{} in a row, {allowed} allowed", view.failures))
}

/// `step 120 (4m 05s ago, 9.37 MiB), step 100 …`.
fn checkpoints(view: &JobView, now_ms: i64) -> Option<String> {
    let newest = view.checkpoints.iter().rev().take(CHECKPOINTS);
    let words = newest.map(|it| {
        let age = clock::between(it.at_ms, now_ms);
        format!(
            "step {} ({age} ago, {})",
            it.step,
            figures::bytes(it.bytes as f64)
        )
    });
    let words: Vec<_> = words.collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// A line an attempt, the newest last.
fn attempts(attempts: &[AttemptView], now_ms: i64) -> String {
    if attempts.is_empty() {
        return String::new();
    }
    let heads = [
        "attempt",
        "cluster",
        "allocation",
        "ranks",
        "ran",
        "from",
        "safe",
        "end",
    ];
    let step = |step: Option<u64>| step.map_or("-".to_owned(), |step| step.to_string());
    let row = |attempt: &AttemptView| {
        let until = if attempt.ended_ms > 0 {
            attempt.ended_ms
        } else {
            now_ms
        };
        let end = match &attempt.ending {
            Some(ending) if attempt.ended_ms > 0 => reason_text(Some(ending)),
            _ => "is at work".into(),
        };
        vec![
            attempt.generation.to_string(),
            plain::line(&attempt.cluster),
            plain::line(&attempt.allocation),
            attempt.ranks.to_string(),
            clock::between(attempt.granted_ms, until),
            step(attempt.resumed_from),
            step(attempt.committed),
            end,
        ]
    };
    let heads = heads.map(str::to_owned).to_vec();
    let rows: Vec<_> = std::iter::once(heads)
        .chain(attempts.iter().map(row))
        .collect();
    table::aligned(&rows, &[1, 2, 7], None)
}

/// The one line that a verb prints after it changed a job.
pub(crate) fn line(view: &JobView) -> String {
    let reason = reason_text(view.reason.as_ref());
    let state = state_word(view);
    match view.phase() {
        _ if reason.is_empty() || reason == state => format!("{}: {state}", title(view)),
        Phase::Done => format!("{}: {reason}", title(view)),
        _ => format!("{}: {state}: {reason}", title(view)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schliff_wire::v1::{CheckpointView, Reason};

    const NOW: i64 = 1_772_373_909_000;

    fn reason(text: &str) -> Option<Reason> {
        Some(Reason {
            code: "x".into(),
            text: text.into(),
            hint: String::new(),
        })
    }

    fn chain() -> Vec<AttemptView> {
        let first = AttemptView {
            generation: 1,
            cluster: "local".into(),
            allocation: "schliff-42-1".into(),
            ranks: 8,
            granted_ms: NOW - 900_000,
            ended_ms: NOW - 300_000,
            ending: reason("all is committed, more to do"),
            committed: Some(60),
            ..AttemptView::default()
        };
        let second = AttemptView {
            generation: 2,
            allocation: "schliff-42-2".into(),
            granted_ms: NOW - 245_000,
            ended_ms: 0,
            ending: None,
            resumed_from: Some(60),
            ..first.clone()
        };
        vec![first, second]
    }

    #[test]
    fn a_job_in_full() {
        let view = JobView {
            id: 42,
            name: "service-desk".into(),
            owner: "ada".into(),
            cluster: "local".into(),
            phase: Phase::Running.into(),
            reason: reason("trains"),
            priority: 50,
            submitted_ms: NOW - 1_000_000,
            started_ms: NOW - 900_000,
            progress: Some(Progress {
                step: 120,
                steps: 250,
                loss: Some(1.234_56),
                eval_loss: Some(1.9),
                baseline_loss: Some(3.4012),
                tokens_per_s: Some(812.4),
                remaining_ms: 245_000,
            }),
            cost: Some(Cost {
                gpu_hours: 1.2,
                budget_gpu_hours: Some(10.0),
                eur: Some(2.4),
                ..Cost::default()
            }),
            nodes: 2,
            ranks: 8,
            out: "/data/runs/service-desk".into(),
            after: vec![Dependency {
                job: 41,
                any_end: true,
            }],
            failures: 1,
            retries: 3,
            attempts: chain(),
            checkpoints: vec![CheckpointView {
                step: 100,
                at_ms: NOW - 20_000,
                bytes: 9_823_216,
                generation: 2,
            }],
            ..JobView::default()
        };
        let why = Explanation {
            job: 42,
            phase: Phase::Running.into(),
            reason: reason("trains"),
            ..Explanation::default()
        };
        insta::assert_snapshot!(text(&view, &why, NOW));
    }

    #[test]
    fn a_line_says_how_it_is() {
        let mut view = JobView {
            id: 7,
            name: "desk".into(),
            phase: Phase::Queued.into(),
            reason: reason("starts with the next look at the queue"),
            ..JobView::default()
        };
        assert_eq!(
            line(&view),
            "job 7 desk: queued: starts with the next look at the queue"
        );
        view.phase = Phase::Done.into();
        view.outcome = "succeeded".into();
        view.reason = reason("succeeded");
        assert_eq!(line(&view), "job 7 desk: succeeded");
    }
}
