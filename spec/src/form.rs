//! Holds a value of the job file against its declared form.
//!
//! Rules: every fault inside a value is reported at its own place, a list's bad items each.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::files::Files;
use crate::job::BaseModel;
use crate::nearest::closest;
use crate::node::{Data, Node, quoted};
use crate::problem::Fault;
use crate::report::Report;
use crate::schema::{Form, Interval};

/// A value of the right form.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Flag(bool),
    Whole(u64),
    Number(f64),
    Text(String),
    Texts(Vec<String>),
    Wholes(BTreeMap<String, usize>),
    Numbers(BTreeMap<String, f64>),
    Seconds(u64),
    Base(BaseModel),
    Path(PathBuf),
    Paths(Vec<PathBuf>),
}

/// What a check needs besides the value.
pub(crate) struct Check<'a> {
    pub(crate) form: Form,
    /// Path of the key.
    pub(crate) key: &'a str,
    pub(crate) files: &'a Files,
    pub(crate) report: &'a mut Report,
}

impl Check<'_> {
    /// The value, or `None` with the reasons in the report.
    pub(crate) fn value(&mut self, node: &Node) -> Option<Value> {
        match self.form {
            Form::Flag => self.one(node, flag).map(Value::Flag),
            Form::Whole(least) => self.one(node, |node| whole(node, least)).map(Value::Whole),
            Form::Number(interval) => self
                .one(node, |node| number(node, interval))
                .map(Value::Number),
            Form::NumberOrOff => self.one(node, number_or_off).map(Value::Number),
            Form::JobName => self.one(node, job_name).map(Value::Text),
            Form::Text => self.one(node, filled).map(Value::Text),
            Form::Choice(words) => self.one(node, |node| choice(node, words)).map(Value::Text),
            Form::Time => self.one(node, seconds).map(Value::Seconds),
            Form::Texts => self.each(node, "a string", filled).map(Value::Texts),
            Form::Targets => self.targets(node),
            Form::WholeByPattern => {
                let least = |node: &Node| whole(node, 1).map(as_usize);
                self.by_pattern(node, &Form::Whole(1).to_string(), least)
                    .map(Value::Wholes)
            }
            Form::NumberByPattern => {
                let positive = |node: &Node| number(node, Interval::Positive);
                self.by_pattern(node, &Interval::Positive.to_string(), positive)
                    .map(Value::Numbers)
            }
            Form::Base | Form::File | Form::Folder | Form::Files => self.path(node),
        }
    }

    fn one<T>(&mut self, node: &Node, read: impl Fn(&Node) -> Result<T, Fault>) -> Option<T> {
        self.part(node, self.key, &self.form.to_string(), read)
    }

    /// Reads a part of the value, of which `expected` is asked.
    fn part<T>(
        &mut self,
        node: &Node,
        key: &str,
        expected: &str,
        read: impl Fn(&Node) -> Result<T, Fault>,
    ) -> Option<T> {
        read(node)
            .map_err(|mut fault| {
                fault.expected.get_or_insert_with(|| expected.to_owned());
                self.report.add(&node.place, key, fault);
            })
            .ok()
    }

    fn wrong_type<T>(&mut self, node: &Node) -> Option<T> {
        let expected = self.form.to_string();
        self.one(node, |node| Err(wrong_type(node, &expected)))
    }

    /// Reads a list; one value alone counts as a list of one.
    fn each<T>(
        &mut self,
        node: &Node,
        expected: &str,
        read: impl Fn(&Node) -> Result<T, Fault>,
    ) -> Option<Vec<T>> {
        let items = match &node.data {
            Data::List(items) => items.as_slice(),
            Data::Text(_) => std::slice::from_ref(node),
            _ => return self.wrong_type(node),
        };
        let values: Vec<_> = items
            .iter()
            .map(|item| self.part(item, self.key, expected, &read))
            .collect();
        values.into_iter().collect()
    }

    fn targets(&mut self, node: &Node) -> Option<Value> {
        match &node.data {
            Data::Text(_) => self.one(node, filled).map(Value::Text),
            Data::List(items) if items.is_empty() => {
                self.one(node, |_| Err(Fault::new("an empty list trains nothing")))
            }
            _ => self.each(node, "a string", filled).map(Value::Texts),
        }
    }

    fn by_pattern<T>(
        &mut self,
        node: &Node,
        expected: &str,
        read: impl Fn(&Node) -> Result<T, Fault>,
    ) -> Option<BTreeMap<String, T>> {
        let Data::Table(entries) = &node.data else {
            return self.wrong_type(node);
        };
        let values: Vec<_> = entries
            .iter()
            .map(|entry| {
                let key = format!("{}.{}", self.key, entry.key);
                let value = self.part(&entry.node, &key, expected, &read)?;
                Some((entry.key.clone(), value))
            })
            .collect();
        values.into_iter().collect()
    }

    fn path(&mut self, node: &Node) -> Option<Value> {
        let files = self.files;
        match self.form {
            Form::Base => self.one(node, |node| files.base(node)).map(Value::Base),
            Form::Folder => self.one(node, |node| files.folder(node)).map(Value::Path),
            Form::Files => self
                .each(node, "a file", |node| files.filled(node))
                .map(Value::Paths),
            _ => self.one(node, |node| files.file(node)).map(Value::Path),
        }
    }
}

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

fn flag(node: &Node) -> Result<bool, Fault> {
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

fn whole(node: &Node, least: u64) -> Result<u64, Fault> {
    match &node.data {
        Data::Integer(integer) => match u64::try_from(*integer) {
            Ok(number) if number >= least && usize::try_from(number).is_ok() => Ok(number),
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

fn number(node: &Node, interval: Interval) -> Result<f64, Fault> {
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

fn number_or_off(node: &Node) -> Result<f64, Fault> {
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

fn filled(node: &Node) -> Result<String, Fault> {
    match text(node)? {
        "" => Err(Fault::new("the string is empty").expected("a string")),
        text => Ok(text.to_owned()),
    }
}

fn job_name(node: &Node) -> Result<String, Fault> {
    let name = text(node)?;
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if starts_well && name.len() <= 63 && name.chars().all(allowed) {
        return Ok(name.to_owned());
    }
    Err(Fault::new(format!("{} is no name for a job", quoted(name))))
}

fn choice(node: &Node, words: &[&str]) -> Result<String, Fault> {
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
fn seconds(node: &Node) -> Result<u64, Fault> {
    let written = text(node)?;
    parse_seconds(written)
        .ok_or_else(|| Fault::new(format!("{} is no length of time", quoted(written))))
}

fn parse_seconds(written: &str) -> Option<u64> {
    let mut rest = written.trim();
    let mut total_s: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: u64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let unit_s: u64 = match &rest[..letters] {
            "d" => 86_400,
            "h" => 3_600,
            "min" | "m" => 60,
            "s" => 1,
            _ => return None,
        };
        rest = rest[letters..].trim_start();
        total_s = total_s.checked_add(count.checked_mul(unit_s)?)?;
    }
    (total_s > 0).then_some(total_s)
}

/// Lossless: [`whole`] lets nothing through that would not fit.
fn as_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
