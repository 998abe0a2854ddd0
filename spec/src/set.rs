//! Reads the `key=value` of a `--set`.
//!
//! Rules: the value is read as TOML has it, and as the bare text where the key wants a string, so
//! that `--set name=7` and `--set data.train=a.jsonl` need no quotes inside quotes.

use std::sync::Arc;

use crate::nearest::nearest_key;
use crate::node::{Data, Node, toml_value};
use crate::origin::Place;
use crate::problem::Fault;
use crate::report::Report;
use crate::schema::{Form, JOB, Key};

/// One override.
#[derive(Clone)]
pub(crate) struct Override {
    /// Path of the key.
    pub(crate) path: String,
    /// The one pattern that is meant, for `adapter.rank_pattern.PATTERN=8`.
    pub(crate) pattern: Option<String>,
    pub(crate) node: Node,
}

/// Reads one argument; `None` with the reason in the report.
pub(crate) fn read_set(argument: &str, report: &mut Report) -> Option<Override> {
    let place = Place::Set(Arc::from(argument));
    let assignment = argument.split_once('=');
    let Some((written, value)) = assignment.filter(|(key, _)| !key.trim().is_empty()) else {
        let fault = Fault::new("this sets nothing").expected("key=value, as in training.lr=1e-4");
        report.add(&place, "", fault);
        return None;
    };
    let written = written.trim();
    let (section_name, rest) = written.split_once('.').unwrap_or(("", written));
    let (name, pattern) = match rest.split_once('.') {
        Some((name, pattern)) => (name, Some(pattern.to_owned())),
        None => (rest, None),
    };
    let home = JOB.section(section_name);
    let key = home.and_then(|home| Some((home.path(name), home.key(name)?)));
    let Some((path, key)) = key.filter(|(_, key)| pattern.is_none() || has_patterns(key)) else {
        report.add(&place, written, unknown(written, section_name, name));
        return None;
    };
    let node = set_value(key, pattern.is_some(), value.trim(), &place);
    Some(Override {
        path,
        pattern,
        node,
    })
}

fn has_patterns(key: &Key) -> bool {
    matches!(
        key.form,
        Form::WholeByPattern | Form::NumberByPattern | Form::Parameters
    )
}

fn set_value(key: &Key, is_item: bool, value: &str, place: &Place) -> Node {
    let wants_text = !is_item
        && !matches!(
            key.form,
            Form::Whole(_)
                | Form::WholeIn(..)
                | Form::Number(_)
                | Form::NumberOrOff
                | Form::Flag
                | Form::WholeByPattern
                | Form::NumberByPattern
                | Form::Rungs
                | Form::Parameters
        );
    let is_bare = wants_text && !value.starts_with(['"', '\'', '[']);
    toml_value(value, place)
        .filter(|_| !is_bare)
        .unwrap_or_else(|| Node {
            data: Data::Text(value.to_owned()),
            place: place.clone(),
        })
}

/// What to say of a path that is none of a key.
pub(crate) fn unknown(written: &str, section_name: &str, name: &str) -> Fault {
    let home = JOB.section(section_name).unwrap_or(&JOB.sections[0]);
    if let Some(named) = JOB.section(written).filter(|named| !named.name.is_empty()) {
        let example = named.path(named.keys[0].name);
        return Fault::new(format!("{written} is a section"))
            .expected(format!("one key of it, as in {example}=…"));
    }
    let nearest = match JOB.section(section_name) {
        Some(home) => nearest_key(&JOB, home, name),
        // The section is misspelt; the key may be right.
        None => nearest_key(&JOB, home, section_name)
            .and_then(|near| Some(JOB.section(&near)?.path(name)))
            .or_else(|| nearest_key(&JOB, home, name)),
    };
    Fault::new("unknown key").nearest(nearest)
}
