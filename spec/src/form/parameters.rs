//! What the keys of a job are varied over: `sweep.parameters`.
//!
//! Rules: a key is written as one (`"training.lr"`) or as tables in each other; each candidate is
//! held against the form of the key that it is for, at its own place.

use super::scalar::wrong_type;
use super::{Check, Placed, Value};
use crate::job::{BaseModel, Candidates, Parameter, Scale, SweepValue};
use crate::nearest::closest;
use crate::node::{Data, Entry, Node};
use crate::origin::Place;
use crate::problem::Fault;
use crate::schema::{Form, JOB};
use crate::set::unknown;

/// Parts of a range.
const RANGE: &[&str] = &["min", "max", "scale"];

/// Keys that no search can vary, and why. A section stands for all of its keys.
const FIXED: &[(&str, &str)] = &[
    ("name", "a search has one name"),
    ("scheduling", "all trials of a search are scheduled alike"),
    ("sweep", "a search cannot vary itself"),
    (
        "data.eval",
        "trials are compared by their loss on the same data",
    ),
    (
        "checkpoint.uri",
        "each trial has a prefix of its own below it",
    ),
];

impl Check<'_> {
    pub(super) fn parameters(&mut self, node: &Node) -> Option<Vec<Placed>> {
        let Data::Table(entries) = &node.data else {
            return self.wrong_type(node);
        };
        let mut flat = Vec::new();
        flatten("", entries, &mut flat);
        if flat.is_empty() {
            return self.one(node, |_| Err(Fault::new("the table is empty")));
        }
        let mut is_right = true;
        let mut parameters: Vec<Placed> = Vec::new();
        for (key, entry) in flat {
            let Some(candidates) = self.parameter(&key, entry) else {
                is_right = false;
                continue;
            };
            let place = entry.key_place.clone();
            let parameter = Parameter { key, candidates };
            let placed = Placed { parameter, place };
            is_right &= self.take(&mut parameters, placed);
        }
        is_right.then_some(parameters)
    }

    /// Takes one more key; a `--set` replaces what the file says of the same one.
    fn take(&mut self, parameters: &mut Vec<Placed>, placed: Placed) -> bool {
        let key = &placed.parameter.key;
        let known = parameters.iter_mut().find(|it| it.parameter.key == *key);
        match (known, &placed.place) {
            (None, _) => parameters.push(placed),
            (Some(known), Place::Set(_)) => *known = placed,
            (Some(_), place) => {
                let path = format!("{}.{key}", self.key);
                let fault = Fault::new("written twice, as one key and as tables");
                self.report.add(place, &path, fault);
                return false;
            }
        }
        true
    }

    fn parameter(&mut self, key: &str, entry: &Entry) -> Option<Candidates> {
        let path = format!("{}.{key}", self.key);
        let form = match form_of(key) {
            Ok(form) => form,
            Err(fault) => {
                self.report.add(&entry.key_place, &path, fault);
                return None;
            }
        };
        let mut check = Check {
            form,
            key: &path,
            files: self.files,
            report: self.report,
        };
        match &entry.node.data {
            Data::List(items) => check.candidates(&entry.node, items),
            Data::Table(parts) => check.range(&entry.node, parts),
            _ => check.part(&entry.node, &path, "a list of values or a range", |node| {
                Err(wrong_type(node, "a list of values or a range"))
            }),
        }
    }

    fn candidates(&mut self, node: &Node, items: &[Node]) -> Option<Candidates> {
        let key = self.key;
        if items.is_empty() {
            let empty = |_: &Node| Err(Fault::new("the list is empty"));
            return self.part(node, key, "at least one value", empty);
        }
        let mut values = Vec::new();
        let mut is_right = true;
        for item in items {
            let Some(value) = self.value(item).and_then(plain) else {
                is_right = false;
                continue;
            };
            if values.contains(&value) {
                let message = format!("{} is in the list twice", item.found());
                self.report.add(&item.place, key, Fault::new(message));
                is_right = false;
            }
            values.push(value);
        }
        is_right.then_some(Candidates::Values(values))
    }

    fn range(&mut self, node: &Node, parts: &[Entry]) -> Option<Candidates> {
        if !is_numeric(self.form) {
            let key = self.key;
            let no_range = |_: &Node| Err(Fault::new("only a key with a number has a range"));
            return self.part(node, key, "a list of values", no_range);
        }
        let mut is_right = true;
        let (mut min, mut max, mut scale) = (None, None, Some(Scale::Linear));
        for part in parts {
            match part.key.as_str() {
                "min" => min = self.bound(&part.node),
                "max" => max = self.bound(&part.node),
                "scale" => scale = self.scale(&part.node),
                other => {
                    let nearest = closest(other, RANGE.iter().copied()).map(str::to_owned);
                    let fault = Fault::new("unknown key").expected("one of max, min, scale");
                    let path = format!("{}.{other}", self.key);
                    self.report
                        .add(&part.key_place, &path, fault.nearest(nearest));
                    is_right = false;
                }
            }
        }
        for bound in ["min", "max"] {
            if !parts.iter().any(|part| part.key == bound) {
                let path = format!("{}.{bound}", self.key);
                let fault = Fault::new("missing").expected(self.form.to_string());
                self.report.add(&node.place, &path, fault);
            }
        }
        let (min, max, scale) = (min?, max?, scale?);
        self.check_bounds(node, (min, max), scale)?;
        is_right.then_some(Candidates::Range { min, max, scale })
    }

    fn check_bounds(&mut self, node: &Node, bounds: (f64, f64), scale: Scale) -> Option<()> {
        let (min, max) = bounds;
        let key = self.key;
        let fault = if min >= max {
            Fault::new(format!("min = {min} is not below max = {max}"))
        } else if scale == Scale::Log && min <= 0.0 {
            Fault::new(format!("min = {min} has no logarithm")).expected("a min above 0")
        } else {
            return Some(());
        };
        self.report.add(&node.place, key, fault);
        None
    }

    /// An end of a range, of the key's own form.
    fn bound(&mut self, node: &Node) -> Option<f64> {
        /// From here on not every whole number is a 64-bit float.
        const LARGEST_WHOLE: u64 = 1 << 53;
        match self.value(node)? {
            Value::Number(number) => Some(number),
            Value::Whole(whole) if whole <= LARGEST_WHOLE => Some(whole as f64),
            _ => {
                let key = self.key;
                let message = format!("{} is too large for an end of a range", node.found());
                self.report.add(&node.place, key, Fault::new(message));
                None
            }
        }
    }

    fn scale(&mut self, node: &Node) -> Option<Scale> {
        let mut check = Check {
            form: Form::Choice(&["linear", "log"]),
            key: self.key,
            files: self.files,
            report: self.report,
        };
        match check.value(node)? {
            Value::Text(word) if word == "log" => Some(Scale::Log),
            _ => Some(Scale::Linear),
        }
    }
}

