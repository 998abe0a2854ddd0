//! Curves and lines of the world's jobs.

use std::f64::consts::PI;

use schliff_wire::v1::{EvalPoint, JobView, LogLine, SeriesReply, SeriesRequest, StepPoint};

/// Losses fall, with a noise that is the same each time.
pub(crate) fn loss(step: u64) -> f64 {
    let x = step as f64;
    let noise = ((step.wrapping_mul(2_654_435_761) >> 7) % 1000) as f64 / 1000.0 - 0.5;
    1.31 + 1.9 * (-x / 240.0).exp() + 0.25 * (-x / 900.0).exp() + noise * 0.22
}

/// A job's curves.
pub(crate) fn series(job: &JobView, ask: &SeriesRequest) -> SeriesReply {
    let progress = job.progress.unwrap_or_default();
    let many = if ask.points == 0 {
        1000
    } else {
        u64::from(ask.points)
    };
    let all = progress.step.saturating_sub(ask.after_step);
    let every = all.div_ceil(many).max(1);
    let steps = (ask.after_step + 1..=progress.step)
        .filter(|step| step % every == 0 || *step == progress.step);
    let point = |step: u64| StepPoint {
        step,
        steps: progress.steps,
        loss: loss(step),
        lr: 3e-4
            * f64::min(
                step as f64 / 100.0,
                0.5 + 0.5 * (step as f64 / progress.steps as f64 * PI).cos(),
            ),
        tokens_per_s: 81_400.0 + (step % 37) as f64 * 90.0
            - if step % 100 < 2 { 30_000.0 } else { 0.0 },
        ..StepPoint::default()
    };
    // All of them, whatever was asked for: they are few.
    let evals = (1..=progress.step / 100).map(|at| at * 100);
    SeriesReply {
        steps: steps.map(point).collect(),
        evals: evals
            .map(|step| EvalPoint {
                step,
                loss: loss(step) * 0.97,
                ..EvalPoint::default()
            })
            .collect(),
    }
}

/// A job's log.
pub(crate) fn lines(job: &JobView) -> Vec<LogLine> {
    let step = job.progress.unwrap_or_default().step;
    let mut lines = Vec::new();
    let mut line = |rank: u32, text: String| {
        let position = lines.len() as u64 + 1;
        let at_ms = job.started_ms + position as i64 * 800;
        lines.push(LogLine {
            position,
            generation: 1,
            rank,
            at_ms,
            text,
        });
    };
    if job.started_ms > 0 {
        line(
            0,
            "model: smollm2-135m-instruct, 134.5 M parameters, 4.9 M of them trained".into(),
        );
        line(0, "packing: packed and separate agree to 2.1e-7".into());
    }
    for at in (10..=step).step_by(10) {
        line(
            (at / 10 % 4) as u32,
            format!("step {at} loss {:.4} tokens/s 81400", loss(at)),
        );
    }
    if job.ranks > 11 && step > 0 {
        line(
            11,
            "warning: this rank is 1.34 times as slow as the others".into(),
        );
    }
    if job.outcome == "failed" {
        line(0, "error: cannot read sample 1204 of train.jsonl".into());
        line(
            0,
            "caused by: messages has no entry of the role assistant".into(),
        );
    }
    lines
}
