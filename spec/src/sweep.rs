//! The jobs of a search. Pure: the same job has the same trials, on every machine.
//!
//! Rules: a trial is what is set on top of the job that describes the search, without its `sweep`;
//! no two trials are alike. Absent on purpose: running them, and comparing what came of them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::form::is_whole;
use crate::job::{Candidates, Job, Parameter, Sweep, SweepMethod, SweepValue};
use crate::load::load_trial;
use crate::problem::Problems;
use crate::schema::JOB;
use crate::written::{sweep_value, text};

mod draw;

use draw::Draw;

/// Most jobs of one search.
pub const MOST_TRIALS: usize = 1000;

/// One job of a search.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// What it has of its own, for people: `lr=3e-4,rank=8`.
    pub label: String,
    /// What it has of its own, each a `key=value` as `--set` takes it.
    pub sets: Vec<String>,
}

/// The jobs of the search that a job describes; none where it describes none.
///
/// Fewer than `trials` only where nearly every combination of whole numbers on a logarithmic
/// scale is asked for, some of which are hardly ever drawn.
pub fn children(job: &Job) -> Vec<Trial> {
    let Some(sweep) = &job.sweep else {
        return Vec::new();
    };
    let names = short_names(&sweep.parameters);
    let combinations = match sweep.method {
        SweepMethod::Grid => every(&sweep.parameters),
        SweepMethod::Random { trials } | SweepMethod::Halving { trials, .. } => {
            drawn(sweep, trials)
        }
    };
    let trials = combinations.into_iter().zip(1..);
    trials
        .map(|(values, number)| trial(job, sweep, &names, (&values, number)))
        .collect()
}

/// A trial as a job of its own, from the text of the TOML file that describes the search.
///
/// # Errors
/// What is wrong with the text, or with the trial on top of it. Files are not looked for.
pub fn child(parent_toml: &str, trial: &Trial) -> Result<Job, Problems> {
    load_trial(parent_toml, &trial.sets).map(|loaded| loaded.job)
}

/// How many different trials there can be; `None` where there is no end to them.
pub(crate) fn combinations(parameters: &[Parameter]) -> Option<u64> {
    parameters.iter().try_fold(1_u64, |count, parameter| {
        let own = match &parameter.candidates {
            Candidates::Values(values) => values.len() as u64,
            Candidates::Range { min, max, .. } if has_whole_values(parameter) => {
                (max - min) as u64 + 1
            }
            Candidates::Range { .. } => return None,
        };
        Some(count.saturating_mul(own))
    })
}

fn has_whole_values(parameter: &Parameter) -> bool {
    JOB.key(&parameter.key)
        .is_some_and(|key| is_whole(key.form))
}

/// Every combination, the last key changing fastest. Ranges have no part in a grid.
fn every(parameters: &[Parameter]) -> Vec<Vec<SweepValue>> {
    let mut combinations = vec![Vec::new()];
    for parameter in parameters {
        let Candidates::Values(values) = &parameter.candidates else {
            continue;
        };
        let longer = combinations.iter().flat_map(|before| {
            values.iter().map(move |value| {
                let mut longer: Vec<SweepValue> = before.clone();
                longer.push(value.clone());
                longer
            })
        });
        // The check of the job file allows as many; this holds for whoever made the job otherwise.
        combinations = longer.take(MOST_TRIALS).collect();
    }
    combinations
}

/// Combinations drawn until there are enough different ones.
fn drawn(sweep: &Sweep, trials: usize) -> Vec<Vec<SweepValue>> {
    /// Each of 1000 equally likely combinations is drawn for sure, as good as.
    const TRIES_A_TRIAL: usize = 100;
    let trials = trials.min(MOST_TRIALS);
    let mut draw = Draw::new(sweep.seed);
    let mut seen = BTreeSet::new();
    let mut combinations = Vec::new();
    for _ in 0..trials.saturating_mul(TRIES_A_TRIAL) {
        if combinations.len() == trials {
            break;
        }
        let values = sweep
            .parameters
            .iter()
            .map(|parameter| draw.value(&parameter.candidates, has_whole_values(parameter)));
        let Some(values) = values.collect::<Option<Vec<_>>>() else {
            break;
        };
        let written: Vec<_> = values.iter().map(sweep_value).collect();
        if seen.insert(written) {
            combinations.push(values);
        }
    }
    combinations
}

fn trial(job: &Job, sweep: &Sweep, names: &[&str], own: (&[SweepValue], usize)) -> Trial {
    let (values, number) = own;
    let label = names.iter().zip(values);
    let label: Vec<_> = label
        .map(|(name, value)| format!("{name}={}", bare(value)))
        .collect();
    let sets = sweep.parameters.iter().zip(values);
    let mut sets: Vec<_> = sets
        .map(|(parameter, value)| format!("{}={}", parameter.key, sweep_value(value)))
        .collect();
    if let SweepMethod::Halving { rungs, .. } = &sweep.method {
        let every = rungs.iter().copied().fold(0, greatest_common_divisor);
        if every > 0 {
            sets.push(format!("evaluation.every_steps={every}"));
        }
    }
    if let Some(uri) = &job.checkpoint.uri {
        let own = format!("{}/trial-{number}", uri.trim_end_matches('/'));
        sets.push(format!("checkpoint.uri={}", text(&own)));
    }
    Trial {
        label: label.join(","),
        sets,
    }
}

/// The last part of each key's path, or all of it where that is not enough to tell keys apart.
fn short_names(parameters: &[Parameter]) -> Vec<&str> {
    let last = |key: &'_ str| key.rsplit('.').next().map(str::to_owned);
    let is_alone = |key: &str| {
        let same = parameters.iter().filter(|it| last(&it.key) == last(key));
        same.count() == 1
    };
    let names = parameters.iter().map(|parameter| {
        let key = parameter.key.as_str();
        let short = key.rsplit('.').next().unwrap_or(key);
        if is_alone(key) { short } else { key }
    });
    names.collect()
}

/// A value without quotes, where it is plain without them.
fn bare(value: &SweepValue) -> String {
    let is_plain = |text: &str| {
        let allowed = |c: char| c.is_alphanumeric() || "._-/:".contains(c);
        !text.is_empty() && text.chars().all(allowed)
    };
    match value {
        SweepValue::Text(text) if is_plain(text) => text.clone(),
        other => sweep_value(other),
    }
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}
