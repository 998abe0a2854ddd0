//! A job file as a tree of values that know their place: what TOML and YAML have in common.
//!
//! Rules: parsing reports problems of syntax only (duplicate keys among them); what a value means
//! is decided by [`crate::form`]. A tree is never deeper than [`DEPTH_LIMIT`].

use crate::origin::Place;

mod from_toml;
mod from_yaml;

pub(crate) use from_toml::{toml_document, toml_value};
pub(crate) use from_yaml::yaml_document;

/// Deepest nesting read: far more than a job file has, little enough for any stack.
const DEPTH_LIMIT: usize = 16;

/// A value at its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) data: Data,
    pub(crate) place: Place,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Data {
    Null,
    Flag(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    Date(String),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// One key of a table; keys of a table are unique.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_place: Place,
    pub(crate) node: Node,
}

impl Node {
    /// The value in the words of a message: `the string "abc"`.
    pub(crate) fn found(&self) -> String {
        match &self.data {
            Data::Null => "nothing".to_owned(),
            Data::Flag(flag) => format!("{flag}"),
            Data::Integer(number) => format!("the number {number}"),
            Data::Float(number) => format!("the number {number:?}"),
            Data::Text(text) => format!("the string {}", quoted(text)),
            Data::Date(date) => format!("the date {date}"),
            Data::List(_) => "a list".to_owned(),
            Data::Table(_) => "a table".to_owned(),
        }
    }
}

/// Quotes a text for a message and cuts it where it would fill the screen.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    if text.chars().count() <= LONGEST {
        return format!("{text:?}");
    }
    let start: String = text.chars().take(LONGEST).collect();
    format!("{start:?}…")
}
