//! What can be wrong with a data set.

use std::fmt;
use std::path::PathBuf;

use crate::record::FileError;
use crate::sample::Origin;

/// Most bad records that are told one by one.
const TOLD: usize = 20;

/// Why a data set could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// No files are named.
    #[error("no data files are named")]
    NoFiles,
    /// Records that cannot be used.
    #[error("{bad} of {count} records cannot be used{}", listed(problems, *bad))]
    Records {
        /// The first of them, in order.
        problems: Vec<Problem>,
        /// How many there are.
        bad: usize,
        /// How many records were read.
        count: usize,
    },
    /// Messages need a template.
    #[error(
        "this data format needs a chat template and the base model has none; \
         set model.chat_template to a Jinja file"
    )]
    NoTemplate,
    /// Everything was cut away.
    #[error(
        "no sample is left: {dropped} were longer than max_tokens = {max_tokens}, \
         {zero_mask} had no trained token before it; raise data.max_tokens"
    )]
    NothingLeft {
        /// Longest sample allowed.
        max_tokens: usize,
        /// Left out for their length.
        dropped: usize,
        /// Left out because the cut took all that counts.
        zero_mask: usize,
    },
    /// A length of nought.
    #[error("data.max_tokens is 0: it must be at least 2")]
    MaxTokens,
    /// Exact match asked for on data without answers.
    #[error(
        "the formats text and tokens have no answers to compare with; \
         set evaluation.exact_match_samples = 0"
    )]
    NoAnswers,
}

impl DataError {
    pub(super) fn records(mut problems: Vec<Problem>, count: usize) -> Self {
        let bad = problems.len();
        problems.truncate(TOLD);
        Self::Records {
            problems,
            bad,
            count,
        }
    }
}

/// One record that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Its file.
    pub path: PathBuf,
    /// Line, element or row, from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

impl Problem {
    pub(super) fn new(files: &[PathBuf], origin: Origin, reason: String) -> Self {
        let path = files.get(origin.file).cloned().unwrap_or_default();
        Self {
            path,
            line: origin.line,
            reason,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.reason)
    }
}

fn listed(problems: &[Problem], bad: usize) -> String {
    let mut text: String = problems
        .iter()
        .map(|problem| format!("\n  {problem}"))
        .collect();
    if bad > problems.len() {
        text.push_str(&format!("\n  and {} more", bad - problems.len()));
    }
    text
}
