//! Lines from a pipe or a connection whose writer may be killed at any byte.
//!
//! Rules: bytes that are no UTF-8 are replaced, not refused; whether a line came to its end is told,
//! because half a line of the protocol is no breach of it, only a death in the middle of a word.

use std::io::{BufRead, BufReader, Read};

/// One line without its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) text: String,
    /// Its end was written, too.
    pub(crate) is_whole: bool,
}

/// The lines of `source`, until it ends or breaks.
pub(crate) fn lines(source: impl Read) -> impl Iterator<Item = Line> {
    let mut source = BufReader::new(source);
    let mut bytes = Vec::new();
    std::iter::from_fn(move || {
        bytes.clear();
        let read = source.read_until(b'\n', &mut bytes);
        if bytes.is_empty() {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes);
        Some(Line {
            text: text.trim_end_matches(['\r', '\n']).to_owned(),
            is_whole: read.is_ok() && bytes.ends_with(b"\n"),
        })
    })
}

/// The lines of `source` that came to their end.
pub(crate) fn whole_lines(source: impl Read) -> impl Iterator<Item = String> {
    lines(source)
        .take_while(|line| line.is_whole)
        .map(|line| line.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_may_be_cut_off() {
        let told: Vec<_> = lines(&b"one\r\n\ntw\xff"[..]).collect();
        let line = |text: &str, is_whole| Line {
            text: text.into(),
            is_whole,
        };
        let expected = [line("one", true), line("", true), line("tw\u{fffd}", false)];
        assert_eq!(told, expected);
        let whole: Vec<_> = whole_lines(&b"{\"a\":1}\n{\"b"[..]).collect();
        assert_eq!(whole, ["{\"a\":1}"]);
    }
}
