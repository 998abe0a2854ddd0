//! Why a job is as it is: the one text of `schliff explain` and `schliff status`.

use schliff_wire::v1::{Explanation, Reason};

use super::{phase_word, reason_text};
use crate::{clock, plain};

/// Lines, each with its end.
pub(crate) fn text(explanation: &Explanation, now_ms: i64) -> String {
    let phase = phase_word(explanation.phase());
    let reason = explanation.reason.as_ref();
    let mut text = match reason_text(reason) {
        none if none.is_empty() => format!("{phase}\n"),
        words => format!("{phase}: {words}\n"),
    };
    for because in &explanation.because {
        text.push_str(&format!("  - {}\n", reason_text(Some(because))));
    }
    text.extend(ahead(explanation).map(|ahead| format!("ahead: {ahead}\n")));
    let start = clock::with_distance(explanation.start_estimate_ms, now_ms);
    text.extend(start.map(|start| format!("start expected: {start}\n")));
    let hints = reason.into_iter().chain(&explanation.because);
    for hint in distinct_hints(hints) {
        text.push_str(&format!("hint: {hint}\n"));
    }
    text
}

/// `job 40, 41 and 3 more`.
fn ahead(explanation: &Explanation) -> Option<String> {
    let first = explanation
        .ahead
        .iter()
        .map(u64::to_string)
        .collect::<Vec<_>>();
    let word = if first.len() == 1 { "job" } else { "jobs" };
    let rest = explanation.ahead_count.saturating_sub(first.len() as u64);
    match (first.len(), rest) {
        (0, 0) => None,
        (0, rest) => Some(super::counted(rest, "job")),
        (_, 0) => Some(format!("{word} {}", first.join(", "))),
        (_, rest) => Some(format!("{word} {} and {rest} more", first.join(", "))),
    }
}

fn distinct_hints<'a>(reasons: impl Iterator<Item = &'a Reason>) -> Vec<String> {
    let mut hints = Vec::new();
    for reason in reasons {
        let hint = plain::line(&reason.hint);
        if !hint.is_empty() && !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    hints
}

#[cfg(test)]
mod tests {
    use super::*;
    use schliff_wire::v1::Phase;

    fn reason(text: &str, hint: &str) -> Reason {
        Reason {
            code: "capacity".into(),
            text: text.into(),
            hint: hint.into(),
        }
    }

    #[test]
    fn waiting_is_a_diagnosis() {
        let explanation = Explanation {
            job: 42,
            phase: Phase::Queued.into(),
            reason: Some(reason(
                "needs 2 nodes with 4 GPUs; local has 1 such free",
                "a higher scheduling.priority goes first",
            )),
            because: vec![reason(
                "node n07 is avoided until 14:20\u{1b}[0m",
                "see `schliff nodes`",
            )],
            ahead: vec![40, 41],
            ahead_count: 5,
            start_estimate_ms: 1_772_373_909_000,
        };
        insta::assert_snapshot!(text(&explanation, 1_772_370_309_000), @r"
        queued: needs 2 nodes with 4 GPUs; local has 1 such free
          - node n07 is avoided until 14:20�[0m
        ahead: jobs 40, 41 and 3 more
        start expected: 2026-03-01 14:05 UTC, in 1h 00m
        hint: a higher scheduling.priority goes first
        hint: see `schliff nodes`
        ");
    }

    #[test]
    fn little_known_is_little_said() {
        assert_eq!(text(&Explanation::default(), 0), "unknown\n");
    }
}
