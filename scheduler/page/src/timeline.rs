//! A job's chain of attempts as a time line: one bar an attempt, over the life of the job.

use std::fmt;

use askama::filters::HtmlSafe;
use schliff_wire::v1::AttemptView;

/// Units of the drawing's width; the page stretches it.
const WIDTH: f64 = 1000.0;
/// Narrowest part that can be seen.
const NARROWEST: f64 = 2.0;

/// Class of an attempt that failed.
pub(crate) const FAILED: &str = "is-failed";

/// The time that the bars of a job are drawn over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// Where it begins.
    pub(crate) from_ms: i64,
    /// Where it ends.
    pub(crate) to_ms: i64,
}

/// The bar of an attempt: waiting, starting and training, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bar {
    /// Class, left side and width of each part.
    parts: Vec<(&'static str, f64, f64)>,
}

impl Scale {
    /// The bar of an attempt; one that lives goes on to the end.
    pub(crate) fn bar(&self, attempt: &AttemptView) -> Bar {
        let end = or(attempt.ended_ms, self.to_ms);
        let granted = or(attempt.granted_ms, end).min(end);
        let running = or(attempt.running_ms, end).min(end);
        let trained = fate(attempt);
        // What failed before it trained failed while it started.
        let started = match (trained, attempt.running_ms) {
            (FAILED, 0) => trained,
            _ => "is-starting",
        };
        let spans = [
            ("is-queued", attempt.planned_ms, granted),
            (started, granted, running),
            (trained, running, end),
        ];
        let parts = spans.into_iter().filter_map(|(class, from, to)| {
            let left = self.place(from);
            let width = (self.place(to) - left).max(NARROWEST);
            (to > from).then_some((class, left.min(WIDTH - NARROWEST), width))
        });
        Bar {
            parts: parts.collect(),
        }
    }

    fn place(&self, at_ms: i64) -> f64 {
        let whole = (self.to_ms - self.from_ms).max(1) as f64;
        ((at_ms - self.from_ms) as f64 / whole).clamp(0.0, 1.0) * WIDTH
    }
}

/// The class of an attempt by its ending.
pub(crate) fn fate(attempt: &AttemptView) -> &'static str {
    match attempt.ending.as_ref().map(|ending| ending.code.as_str()) {
        None => "is-running",
        Some("finished" | "more-to-do") => "is-succeeded",
        Some("preempted" | "withdrawn") => "is-recovering",
        Some(_) => FAILED,
    }
}

fn or(at_ms: i64, other_ms: i64) -> i64 {
    match at_ms {
        0 => other_ms,
        at_ms => at_ms,
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "<svg class=\"span\" viewBox=\"0 0 {WIDTH} 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
        )?;
        for (class, left, width) in &self.parts {
            write!(
                f,
                "<rect class=\"{class}\" x=\"{left:.1}\" y=\"0\" width=\"{width:.1}\" height=\"10\"/>"
            )?;
        }
        f.write_str("</svg>")
    }
}

impl HtmlSafe for Bar {}

#[cfg(test)]
mod tests {
    use schliff_wire::v1::Reason;

    use super::*;

    const SCALE: Scale = Scale {
        from_ms: 1000,
        to_ms: 2000,
    };

    #[test]
    fn a_bar_has_the_parts_that_took_time() {
        let attempt = AttemptView {
            planned_ms: 1000,
            granted_ms: 1100,
            running_ms: 1200,
            ended_ms: 1700,
            ending: Some(Reason {
                code: "nodes-lost".into(),
                ..Reason::default()
            }),
            ..AttemptView::default()
        };
        let parts = SCALE.bar(&attempt).parts;
        let expected = [
            ("is-queued", 0.0, 100.0),
            ("is-starting", 100.0, 100.0),
            ("is-failed", 200.0, 500.0),
        ];
        assert_eq!(parts, expected);
    }

    #[test]
    fn one_that_failed_before_it_trained_is_seen_to_have_failed() {
        let attempt = AttemptView {
            planned_ms: 1000,
            granted_ms: 1100,
            ended_ms: 1700,
            ending: Some(Reason {
                code: "usage".into(),
                ..Reason::default()
            }),
            ..AttemptView::default()
        };
        let expected = [("is-queued", 0.0, 100.0), ("is-failed", 100.0, 600.0)];
        assert_eq!(SCALE.bar(&attempt).parts, expected);
    }

    #[test]
    fn one_that_waits_has_waited_until_now() {
        let attempt = AttemptView {
            planned_ms: 1500,
            ..AttemptView::default()
        };
        assert_eq!(SCALE.bar(&attempt).parts, [("is-queued", 500.0, 500.0)]);
    }
}
