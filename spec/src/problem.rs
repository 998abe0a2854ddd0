//! What is wrong with a job file, said so that the user can act on it.
//!
//! Rules: a problem names its place (file, line and column, or the `--set` argument), its key and
//! what would be right. Absent on purpose: printing and colours; that is the command line's part.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// How much a problem weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The job cannot be used.
    Error,
    /// The job can be used, but something in it will surprise.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How much it weighs.
    pub severity: Severity,
    /// The job file; absent for a problem of a `--set`.
    pub file: Option<PathBuf>,
    /// Line in the file, from 1.
    pub line: Option<usize>,
    /// Column in the line, from 1, in characters.
    pub column: Option<usize>,
    /// The `--set` argument at fault, as typed.
    pub set: Option<String>,
    /// Path of the key, such as `training.lr`.
    pub key: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub expected: Option<String>,
    /// The key that was probably meant.
    pub nearest: Option<String>,
    /// What the user can do.
    pub hint: Option<String>,
}

impl Problem {
    fn place(&self) -> String {
        if let Some(argument) = &self.set {
            return format!("--set {argument}: ");
        }
        let Some(file) = &self.file else {
            return String::new();
        };
        let mut place = file.display().to_string();
        for number in [self.line, self.column].into_iter().flatten() {
            place.push_str(&format!(":{number}"));
        }
        place + ": "
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {}", self.place())?;
        // A `--set` argument begins with its key, so that is not said twice.
        let key = self.key.as_deref().filter(|key| {
            !self
                .set
                .as_deref()
                .is_some_and(|argument| argument.starts_with(key))
        });
        if let Some(key) = key {
            write!(f, "{key}: ")?;
        }
        write!(f, "{}", self.message)?;
        let told = |expected: &&String| !self.message.contains(expected.as_str());
        if let Some(expected) = self.expected.as_ref().filter(told) {
            write!(f, "\n  expected: {expected}")?;
        }
        if let Some(nearest) = &self.nearest {
            write!(f, "\n  did you mean: {nearest}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

/// Everything that is wrong with a job, in the order of the file. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub(crate) fn new(problems: Vec<Problem>) -> Self {
        Self(problems)
    }

    /// The problems, in the order of the file.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// What is wrong, before its place is known.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) expected: Option<String>,
    pub(crate) nearest: Option<String>,
    pub(crate) hint: Option<String>,
}

impl Fault {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            expected: None,
            nearest: None,
            hint: None,
        }
    }

    pub(crate) fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    pub(crate) fn nearest(mut self, nearest: Option<String>) -> Self {
        self.nearest = nearest;
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn hint_if_some(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }
}
