//! Lines of a job's log.

use askama::Template;
use schliff_wire::v1::{JobView, LogChunk, LogLine};

use crate::query::LinesQuery;
use crate::show::phase::Look;
use crate::show::time::clock;
use crate::source::Refusal;
use crate::view::frame::Frame;
use crate::view::text;

/// The page of nothing but lines.
#[derive(Template)]
#[template(path = "logs.html")]
pub(crate) struct LogsPage {
    pub(crate) frame: Frame,
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) look: Look,
    pub(crate) query: LinesQuery,
    pub(crate) ranks: u32,
    pub(crate) most: u32,
    pub(crate) lines: Lines,
    pub(crate) is_over: bool,
    pub(crate) plain: String,
}

impl LogsPage {
    pub(crate) fn of(frame: Frame, job: &JobView, query: LinesQuery, chunk: &LogChunk) -> Self {
        Self {
            frame,
            id: job.id,
            name: job.name.clone(),
            look: Look::of(job),
            ranks: job.ranks,
            most: query.most(),
            lines: Lines::of(&chunk.lines),
            is_over: job.ended_ms > 0,
            plain: query.address(&format!("/jobs/{}/logs.txt", job.id), 0, 0),
            query,
        }
    }
}

/// Lines as elements.
#[derive(Template)]
#[template(path = "lines.html")]
pub(crate) struct Lines {
    lines: Vec<Line>,
}

struct Line {
    time: String,
    rank: u32,
    text: String,
    kind: &'static str,
}

impl Lines {
    pub(crate) fn of(lines: &[LogLine]) -> Self {
        let line = |line: &LogLine| Line {
            time: clock(line.at_ms),
            rank: line.rank,
            text: visible(&line.text),
            kind: kind(&line.text),
        };
        Self {
            lines: lines.iter().map(line).collect(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The text to be put behind what the page has.
    pub(crate) fn rendered(&self) -> Result<String, Refusal> {
        text(self)
    }
}

/// Without what moves a terminal's cursor or colours its text.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            // To the letter that ends the sequence.
            '\u{1b}' => drop(rest.by_ref().skip(1).find(char::is_ascii_alphabetic)),
            '\t' => shown.push(c),
            c if c.is_control() => {}
            c => shown.push(c),
        }
    }
    shown
}

/// What a line is, judged by its words.
fn kind(text: &str) -> &'static str {
    let start = text.get(..120).unwrap_or(text).to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| start.contains(word));
    if has(&["error", "panicked", "caused by"]) {
        "is-error"
    } else if has(&["warn"]) {
        "is-warning"
    } else {
        ""
    }
}

/// The lines as they are, for a file.
pub(crate) fn plain(chunk: &LogChunk) -> String {
    let mut all = String::new();
    for line in &chunk.lines {
        let text = &line.text;
        all.push_str(&format!(
            "{} rank {} {text}\n",
            clock(line.at_ms),
            line.rank
        ));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_of_terminals_are_left_out() {
        assert_eq!(
            visible("\u{1b}[1;31mred\u{1b}[0m\tand\u{7} plain"),
            "red\tand plain"
        );
        assert_eq!(visible("cut \u{1b}["), "cut ");
    }

    #[test]
    fn errors_are_told_from_the_rest() {
        assert_eq!(kind("Error: no such file"), "is-error");
        assert_eq!(kind("WARN slow"), "is-warning");
        assert_eq!(kind("step 3 loss 2.1"), "");
        assert_eq!(kind(&"ä".repeat(100)), "");
    }
}
