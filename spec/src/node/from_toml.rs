//! TOML into [`Node`]s.

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml_parser::Source;
use toml_parser::lexer::TokenKind;

use super::{DEPTH_LIMIT, Data, Entry, Node};
use crate::origin::Place;
use crate::problem::Fault;
use crate::report::Report;

/// Reads a document. `None` when its syntax is wrong; duplicate keys are reported, the first of
/// them is kept, and the rest of the file can still be examined.
pub(crate) fn toml_document(text: &str, report: &mut Report) -> Option<Node> {
    let lines = Lines::new(text);
    if let Some(byte) = too_deep(text) {
        report.add(&lines.place(byte), "", depth_fault());
        return None;
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut usable = true;
    for error in &errors {
        let span = error.span().unwrap_or(text.len()..text.len());
        let place = lines.place(span.start);
        if error.message().starts_with("duplicate key") {
            let key = text.get(span).unwrap_or_default();
            report.add(&place, "", Fault::new(format!("duplicate key: {key}")));
        } else if usable {
            // Later ones are often consequences of the first.
            usable = false;
            report.add(&place, "", syntax_fault(error.message()));
        }
    }
    usable.then(|| Node {
        data: lines.table(table.get_ref()),
        place: Place::START,
    })
}

/// Reads one value as it may stand right of `=`; `None` when it is none.
pub(crate) fn toml_value(text: &str, place: &Place) -> Option<Node> {
    if too_deep(text).is_some() {
        return None;
    }
    let value = DeValue::parse(text).ok()?;
    let mut node = Lines::new(text).node(&value);
    node.move_to(place);
    Some(node)
}

/// Where a dotted key has more parts than any sane file. The parser bounds the nesting of
/// brackets only, and a table as deep as a megabyte of dots would exhaust the stack when dropped.
fn too_deep(text: &str) -> Option<usize> {
    let mut dots = 0;
    for token in Source::new(text).lex() {
        match token.kind() {
            TokenKind::Dot => dots += 1,
            TokenKind::Atom
            | TokenKind::Whitespace
            | TokenKind::BasicString
            | TokenKind::LiteralString => {}
            _ => dots = 0,
        }
        if dots > DEPTH_LIMIT {
            return Some(token.span().start());
        }
    }
    None
}

/// The parser's words, which may end in what it expected.
fn syntax_fault(message: &str) -> Fault {
    match message.split_once(", expected ") {
        Some((message, expected)) => {
            Fault::new(format!("TOML syntax: {message}")).expected(expected)
        }
        None => Fault::new(format!("TOML syntax: {message}")),
    }
}

fn depth_fault() -> Fault {
    Fault::new(format!("nested more than {DEPTH_LIMIT} levels deep"))
}

/// The text and where its lines start, for turning byte offsets into lines and columns.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let after_newlines = text.match_indices('\n').map(|(newline, _)| newline + 1);
        let starts = std::iter::once(0).chain(after_newlines).collect();
        Self { text, starts }
    }

    /// Columns are characters; far out in a very long line they are bytes, so that a file that
    /// is one line is not counted again and again.
    fn place(&self, byte: usize) -> Place {
        const COUNTED_BYTES: usize = 4096;
        let line = self.starts.partition_point(|&start| start <= byte).max(1);
        let bytes = byte - self.starts[line - 1];
        let before = self.text.get(self.starts[line - 1]..byte);
        let column = match before.filter(|_| bytes <= COUNTED_BYTES) {
            Some(before) => 1 + before.chars().count(),
            None => 1 + bytes,
        };
        Place::At { line, column }
    }

    fn node(&self, value: &Spanned<DeValue<'_>>) -> Node {
        let data = match value.get_ref() {
            DeValue::String(text) => Data::Text(text.to_string()),
            DeValue::Integer(integer) => i128::from_str_radix(integer.as_str(), integer.radix())
                .map_or(Data::Float(f64::INFINITY), Data::Integer),
            DeValue::Float(float) => Data::Float(float.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(flag) => Data::Flag(*flag),
            DeValue::Datetime(date) => Data::Date(date.to_string()),
            DeValue::Array(items) => Data::List(items.iter().map(|item| self.node(item)).collect()),
            DeValue::Table(table) => self.table(table),
        };
        Node {
            data,
            place: self.place(value.span().start),
        }
    }

    /// The entries in the order of the file; the parser hands them out by name.
    fn table(&self, table: &DeTable<'_>) -> Data {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let entries = entries.into_iter().map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            key_place: self.place(key.span().start),
            node: self.node(value),
        });
        Data::Table(entries.collect())
    }
}

impl Node {
    /// Gives the whole tree one place, that of the argument it was part of.
    fn move_to(&mut self, place: &Place) {
        self.place = place.clone();
        match &mut self.data {
            Data::List(items) => items.iter_mut().for_each(|item| item.move_to(place)),
            Data::Table(entries) => {
                for entry in entries {
                    entry.key_place = place.clone();
                    entry.node.move_to(place);
                }
            }
            _ => {}
        }
    }
}
