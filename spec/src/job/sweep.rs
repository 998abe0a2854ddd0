//! A search over values of the job's own keys. How it becomes jobs is [`crate::sweep`]'s part.

use std::path::absolute;

use serde::{Deserialize, Serialize};

use crate::schema::{Form, JOB};

/// Several jobs that differ in some keys, compared by their held-out loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    /// Which combinations are tried, and for how long.
    pub method: SweepMethod,
    /// The keys that are varied, in the order of the file.
    pub parameters: Vec<Parameter>,
    /// Seed of whatever is drawn.
    pub seed: u64,
    /// Trials at work at a time, at most.
    pub max_parallel: Option<usize>,
}

/// Which combinations are tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum SweepMethod {
    /// Every one.
    Grid,
    /// Some, drawn.
    Random {
        /// How many.
        trials: usize,
    },
    /// Some, drawn, of which at every rung only the best go on (Li et al. 2018).
    Halving {
        /// How many at first.
        trials: usize,
        /// At a rung one in so many goes on, at least 2.
        eta: usize,
        /// Optimizer steps, rising, after which trials are compared.
        rungs: Vec<usize>,
    },
}

/// A key that is varied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// Path of the key, such as `training.lr`.
    pub key: String,
    /// What it may be.
    pub candidates: Candidates,
}

/// What a varied key may be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Candidates {
    /// One of these.
    Values(Vec<SweepValue>),
    /// Anything from `min` to `max`, both included; whole where the key's value is.
    Range {
        /// The least.
        min: f64,
        /// The most.
        max: f64,
        /// Of what the draw is uniform.
        scale: Scale,
    },
}

/// Of what a draw from a range is uniform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// The value.
    Linear,
    /// Its logarithm.
    Log,
}

/// A value of a key, as it is written in a job file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SweepValue {
    /// `true` or `false`.
    Flag(bool),
    /// A whole number.
    Whole(u64),
    /// Any number.
    Number(f64),
    /// A string, and a path as well.
    Text(String),
    /// A list.
    List(Vec<SweepValue>),
}

impl Sweep {
    /// Makes every path among the values absolute.
    pub(super) fn make_paths_absolute(&mut self) -> std::io::Result<()> {
        for parameter in &mut self.parameters {
            let form = JOB.key(&parameter.key).map(|key| key.form);
            let names_files = matches!(
                form,
                Some(Form::Base | Form::File | Form::Folder | Form::Files)
            );
            if let Candidates::Values(values) = &mut parameter.candidates
                && names_files
            {
                values
                    .iter_mut()
                    .try_for_each(SweepValue::make_path_absolute)?;
            }
        }
        Ok(())
    }
}

impl SweepValue {
    fn make_path_absolute(&mut self) -> std::io::Result<()> {
        match self {
            Self::Text(text) => {
                let (scheme, path) = match text.strip_prefix("gguf:") {
                    Some(path) => ("gguf:", path),
                    None => ("", text.as_str()),
                };
                *text = format!("{scheme}{}", absolute(path)?.display());
                Ok(())
            }
            Self::List(items) => items.iter_mut().try_for_each(Self::make_path_absolute),
            Self::Flag(_) | Self::Whole(_) | Self::Number(_) => Ok(()),
        }
    }
}
