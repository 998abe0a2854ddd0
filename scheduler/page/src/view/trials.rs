//! A sweep's trials, compared.

use std::cmp::Ordering;

use askama::Template;
use schliff_wire::v1::JobView;

use crate::query::ListQuery;
use crate::show::number;
use crate::view::row::Row;

/// The table of trials, the best first.
#[derive(Template)]
#[template(path = "job_trials.html")]
pub(crate) struct Trials {
    /// What the trials differ in.
    keys: Vec<String>,
    rows: Vec<Trial>,
}

struct Trial {
    row: Row,
    values: Vec<String>,
    eval_loss: Option<f64>,
    eval_text: String,
    is_best: bool,
}

impl Trials {
    pub(crate) fn of(trials: &[JobView], now_ms: i64) -> Self {
        let keys = keys(trials);
        let trial = |job: &JobView| {
            let eval_loss = job
                .progress
                .as_ref()
                .and_then(|progress| progress.eval_loss);
            Trial {
                row: Row::of(job, &ListQuery::default(), now_ms),
                values: match keys.is_empty() {
                    true => vec![job.label.clone()],
                    false => pairs(&job.label)
                        .map(|(_, value)| value.to_owned())
                        .collect(),
                },
                eval_loss,
                eval_text: eval_loss.map(number::loss).unwrap_or_default(),
                is_best: false,
            }
        };
        let mut rows: Vec<_> = trials.iter().map(trial).collect();
        rows.sort_by(|a, b| by_loss(a.eval_loss, b.eval_loss).then(a.row.id.cmp(&b.row.id)));
        if let Some(first) = rows.first_mut() {
            first.is_best = first.eval_loss.is_some();
        }
        Self { keys, rows }
    }
}

/// The smaller first; what is not known last.
fn by_loss(a: Option<f64>, b: Option<f64>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

/// `lr=3e-4, rank=8` as pairs.
fn pairs(label: &str) -> impl Iterator<Item = (&str, &str)> {
    let parts = label.split([',', ' ']).filter(|part| !part.is_empty());
    parts.map(|part| part.split_once('=').unwrap_or(("", part)))
}

/// The keys of the labels, if all have the same.
fn keys(trials: &[JobView]) -> Vec<String> {
    let own = |job: &JobView| {
        pairs(&job.label)
            .map(|(key, _)| key.to_owned())
            .collect::<Vec<_>>()
    };
    let Some(first) = trials.first().map(own) else {
        return Vec::new();
    };
    let is_usable =
        !first.iter().any(String::is_empty) && trials.iter().all(|job| own(job) == first);
    if is_usable { first } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(id: u64, label: &str, eval_loss: Option<f64>) -> JobView {
        let progress = schliff_wire::v1::Progress {
            eval_loss,
            ..Default::default()
        };
        let (label, progress) = (label.to_owned(), Some(progress));
        JobView {
            id,
            label,
            progress,
            ..JobView::default()
        }
    }

    #[test]
    fn the_best_is_first_and_the_unknown_last() {
        let trials = [
            trial(1, "lr=1e-3, rank=8", None),
            trial(2, "lr=3e-4, rank=8", Some(2.0)),
            trial(3, "lr=1e-4, rank=8", Some(1.5)),
        ];
        let table = Trials::of(&trials, 0);
        let order: Vec<_> = table
            .rows
            .iter()
            .map(|row| (row.row.id, row.is_best))
            .collect();
        assert_eq!(order, [(3, true), (2, false), (1, false)]);
        assert_eq!(table.keys, ["lr", "rank"]);
        assert_eq!(table.rows[0].values, ["1e-4", "8"]);
    }

    #[test]
    fn labels_that_differ_in_kind_are_shown_whole() {
        let table = Trials::of(&[trial(1, "a=1", None), trial(2, "b=1", None)], 0);
        assert!(table.keys.is_empty());
        assert_eq!(table.rows[0].values, ["a=1"]);
    }
}
