//! Values of one piece: truth values, numbers, strings, words and times.

use std::ops::RangeInclusive;

use crate::nearest::closest;
use crate::node::{Data, Node, quoted};
use crate::problem::Fault;
use crate::schema::Interval;
use crate::span;

/// A value of another type than the form's.
pub(crate) fn wrong_type(node: &Node, expected: &str) -> Fault {
    let fault = Fault::new(format!("expected {expected}, found {}", node.found()));
    match &node.data {
        Data::Null => fault.hint("leave the key out to get its default"),
        _ => fault,
    }
}

/// A value of the right type that is not allowed.
fn out_of_range(node: &Node) -> Fault {
    Fault::new(format!("{} is out of range", node.found()))
}

pub(super) fn flag(node: &Node) -> Result<bool, Fault> {
    match &node.data {
        Data::Flag(flag) => Ok(*flag),
        Data::Text(text) => {
            let meant = match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" => Some("true"),
                "false" | "no" | "off" => Some("false"),
                _ => None,
            };
            let hint = meant.map(|meant| format!("write {meant}, without quotes"));
            Err(wrong_type(node, "true or false").hint_if_some(hint))
        }
        _ => Err(wrong_type(node, "true or false")),
    }
}

pub(super) fn whole(node: &Node, allowed: RangeInclusive<u64>) -> Result<u64, Fault> {
    match &node.data {
        Data::Integer(integer) => match u64::try_from(*integer) {
            Ok(number) if allowed.contains(&number) && usize::try_from(number).is_ok() => {
                Ok(number)
            }
            _ => Err(out_of_range(node)),
        },
        Data::Float(float) => {
            let is_whole = float.fract() == 0.0 && float.abs() < 1e15;
            let hint = is_whole.then(|| format!("write {float:.0}"));
            Err(wrong_type(node, "a whole number").hint_if_some(hint))
        }
        _ => Err(unquote(node, wrong_type(node, "a whole number"))),
    }
}

pub(super) fn number(node: &Node, interval: Interval) -> Result<f64, Fault> {
    let number = match &node.data {
        Data::Integer(integer) => *integer as f64,
        Data::Float(float) => *float,
        _ => return Err(unquote(node, wrong_type(node, "a number"))),
    };
    if interval.contains(number) {
        return Ok(number);
    }
    Err(out_of_range(node))
}

pub(super) fn number_or_off(node: &Node) -> Result<f64, Fault> {
    match &node.data {
        Data::Flag(false) => Ok(0.0),
        Data::Flag(true) => Err(out_of_range(node).hint("give the largest norm as a number")),
        _ => number(node, Interval::NotNegative),
    }
}

/// Adds a hint where a number was written as a string.
fn unquote(node: &Node, fault: Fault) -> Fault {
    match &node.data {
        Data::Text(text) if text.replace('_', "").parse::<f64>().is_ok() => {
            fault.hint("write the number without quotes")
        }
        _ => fault,
    }
}

fn text(node: &Node) -> Result<&str, Fault> {
    match &node.data {
        Data::Text(text) => Ok(text),
        Data::Flag(_) | Data::Integer(_) | Data::Float(_) | Data::Date(_) => {
            Err(wrong_type(node, "a string").hint("put it in quotes"))
        }
        _ => Err(wrong_type(node, "a string")),
    }
}

pub(super) fn filled(node: &Node) -> Result<String, Fault> {
    match text(node)? {
        "" => Err(Fault::new("the string is empty").expected("a string")),
        text => Ok(text.to_owned()),
    }
}

pub(super) fn name(node: &Node, kind: &str) -> Result<String, Fault> {
    let name = text(node)?;
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if starts_well && name.len() <= 63 && name.chars().all(allowed) {
        return Ok(name.to_owned());
    }
    Err(Fault::new(format!(
        "{} is no name for a {kind}",
        quoted(name)
    )))
}

pub(super) fn choice(node: &Node, words: &[&str]) -> Result<String, Fault> {
    let given = text(node)?;
    let same = |word: &&&str| word.replace('_', "-") == given.replace('_', "-");
    if let Some(word) = words.iter().find(same) {
        return Ok((*word).to_owned());
    }
    let nearest = closest(given, words.iter().copied());
    Err(Fault::new(format!("{} is not known", quoted(given)))
        .nearest(nearest.map(|word| format!("{word:?}"))))
}

/// Reads `20h`, `2min`, `90s`, `1d`, `1h30min`.
pub(super) fn seconds(node: &Node) -> Result<u64, Fault> {
    let written = text(node)?;
    span::seconds(written)
        .filter(|seconds| *seconds > 0)
        .ok_or_else(|| Fault::new(format!("{} is no length of time", quoted(written))))
}

/// Lossless: [`whole`] lets nothing through that would not fit.
pub(super) fn as_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
