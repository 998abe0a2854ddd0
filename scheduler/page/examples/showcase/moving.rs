//! The job that moves: a chain of three attempts, one slow rank, checkpoints.

use schliff_wire::v1::{
    AttemptView, CheckpointView, Cost, JobView, Phase, Progress, RankView, Reason,
};

use crate::curves::loss;
use crate::jobs::{MINUTE_MS, RUNNING, STEPS, job, reason};

/// A step of it.
const STEP_MS: i64 = 400;

/// The job.
pub(crate) fn running(now: i64, begun: i64) -> JobView {
    let step = (1180 + ((now - begun) / STEP_MS).max(0) as u64) % STEPS;
    JobView {
        cluster: "juwels-booster".into(),
        reason: reason("training", "trains", ""),
        started_ms: now - 142 * MINUTE_MS,
        progress: Some(Progress {
            step,
            steps: STEPS,
            loss: Some(loss(step)),
            eval_loss: Some(loss(step / 100 * 100) * 0.97),
            baseline_loss: Some(3.02),
            tokens_per_s: Some(81_400.0 + (step % 37) as f64 * 90.0),
            remaining_ms: (STEPS - step) as i64 * STEP_MS,
        }),
        cost: Some(Cost {
            gpu_hours: 34.2,
            core_hours: 410.0,
            eur: Some(71.8),
            kwh: Some(14.9),
            gco2: Some(5_210.0),
            budget_gpu_hours: Some(60.0),
            ..Cost::default()
        }),
        nodes: 4,
        ranks: 16,
        attempts: attempts(now, step),
        rank_views: ranks(step, now),
        checkpoints: checkpoints(now, step),
        ..job(
            RUNNING,
            "service-desk-de",
            "ada",
            Phase::Running,
            now - 171 * MINUTE_MS,
        )
    }
}

fn ranks(step: u64, now: i64) -> Vec<RankView> {
    let rank = |rank: u32| RankView {
        rank,
        node: format!("jwb{:04}", 14 + rank / 4),
        step,
        doing: if rank == 11 { "backward" } else { "all-reduce" }.into(),
        doing_for_ms: 90,
        heard_ms: now - 800,
        step_ms: Some(if rank == 11 {
            388.0
        } else {
            268.0 + f64::from(rank * 7 % 23)
        }),
    };
    (0..16).map(rank).collect()
}

fn attempts(now: i64, step: u64) -> Vec<AttemptView> {
    let nodes = |from: u32, to: u32| (from..=to).map(|at| format!("jwb{at:04}")).collect();
    let attempt = |generation: u64, ago: [i64; 4], end: Option<Reason>, steps: [u64; 2]| {
        let at = |minutes: i64| {
            if minutes < 0 {
                0
            } else {
                now - minutes * MINUTE_MS
            }
        };
        AttemptView {
            generation,
            cluster: "juwels-booster".into(),
            allocation: format!("{}", 10_441_200 + generation * 37),
            nodes: nodes(11 + generation as u32, 14 + generation as u32),
            ranks: 16,
            planned_ms: at(ago[0]),
            granted_ms: at(ago[1]),
            running_ms: at(ago[2]),
            ended_ms: at(ago[3]),
            ending: end,
            resumed_from: (steps[0] > 0).then_some(steps[0]),
            committed: (steps[1] > 0).then_some(steps[1]),
        }
    };
    vec![
        attempt(
            1,
            [170, 148, 142, 82],
            reason("more-to-do", "wall time over, all committed", ""),
            [0, 560],
        ),
        attempt(
            2,
            [82, 70, 66, 41],
            reason(
                "nodes-lost",
                "jwb0018 was lost",
                "its failures are counted against it",
            ),
            [560, 820],
        ),
        attempt(3, [40, 29, 26, -1], None, [820, step / 100 * 100]),
    ]
}

fn checkpoints(now: i64, step: u64) -> Vec<CheckpointView> {
    let checkpoint = |at: u64| CheckpointView {
        step: at * 100,
        at_ms: now - (step - at * 100) as i64 * STEP_MS,
        bytes: 39_845_888,
        generation: [1, 2, 3][usize::from(at > 5) + usize::from(at > 8)],
    };
    (1..=step / 100).map(checkpoint).collect()
}
