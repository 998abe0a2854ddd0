//! Records of fields, as the commands print them in the formats that this crate asks for.
//!
//! Rules: fields are divided by the control character U+001F, which nobody types. Fields of free text
//! stand last. Names and comments may hold line ends, so a line with too few fields goes on with the
//! record before it.

/// Divides fields.
pub const SEPARATOR: char = '\u{1f}';

/// The fields of each record: `fields` of them, of which the last `free` are free text. The last one
/// takes what is left of the line. Empty lines between records are left out.
pub(crate) fn records(text: &str, fields: usize, free: usize) -> Vec<Record<'_>> {
    let mut bounds: Vec<(usize, usize)> = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let end = at + line.len();
        let is_head = line.matches(SEPARATOR).count() + free.max(1) >= fields;
        match bounds.last_mut() {
            Some(last) if !is_head => last.1 = end,
            None if !is_head && line.trim().is_empty() => {}
            _ => bounds.push((at, end)),
        }
        at = end;
    }
    let cut = |(from, to): (usize, usize)| {
        let line = text[from..to].trim_end_matches(['\n', '\r']);
        Record {
            line,
            fields: line.splitn(fields, SEPARATOR).collect(),
        }
    };
    bounds.into_iter().map(cut).collect()
}

/// One record.
pub(crate) struct Record<'a> {
    /// As it was printed.
    pub line: &'a str,
    /// Its fields; fewer than asked for where it is broken.
    pub fields: Vec<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Vec<String>> {
        let text = text.replace('|', "\u{1f}");
        let owned = |record: Record| record.fields.iter().map(ToString::to_string).collect();
        records(&text, 4, 2).into_iter().map(owned).collect()
    }

    #[test]
    fn free_text_may_hold_anything() {
        let found = read("1|a|name|comment\n2|b|na\nme|com\nment\n\n3|c|x|y|z\n");
        assert_eq!(
            found,
            [
                vec!["1", "a", "name", "comment"],
                vec!["2", "b", "na\nme", "com\nment"],
                vec!["3", "c", "x", "y\u{1f}z"],
            ]
        );
    }

    #[test]
    fn nothing_and_noise() {
        assert!(read("").is_empty());
        assert!(read("\n\n").is_empty());
        assert_eq!(
            read("what is this\n1|a|b|c"),
            [vec!["what is this"], vec!["1", "a", "b", "c"]]
        );
    }
}
