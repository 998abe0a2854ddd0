//! Holds a value of the job file against its declared form.
//!
//! Rules: every fault inside a value is reported at its own place, a list's bad items each.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::files::Files;
use crate::job::{BaseModel, Parameter};
use crate::node::{Data, Node};
use crate::origin::Place;
use crate::problem::Fault;
use crate::report::Report;
use crate::schema::{Form, Interval};

mod parameters;
mod scalar;
mod site;

pub(crate) use parameters::is_whole;
pub(crate) use scalar::wrong_type;
use scalar::{as_usize, choice, filled, flag, name, number, number_or_off, seconds, whole};

/// A value of the right form.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Flag(bool),
    Whole(u64),
    Number(f64),
    Text(String),
    Texts(Vec<String>),
    Pairs(Vec<(String, String)>),
    Wholes(BTreeMap<String, usize>),
    Numbers(BTreeMap<String, f64>),
    Seconds(u64),
    Base(BaseModel),
    Path(PathBuf),
    Paths(Vec<PathBuf>),
    Steps(Vec<usize>),
    Parameters(Vec<Placed>),
}

/// A varied key, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Placed {
    pub(crate) parameter: Parameter,
    pub(crate) place: Place,
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
            Form::Whole(least) => self.whole(node, least, u64::MAX),
            Form::WholeIn(least, most) => self.whole(node, least, most),
            Form::Number(interval) => self
                .one(node, |node| number(node, interval))
                .map(Value::Number),
            Form::NumberOrOff => self.one(node, number_or_off).map(Value::Number),
            Form::Name(kind) => self.one(node, |node| name(node, kind)).map(Value::Text),
            Form::Text => self.one(node, filled).map(Value::Text),
            Form::Choice(words) => self.one(node, |node| choice(node, words)).map(Value::Text),
            Form::Time => self.one(node, seconds).map(Value::Seconds),
            Form::Word => self.one(node, site::word).map(Value::Text),
            Form::HostSuffix => self.one(node, site::host_suffix).map(Value::Text),
            Form::FolderThere => self.one(node, site::folder).map(Value::Text),
            Form::ProgramThere => self.one(node, site::program).map(Value::Text),
            Form::Url => self.one(node, site::url).map(Value::Text),
            Form::Country => self.one(node, site::country).map(Value::Text),
            Form::Memory => self.one(node, site::memory_mib).map(Value::Whole),
            Form::Rate => self.one(node, site::rate_bytes).map(Value::Whole),
            Form::Words => self.each(node, "a word", site::word).map(Value::Texts),
            Form::Lines => self
                .each(node, "a string of one line", site::line)
                .map(Value::Texts),
            Form::Options(reserved) => self
                .each(node, "an option", |node| site::option(node, reserved))
                .map(Value::Texts),
            Form::Environment => self.environment(node).map(Value::Pairs),
            Form::Texts => self.each(node, "a string", filled).map(Value::Texts),
            Form::Targets => self.targets(node),
            Form::Rungs => self.rungs(node).map(Value::Steps),
            Form::Parameters => self.parameters(node).map(Value::Parameters),
            Form::WholeByPattern => {
                let least = |node: &Node| whole(node, 1..=u64::MAX).map(as_usize);
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

    fn whole(&mut self, node: &Node, least: u64, most: u64) -> Option<Value> {
        self.one(node, |node| whole(node, least..=most))
            .map(Value::Whole)
    }

    fn rungs(&mut self, node: &Node) -> Option<Vec<usize>> {
        let Data::List(items) = &node.data else {
            return self.wrong_type(node);
        };
        if items.is_empty() {
            return self.one(node, |_| Err(Fault::new("the list is empty")));
        }
        let mut before = 0;
        let expected = Form::Whole(1).to_string();
        let mut rungs = Vec::new();
        for item in items {
            rungs.push(self.part(item, self.key, &expected, |item| {
                let rung = whole(item, 1..=u64::MAX).map(as_usize)?;
                if rung > before {
                    return Ok(rung);
                }
                let message = format!("{rung} does not come after {before}");
                Err(Fault::new(message).expected("rising steps"))
            }));
            before = rungs.last().copied().flatten().unwrap_or(before);
        }
        rungs.into_iter().collect()
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