/// The keys in the order of the file, each with its path.
fn flatten<'a>(home: &str, entries: &'a [Entry], flat: &mut Vec<(String, &'a Entry)>) {
    for entry in entries {
        match &entry.node.data {
            Data::Table(inner) if home.is_empty() && JOB.section(&entry.key).is_some() => {
                flatten(&format!("{}.", entry.key), inner, flat);
            }
            _ => flat.push((format!("{home}{}", entry.key), entry)),
        }
    }
}

/// The form of a key that can be varied.
fn form_of(path: &str) -> Result<Form, Fault> {
    let (home, name) = path.split_once('.').unwrap_or(("", path));
    let fixed = FIXED.iter().find(|(key, _)| *key == path || *key == home);
    if let Some((_, reason)) = fixed {
        return Err(Fault::new("cannot be varied").hint(*reason));
    }
    let Some(key) = JOB.key(path) else {
        return Err(unknown(path, home, name));
    };
    match key.form {
        Form::WholeByPattern | Form::NumberByPattern => {
            Err(Fault::new("cannot be varied").hint("its value is a table"))
        }
        form => Ok(form),
    }
}

fn is_numeric(form: Form) -> bool {
    is_whole(form) || matches!(form, Form::Number(_) | Form::NumberOrOff)
}

pub(crate) fn is_whole(form: Form) -> bool {
    matches!(form, Form::Whole(_) | Form::WholeIn(..))
}

/// A value as it is written again; `None` for what is no single value.
fn plain(value: Value) -> Option<SweepValue> {
    let path = |path: std::path::PathBuf| SweepValue::Text(path.to_string_lossy().into_owned());
    Some(match value {
        Value::Flag(flag) => SweepValue::Flag(flag),
        Value::Whole(whole) => SweepValue::Whole(whole),
        Value::Number(number) => SweepValue::Number(number),
        Value::Text(text) => SweepValue::Text(text),
        Value::Texts(texts) => SweepValue::List(texts.into_iter().map(SweepValue::Text).collect()),
        Value::Seconds(seconds) => SweepValue::Text(format!("{seconds}s")),
        Value::Base(BaseModel::HfDirectory(folder)) => path(folder),
        Value::Base(BaseModel::Gguf(file)) => SweepValue::Text(format!("gguf:{}", file.display())),
        Value::Path(file) => path(file),
        Value::Paths(files) => SweepValue::List(files.into_iter().map(path).collect()),
        Value::Pairs(_)
        | Value::Wholes(_)
        | Value::Numbers(_)
        | Value::Steps(_)
        | Value::Parameters(_) => {
            return None;
        }
    })
}
