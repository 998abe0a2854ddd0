//! Gathers the problems of one job file while it is read.

use std::path::{Path, PathBuf};

use crate::origin::Place;
use crate::problem::{Fault, Problem, Problems, Severity};

/// A file with more problems than this is something else than a job file.
const MOST_PROBLEMS: usize = 100;

/// Problems and warnings so far.
pub(crate) struct Report {
    file: PathBuf,
    problems: Vec<Problem>,
}

impl Report {
    pub(crate) fn new(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            problems: Vec::new(),
        }
    }

    /// Whether looking for more problems would help nobody; further ones are not kept.
    pub(crate) fn is_full(&self) -> bool {
        self.problems.len() >= MOST_PROBLEMS
    }

    /// Whether the job cannot be used.
    pub(crate) fn has_errors(&self) -> bool {
        let is_error = |problem: &Problem| problem.severity == Severity::Error;
        self.problems.iter().any(is_error)
    }

    /// Takes what is wrong at a place; an empty `key` stands for the file as a whole.
    pub(crate) fn add(&mut self, place: &Place, key: &str, fault: Fault) {
        self.take(Severity::Error, place, key, fault);
    }

    /// Takes what will surprise.
    pub(crate) fn warn(&mut self, place: &Place, key: &str, fault: Fault) {
        self.take(Severity::Warning, place, key, fault);
    }

    fn take(&mut self, severity: Severity, place: &Place, key: &str, mut fault: Fault) {
        if self.is_full() {
            return;
        }
        if self.problems.len() + 1 == MOST_PROBLEMS {
            fault = Fault::new("so many problems; further ones are not listed");
        }
        let (line, column, set) = match place {
            Place::Default => (None, None, None),
            Place::At { line, column } => (Some(*line), Some(*column), None),
            Place::Set(argument) => (None, None, Some(argument.to_string())),
        };
        self.problems.push(Problem {
            severity,
            file: set.is_none().then(|| self.file.clone()),
            line,
            column,
            set,
            key: (!key.is_empty()).then(|| key.to_owned()),
            message: fault.message,
            expected: fault.expected,
            nearest: fault.nearest,
            hint: fault.hint,
        });
    }

    /// The warnings, or else everything that is wrong, both in the order of the file.
    pub(crate) fn finish(mut self) -> Result<Vec<Problem>, Problems> {
        self.problems.sort_by_key(|problem| {
            let position = (problem.line, problem.column);
            (problem.severity, problem.set.is_some(), position)
        });
        if self.has_errors() {
            self.problems
                .retain(|problem| problem.severity == Severity::Error);
            return Err(Problems::new(self.problems));
        }
        Ok(self.problems)
    }
}
