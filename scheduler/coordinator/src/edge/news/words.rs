//! Lines and last words, as they are kept. Pure.

use schliff_wire::v1::Ended;

/// A line of a rank, or a remark of its agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Sequence of the news that it came in.
    pub(crate) sequence: u64,
    /// Whose.
    pub(crate) rank: u32,
    /// When, in milliseconds since 1970.
    pub(crate) at_ms: i64,
    /// It.
    pub(crate) text: String,
}

/// Without what would steer a terminal, and no longer than `most_bytes`; what was cut ends with `…`.
pub(crate) fn plain(text: String, most_bytes: usize) -> String {
    let is_odd = |c: char| c.is_control() && c != '\t';
    let mut text = match text.contains(is_odd) {
        true => text.replace(is_odd, ""),
        false => text,
    };
    if text.len() > most_bytes {
        let most_bytes = most_bytes.saturating_sub('…'.len_utf8());
        text.truncate(text.floor_char_boundary(most_bytes));
        text.push('…');
    }
    text
}

/// What failed, with its causes, in one line.
pub(super) fn error(ended: &Ended) -> String {
    const LONGEST_BYTES: usize = 2 << 10;
    let parts = [&ended.error].into_iter().chain(&ended.causes);
    let parts: Vec<_> = parts.filter(|part| !part.is_empty()).cloned().collect();
    plain(parts.join(": ").replace('\n', " "), LONGEST_BYTES)
}

/// What else is worth reading of an end, as lines of the rank that is to blame.
pub(super) fn last(ended: &Ended) -> Vec<(u32, String)> {
    let mut lines = Vec::new();
    if !ended.error.is_empty() {
        lines.push(format!("agent: {}", error(ended)));
        lines.extend(
            ended
                .last_lines
                .iter()
                .map(|line| format!("agent: | {line}")),
        );
    }
    if !ended.hint.is_empty() {
        lines.push(format!("agent: hint: {}", ended.hint));
    }
    let rank = ended.rank.unwrap_or(0);
    lines.into_iter().map(|line| (rank, line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_cannot_steer_a_terminal_and_are_cut_between_characters() {
        assert_eq!(plain("\u{1b}[31mred\tä\r".into(), 99), "[31mred\tä");
        assert_eq!(plain("ääää".into(), 7), "ää…");
        assert_eq!(plain("ääää".into(), 8), "ääää");
    }

    #[test]
    fn an_end_is_told_with_its_causes() {
        let ended = Ended {
            error: "cannot read a".into(),
            causes: vec!["no such\nfile".into()],
            hint: "look".into(),
            last_lines: vec!["x".into()],
            rank: Some(3),
            ..Ended::default()
        };
        assert_eq!(error(&ended), "cannot read a: no such file");
        let lines: Vec<_> = last(&ended)
            .into_iter()
            .map(|(rank, text)| format!("{rank} {text}"))
            .collect();
        assert_eq!(
            lines,
            [
                "3 agent: cannot read a: no such file",
                "3 agent: | x",
                "3 agent: hint: look"
            ]
        );
        assert_eq!(last(&Ended::default()), []);
    }
}
