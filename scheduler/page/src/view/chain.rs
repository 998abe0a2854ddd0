//! A job's attempts, one after the other, and its checkpoints.

use askama::Template;
use schliff_wire::v1::{AttemptView, JobView};

use crate::show::nodes::fold;
use crate::show::number;
use crate::show::time::{Moment, minute, span};
use crate::timeline::{Bar, FAILED, Scale, fate};

/// Checkpoints that are listed, the newest first.
const CHECKPOINTS: usize = 3;

/// The chain of attempts.
#[derive(Template)]
#[template(path = "job_chain.html")]
pub(crate) struct Chain {
    links: Vec<Link>,
    from: String,
    to: String,
    is_over: bool,
}

struct Link {
    number: u64,
    bar: Bar,
    cluster: String,
    allocation: String,
    nodes: String,
    size: String,
    steps: String,
    ending: String,
    hint: String,
    is_failed: bool,
    took: String,
}

impl Chain {
    pub(crate) fn of(job: &JobView, now_ms: i64) -> Self {
        let to_ms = if job.ended_ms > 0 {
            job.ended_ms
        } else {
            now_ms
        };
        let scale = Scale {
            from_ms: job.submitted_ms,
            to_ms,
        };
        Self {
            links: job
                .attempts
                .iter()
                .map(|attempt| Link::of(attempt, scale))
                .collect(),
            from: minute(scale.from_ms),
            to: minute(scale.to_ms),
            is_over: job.ended_ms > 0,
        }
    }
}

impl Link {
    fn of(attempt: &AttemptView, scale: Scale) -> Self {
        let ending = attempt.ending.clone().unwrap_or_default();
        let end_ms = if attempt.ended_ms > 0 {
            attempt.ended_ms
        } else {
            scale.to_ms
        };
        Self {
            number: attempt.generation,
            bar: scale.bar(attempt),
            cluster: attempt.cluster.clone(),
            allocation: attempt.allocation.clone(),
            nodes: fold(&attempt.nodes),
            size: size(attempt.nodes.len() as u64, u64::from(attempt.ranks)),
            steps: steps(attempt),
            ending: ending.text,
            hint: ending.hint,
            is_failed: fate(attempt) == FAILED,
            took: match attempt.running_ms {
                0 => String::new(),
                running_ms => span(end_ms - running_ms),
            },
        }
    }
}

/// `4 nodes, 16 ranks`.
pub(crate) fn size(nodes: u64, ranks: u64) -> String {
    use crate::view::plural;
    match (nodes, ranks) {
        (0, 0) => String::new(),
        (0, ranks) => format!("{ranks} {}", plural(ranks, "rank", "ranks")),
        (nodes, ranks) => format!(
            "{nodes} {}, {ranks} {}",
            plural(nodes, "node", "nodes"),
            plural(ranks, "rank", "ranks")
        ),
    }
}

fn steps(attempt: &AttemptView) -> String {
    let from = attempt.resumed_from.map_or("start".into(), number::count);
    match (attempt.committed, attempt.running_ms) {
        (Some(to), _) => format!("{from} → {}", number::count(to)),
        (None, 0) => String::new(),
        (None, _) => format!("from {from}"),
    }
}

/// The newest checkpoints.
#[derive(Template)]
#[template(path = "job_checkpoints.html")]
pub(crate) struct Checkpoints {
    shown: Vec<Checkpoint>,
    more: usize,
}

struct Checkpoint {
    step: String,
    at: Moment,
    bytes: String,
    generation: u64,
}

impl Checkpoints {
    pub(crate) fn of(job: &JobView, now_ms: i64) -> Self {
        let mut sorted: Vec<_> = job.checkpoints.iter().collect();
        sorted.sort_by_key(|checkpoint| std::cmp::Reverse(checkpoint.step));
        let shown = sorted
            .iter()
            .take(CHECKPOINTS)
            .map(|checkpoint| Checkpoint {
                step: number::count(checkpoint.step),
                at: Moment {
                    at_ms: checkpoint.at_ms,
                    now_ms,
                },
                bytes: match checkpoint.bytes {
                    0 => String::new(),
                    bytes => number::bytes(bytes),
                },
                generation: checkpoint.generation,
            });
        Self {
            shown: shown.collect(),
            more: sorted.len().saturating_sub(CHECKPOINTS),
        }
    }
}
