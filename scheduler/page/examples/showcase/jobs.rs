//! The jobs of the world, as functions of the time.

use std::collections::BTreeMap;

use schliff_wire::v1::{AttemptView, Cost, Dependency, JobView, Phase, Progress, Reason};

use crate::curves::loss;
use crate::moving;

/// The job that moves.
pub(crate) const RUNNING: u64 = 47;
pub(crate) const MINUTE_MS: i64 = 60_000;
pub(crate) const STEPS: u64 = 2000;

/// One of everything.
pub(crate) fn all(now: i64, begun: i64) -> BTreeMap<u64, JobView> {
    let mut jobs = vec![
        moving::running(now, begun),
        other(
            41,
            ["home-automation-intents", "lin", "local"],
            Phase::Running,
            now,
        ),
        waiting(now),
        dependent(now),
        allocating(now),
        starting(now),
        recovering(now),
        failed(now),
        hostile(now),
        ended(39, "legal-summaries-de", "succeeded", "succeeded", now),
        ended(
            38,
            "legal-summaries-de",
            "cancelled",
            "cancelled by lin: wrong data",
            now,
        ),
    ];
    jobs.extend(sweep(now));
    jobs.into_iter().map(|job| (job.id, job)).collect()
}

/// Eleven thousand that are much alike.
pub(crate) fn crowd(now: i64) -> impl Iterator<Item = JobView> {
    (100..11_100).map(move |id| {
        let is_running = id % 11 == 0;
        let phase = if is_running {
            Phase::Running
        } else {
            Phase::Queued
        };
        let name = format!("trial-of-{}", id % 97);
        other(id, [&name, "ada", "juwels-booster"], phase, now)
    })
}

pub(crate) fn reason(code: &str, text: &str, hint: &str) -> Option<Reason> {
    let (code, text, hint) = (code.into(), text.into(), hint.into());
    Some(Reason { code, text, hint })
}

pub(crate) fn job(id: u64, name: &str, owner: &str, phase: Phase, submitted_ms: i64) -> JobView {
    JobView {
        id,
        name: name.into(),
        owner: owner.into(),
        phase: phase as i32,
        priority: 50,
        submitted_ms,
        retries: 3,
        out: format!("/p/project/runs/{id}"),
        job_toml: format!(
            "name = \"{name}\"\n\n[model]\nbase = \"/p/models/smollm2-135m-instruct\"\n\n[adapter]\nmethod = \"lora\"\nrank = 16\n\n[training]\nsteps = {STEPS}\nlr = 3e-4\nschedule = \"cosine\"\n\n[resources]\nnodes = 4\ngpus_per_node = 4\n"
        ),
        cost: Some(Cost::default()),
        ..JobView::default()
    }
}

/// A job with nothing special, by its name, owner and cluster.
fn other(id: u64, names: [&str; 3], phase: Phase, now: i64) -> JobView {
    let [name, owner, cluster] = names;
    let trains = phase == Phase::Running;
    let step = 60 + id * 7 % 400;
    let progress = Progress {
        step,
        steps: 500,
        loss: Some(loss(step)),
        tokens_per_s: Some(2_140.0),
        remaining_ms: (500 - step) as i64 * 900,
        ..Progress::default()
    };
    let why = if trains {
        reason("training", "trains", "")
    } else {
        reason(
            "capacity",
            "needs 1×gpu; juwels-booster has 0 such free; ahead: job 42 and 3 more",
            "",
        )
    };
    JobView {
        cluster: cluster.into(),
        reason: why,
        started_ms: if trains { now - 9 * MINUTE_MS } else { 0 },
        progress: trains.then_some(progress),
        nodes: 1,
        ranks: 1,
        ..job(
            id,
            name,
            owner,
            phase,
            now - 12 * MINUTE_MS - id as i64 % 50 * 1000,
        )
    }
}

fn waiting(now: i64) -> JobView {
    JobView {
        reason: reason(
            "capacity",
            "needs 8 nodes of 4×gpu; juwels-booster has 2 such free; ahead: job 42 and 4 more",
            "a higher scheduling.priority goes first; resources.min_nodes lets it run on less",
        ),
        cluster: "juwels-booster".into(),
        start_estimate_ms: now + 38 * MINUTE_MS + 20_000,
        nodes: 8,
        ranks: 32,
        ..job(
            50,
            "llama-3.1-8b-legal-dora-r64",
            "grace",
            Phase::Queued,
            now - 51 * MINUTE_MS,
        )
    }
}

fn dependent(now: i64) -> JobView {
    JobView {
        reason: reason("after-jobs", "waits for the end of job 47", ""),
        after: vec![Dependency {
            job: RUNNING,
            any_end: false,
        }],
        nodes: 1,
        ..job(
            49,
            "service-desk-de-merge",
            "ada",
            Phase::Queued,
            now - 168 * MINUTE_MS,
        )
    }
}

fn allocating(now: i64) -> JobView {
    JobView {
        cluster: "juwels-booster".into(),
        reason: reason("pending", "waits in juwels-booster: Priority", ""),
        start_estimate_ms: now + 6 * MINUTE_MS,
        nodes: 2,
        ranks: 8,
        ..job(
            46,
            "german-tickets-with-a-name-that-nobody-would-type-but-a-script-has-made-up-2026-02-03-run-0017",
            "pipeline",
            Phase::Allocating,
            now - 22 * MINUTE_MS,
        )
    }
}

fn starting(now: i64) -> JobView {
    JobView {
        cluster: "juwels-booster".into(),
        reason: reason("joining", "3 of 4 agents have come", ""),
        nodes: 4,
        ranks: 16,
        ..job(
            45,
            "emails-triage",
            "lin",
            Phase::Starting,
            now - 14 * MINUTE_MS,
        )
    }
}

