//! What happened, for people: one line each.

use std::fmt::Display;

/// Lines, or nothing where nobody reads them.
#[derive(Debug, Default)]
pub struct Trace {
    is_on: bool,
    lines: Vec<String>,
}

impl Trace {
    /// One that keeps its lines.
    pub fn kept() -> Self {
        Self {
            is_on: true,
            lines: Vec::new(),
        }
    }

    /// Somebody reads it.
    pub(crate) fn is_on(&self) -> bool {
        self.is_on
    }

    /// One more line: when, who, what.
    pub(crate) fn line(&mut self, now_ms: u64, who: &str, what: impl Display) {
        if self.is_on {
            let (seconds, rest) = (now_ms / 1_000, now_ms % 1_000);
            let line = format!("{seconds:>6}.{rest:03} {who:<9} {what}");
            self.lines.push(line);
        }
    }

    /// All of them.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The last ones.
    pub fn last(&self, most: usize) -> &[String] {
        let from = self.lines.len().saturating_sub(most);
        self.lines.get(from..).unwrap_or_default()
    }
}
