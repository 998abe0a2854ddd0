//! Words of others, made safe for a terminal.
//!
//! Rules: whatever a file, a job or a coordinator says, it cannot move the cursor, change colours,
//! turn the direction of writing or hide characters; and a line stays a line.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// One line: line ends and tabs become spaces, what a terminal would obey becomes `\u{fffd}`.
pub(crate) fn line(text: &str) -> String {
    let safe = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        c if is_unsafe(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.trim_end_matches(['\n', '\r'])
        .chars()
        .map(safe)
        .collect()
}

/// As [`line`], and several lines stay several.
pub(crate) fn lines(text: &str) -> String {
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Control characters, marks of direction and characters that are not seen.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Columns that a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// The beginning of a text that fits into so many columns, `…` where something is left out.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > columns {
            break;
        }
        kept.push(c);
    }
    if columns > 0 {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_terminal_is_not_told_anything() {
        assert_eq!(
            line("a\u{1b}[2Jb\u{7}\u{9b}c"),
            "a\u{fffd}[2Jb\u{fffd}\u{fffd}c"
        );
        assert_eq!(line("one\ntwo\tthree\n"), "one two three");
        assert_eq!(lines("one\ntwo\u{202e}\n"), "one\ntwo\u{fffd}");
        assert_eq!(line("Grüße, 世界"), "Grüße, 世界");
    }

    #[test]
    fn a_cut_is_marked_and_fits() {
        assert_eq!(cut("word", 4), "word");
        assert_eq!(cut("words", 4), "wor…");
        assert_eq!(cut("世界世界", 4), "世…");
        assert_eq!(cut("word", 0), "");
    }

    proptest! {
        #[test]
        fn nothing_unsafe_is_left_and_nothing_is_too_wide(text in any::<String>(), columns in 0_usize..40) {
            let safe = line(&text);
            prop_assert!(!safe.chars().any(is_unsafe));
            prop_assert!(width(&cut(&safe, columns)) <= columns);
        }
    }
}