fn recovering(now: i64) -> JobView {
    let progress = Progress {
        step: 310,
        steps: 900,
        loss: Some(1.92),
        ..Progress::default()
    };
    JobView {
        cluster: "juwels-booster".into(),
        reason: reason(
            "back-off",
            "nodes lost: jwb0018; failure 2, 3 allowed; next attempt in 1 min 20 s",
            "see `schliff logs`",
        ),
        failures: 2,
        progress: Some(progress),
        nodes: 2,
        ranks: 8,
        ..job(
            44,
            "voice-commands",
            "grace",
            Phase::Recovering,
            now - 64 * MINUTE_MS,
        )
    }
}

fn failed(now: i64) -> JobView {
    let text = "the job's data, model or numbers stopped it: sample 1204 of train.jsonl has no assistant message";
    let hint = "see `schliff logs`; `schliff retry` goes on from the newest checkpoint";
    let end = now - 95 * MINUTE_MS;
    JobView {
        cluster: "local".into(),
        reason: reason("failed", text, hint),
        outcome: "failed".into(),
        exit_code: 1,
        started_ms: end - 3 * MINUTE_MS,
        ended_ms: end,
        failures: 1,
        progress: Some(Progress {
            step: 41,
            steps: 500,
            loss: Some(2.71),
            ..Progress::default()
        }),
        attempts: vec![AttemptView {
            generation: 1,
            cluster: "local".into(),
            allocation: "pid 48213".into(),
            nodes: vec!["workstation".into()],
            ranks: 1,
            planned_ms: end - 4 * MINUTE_MS,
            granted_ms: end - 4 * MINUTE_MS + 200,
            running_ms: end - 3 * MINUTE_MS,
            ended_ms: end,
            ending: reason("job-failed", "the trainer ended with exit code 1", ""),
            ..AttemptView::default()
        }],
        nodes: 1,
        ranks: 1,
        ..job(
            43,
            "chat-logs-2025",
            "lin",
            Phase::Done,
            now - 99 * MINUTE_MS,
        )
    }
}

fn hostile(now: i64) -> JobView {
    let text = "waits in <b>juwels</b>: \"'><img src=x onerror=alert(1)>";
    JobView {
        reason: reason("pending", text, "<script>alert(2)</script>"),
        label: "\"><script>alert(3)</script>".into(),
        ..job(
            42,
            "<script>alert('name')</script>",
            "o'neil \"&\" <co>",
            Phase::Queued,
            now - 30 * MINUTE_MS,
        )
    }
}

fn ended(id: u64, name: &str, outcome: &str, text: &str, now: i64) -> JobView {
    let step = if outcome == "succeeded" { 800 } else { 120 };
    let eval_loss = (outcome == "succeeded").then_some(1.284);
    let progress = Progress {
        step,
        steps: 800,
        loss: Some(1.31),
        eval_loss,
        baseline_loss: Some(2.77),
        ..Progress::default()
    };
    JobView {
        cluster: "juwels-booster".into(),
        outcome: outcome.into(),
        reason: reason(outcome, text, ""),
        started_ms: now - 26 * 60 * MINUTE_MS,
        ended_ms: now - 24 * 60 * MINUTE_MS + 700_000,
        progress: Some(progress),
        nodes: 2,
        ranks: 8,
        ..job(id, name, "grace", Phase::Done, now - 27 * 60 * MINUTE_MS)
    }
}

/// A search with eight trials, on rungs.
fn sweep(now: i64) -> Vec<JobView> {
    let begun = now - 88 * MINUTE_MS;
    let rates = ["1e-3", "3e-4", "1e-4", "3e-5"];
    let trial = |at: u64| {
        let step = [30, 90, 270, 90, 30, 61, 90, 0][at as usize];
        let (phase, outcome, text) = match at {
            0 | 4 => (
                Phase::Done,
                "pruned",
                "place 3 of 4 trials: the better ones go on",
            ),
            2 => (Phase::Done, "succeeded", "succeeded"),
            5 => (Phase::Running, "", "trains"),
            7 => (Phase::Queued, "", "sweep 29 runs 2 trials at a time"),
            _ => (
                Phase::Queued,
                "",
                "reached its rung; 1 more trials of sweep 29 have to",
            ),
        };
        let code = if phase == Phase::Running {
            "training"
        } else if phase == Phase::Queued {
            "rung"
        } else {
            outcome
        };
        let eval_loss = (step >= 30).then(|| 1.2 + loss(step) * 0.3 + at as f64 * 0.013);
        JobView {
            cluster: "juwels-booster".into(),
            parent: 29,
            label: format!(
                "training.lr={},adapter.rank={}",
                rates[at as usize / 2],
                8 << (at % 2)
            ),
            outcome: outcome.into(),
            reason: reason(code, text, ""),
            progress: Some(Progress {
                step,
                steps: 270,
                loss: Some(loss(step)),
                eval_loss,
                ..Progress::default()
            }),
            started_ms: begun + MINUTE_MS,
            ended_ms: if phase == Phase::Done {
                now - 30 * MINUTE_MS
            } else {
                0
            },
            ..job(30 + at, "lr-and-rank", "ada", phase, begun)
        }
    };
    let mut jobs: Vec<_> = (0..8).map(trial).collect();
    jobs.push(JobView {
        sweep: true,
        cluster: "juwels-booster".into(),
        children: (30..38).collect(),
        reason: reason("trials", "3 of 8 trials have ended", ""),
        started_ms: begun + MINUTE_MS,
        cost: Some(Cost {
            gpu_hours: 6.4,
            budget_gpu_hours: Some(20.0),
            ..Cost::default()
        }),
        ..job(29, "lr-and-rank", "ada", Phase::Running, begun)
    });
    jobs
}
