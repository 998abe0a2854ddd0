//! A job's ranks: what each does, and which are slower than the others.

use askama::Template;
use schliff_wire::v1::{JobView, Phase, RankView};

use crate::show::number;
use crate::show::time::{Moment, span};

/// Ranks that are listed; of more, the slowest.
const RANKS: usize = 32;
/// A rank that needs so many times the middle one's time is slow.
const SLOW: f64 = 1.2;
/// What a rank says it does for so long is worth saying.
const LONG_MS: i64 = 5_000;

/// The table of ranks.
#[derive(Template)]
#[template(path = "job_ranks.html")]
pub(crate) struct Ranks {
    rows: Vec<Rank>,
    more: usize,
    slow: usize,
    longest_ms: f64,
    median: String,
}

struct Rank {
    rank: u32,
    node: String,
    step: String,
    doing: String,
    step_ms: Option<f64>,
    step_text: String,
    /// `1.34×` the middle one, where that is slow.
    slower: String,
    heard: Moment,
}

impl Ranks {
    pub(crate) fn of(job: &JobView, now_ms: i64) -> Self {
        let is_over = job.phase() == Phase::Done;
        let ranks: &[RankView] = if is_over { &[] } else { &job.rank_views };
        let mut times: Vec<f64> = ranks.iter().filter_map(|rank| rank.step_ms).collect();
        times.sort_by(f64::total_cmp);
        let median = times.get(times.len() / 2).copied();
        let mut shown: Vec<_> = ranks.iter().collect();
        shown.sort_by_key(|rank| rank.rank);
        if shown.len() > RANKS {
            let time = |rank: &RankView| rank.step_ms.unwrap_or(0.0);
            shown.sort_by(|a, b| time(b).total_cmp(&time(a)));
        }
        Self {
            more: shown.len().saturating_sub(RANKS),
            rows: shown
                .iter()
                .take(RANKS)
                .map(|rank| Rank::of(rank, median, now_ms))
                .collect(),
            slow: times
                .iter()
                .filter(|time| median.is_some_and(|m| **time > m * SLOW))
                .count(),
            longest_ms: times.last().copied().unwrap_or(1.0),
            median: median.map(milliseconds).unwrap_or_default(),
        }
    }
}

impl Rank {
    fn of(rank: &RankView, median: Option<f64>, now_ms: i64) -> Self {
        let slower = rank
            .step_ms
            .zip(median)
            .filter(|(own, median)| *own > median * SLOW);
        Self {
            rank: rank.rank,
            node: rank.node.clone(),
            step: number::count(rank.step),
            doing: match rank.doing_for_ms {
                ms if ms >= LONG_MS => format!("{} for {}", rank.doing, span(ms)),
                _ => rank.doing.clone(),
            },
            step_ms: rank.step_ms,
            step_text: rank.step_ms.map(milliseconds).unwrap_or_default(),
            slower: slower
                .map(|(own, median)| format!("{:.2}×", own / median))
                .unwrap_or_default(),
            heard: Moment {
                at_ms: rank.heard_ms,
                now_ms,
            },
        }
    }
}

fn milliseconds(value: f64) -> String {
    match value >= 10_000.0 {
        true => format!("{:.1} s", value / 1000.0),
        false => format!("{value:.0} ms"),
    }
}
