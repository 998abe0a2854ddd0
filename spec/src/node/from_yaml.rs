//! YAML 1.2 (core schema) into [`Node`]s.
//!
//! Rules: one document; no aliases, merge keys or own tags, which a job file does not need and
//! which hide what is set; `yes`, `no` and `010` stay strings instead of turning into something
//! else. Works on parser events, since a tree built first could be deeper than the stack.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::{DEPTH_LIMIT, Data, Entry, Node};
use crate::origin::Place;
use crate::problem::Fault;
use crate::report::Report;

/// Reads the one document of a file. `None` when its syntax is wrong; other problems of the
/// notation are reported and the rest of the file can still be examined.
pub(crate) fn yaml_document(text: &str, report: &mut Report) -> Option<Node> {
    let mut builder = Builder {
        report,
        open: Vec::new(),
        root: None,
        documents: 0,
    };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        match event {
            Ok((event, span)) => builder.event(event, &place(&span.start)).ok()?,
            Err(error) => {
                let fault = Fault::new(format!("YAML syntax: {}", error.info()));
                builder.report.add(&place(error.marker()), "", fault);
                return None;
            }
        }
    }
    builder.root
}

/// Keys of one table among which duplicates are looked for; none has a tenth of that.
const MOST_KEYS: usize = 10_000;

/// Reading cannot go on; the reason is in the report.
struct Stop;

/// A collection whose end is not reached yet.
enum Open {
    List {
        items: Vec<Node>,
        place: Place,
    },
    Table {
        entries: Vec<Entry>,
        place: Place,
        /// The key that still waits for its value; `None` inside for a key that is refused.
        key: Option<(Option<String>, Place)>,
    },
}

struct Builder<'a> {
    report: &'a mut Report,
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, place: &Place) -> Result<(), Stop> {
        match event {
            Event::DocumentStart(_) => return self.start_document(place),
            Event::Scalar(text, style, _, tag) => self.scalar(&text, style, tag.as_deref(), place),
            Event::Alias(_) => self.refuse_alias(place),
            Event::SequenceStart(_, tag) => {
                self.refuse_own_tag(tag.as_deref(), place);
                let items = Vec::new();
                let place = place.clone();
                return self.push(Open::List { items, place });
            }
            Event::MappingStart(_, tag) => {
                self.refuse_own_tag(tag.as_deref(), place);
                return self.push(Open::Table {
                    entries: Vec::new(),
                    place: place.clone(),
                    key: None,
                });
            }
            Event::SequenceEnd | Event::MappingEnd => self.pop(),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn start_document(&mut self, place: &Place) -> Result<(), Stop> {
        self.documents += 1;
        if self.documents == 1 {
            return Ok(());
        }
        let fault = Fault::new("a second document begins").expected("one job a file");
        self.report.add(place, "", fault);
        Err(Stop)
    }

    fn push(&mut self, open: Open) -> Result<(), Stop> {
        if self.open.len() < DEPTH_LIMIT {
            self.open.push(open);
            return Ok(());
        }
        let (Open::List { place, .. } | Open::Table { place, .. }) = &open;
        let fault = Fault::new(format!("nested more than {DEPTH_LIMIT} levels deep"));
        self.report.add(place, "", fault);
        Err(Stop)
    }

    fn pop(&mut self) {
        let node = match self.open.pop() {
            Some(Open::List { items, place }) => Node {
                data: Data::List(items),
                place,
            },
            Some(Open::Table { entries, place, .. }) => Node {
                data: Data::Table(entries),
                place,
            },
            None => return,
        };
        self.close(node);
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, place: &Place) {
        if let Some(Open::Table {
            entries,
            key: key @ None,
            ..
        }) = self.open.last_mut()
        {
            let mut name = Some(text.to_owned());
            if text == "<<" {
                let fault = Fault::new("merge keys are not accepted in a job file");
                self.report.add(place, "", fault.hint("write the keys out"));
                name = None;
            } else if entries.len() < MOST_KEYS && entries.iter().any(|entry| entry.key == text) {
                let fault = Fault::new(format!("duplicate key: {text}"));
                self.report.add(place, "", fault);
                name = None;
            }
            *key = Some((name, place.clone()));
            return;
        }
        let is_string = tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str");
        self.refuse_own_tag(tag, place);
        let data = if style == ScalarStyle::Plain && !is_string {
            plain(text)
        } else {
            Data::Text(text.to_owned())
        };
        self.close(Node {
            data,
            place: place.clone(),
        });
    }

    /// Leaves the value out, and the key with it.
    fn refuse_alias(&mut self, place: &Place) {
        let fault = Fault::new("aliases are not accepted in a job file");
        self.report
            .add(place, "", fault.hint("write the value out"));
        if let Some(Open::Table { key, .. }) = self.open.last_mut() {
            *key = match key {
                Some(_) => None,
                None => Some((None, place.clone())),
            };
        }
    }

    fn refuse_own_tag(&mut self, tag: Option<&Tag>, place: &Place) {
        if let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema()) {
            let fault = Fault::new(format!("the tag {tag} is not accepted in a job file"));
            self.report.add(place, "", fault);
        }
    }

    /// Puts a complete value where it belongs.
    fn close(&mut self, node: Node) {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Table { entries, key, .. }) => match key.take() {
                Some((Some(key), key_place)) => entries.push(Entry {
                    key,
                    key_place,
                    node,
                }),
                Some((None, _)) => {}
                None => {
                    let fault = Fault::new("a key must be a word, not a list or a table");
                    self.report.add(&node.place, "", fault);
                    *key = Some((None, node.place));
                }
            },
        }
    }
}

/// A plain scalar by the core schema, with `_` between digits as TOML allows it. A leading zero
/// makes a string: YAML 1.1 reads octal there, 1.2 decimal.
fn plain(text: &str) -> Data {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Data::Null,
        "true" | "True" | "TRUE" => return Data::Flag(true),
        "false" | "False" | "FALSE" => return Data::Flag(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Data::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Data::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Data::Float(f64::NAN),
        _ => {}
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let starts_like_number = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let leading_zero = digits.len() > 1
        && digits.starts_with('0')
        && digits[1..].starts_with(|c: char| c.is_ascii_digit() || c == '_');
    let stray_underscore = digits.ends_with('_') || digits.contains("__") || digits.contains("_.");
    if !starts_like_number || leading_zero || stray_underscore {
        return Data::Text(text.to_owned());
    }
    let number = text.replace('_', "");
    if let Ok(integer) = number.parse() {
        return Data::Integer(integer);
    }
    match number.parse() {
        Ok(float) => Data::Float(float),
        Err(_) => Data::Text(text.to_owned()),
    }
}

fn place(marker: &Marker) -> Place {
    Place::At {
        line: marker.line().max(1),
        column: marker.col() + 1,
    }
}
