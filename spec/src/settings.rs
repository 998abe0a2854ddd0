//! The layers of a file put on top of each other: defaults < job file < `--set`.
//!
//! Rules: after [`settle`] every value has its declared form, and every unknown, missing or
//! malformed key is in the report. What the values mean together is [`crate::read`]'s part.

use std::collections::{BTreeMap, BTreeSet};

use crate::files::Files;
use crate::form::{Check, Value};
use crate::nearest::nearest_key;
use crate::node::{Data, Entry, Node, toml_value};
use crate::origin::Place;
use crate::problem::Fault;
use crate::report::Report;
use crate::schema::{Fallback, Key, Schema, Section};
use crate::set::Override;

/// Keys of which only one can hold: a `--set` of one takes the file's others out.
const RIVALS: &[&[&str]] = &[
    &["training.epochs", "training.steps"],
    &["training.warmup", "training.warmup_steps"],
    &["training.batch_tokens", "training.batch_samples"],
    &["training.batch_tokens", "training.micro_batch_samples"],
    &["training.micro_batch_tokens", "training.batch_samples"],
    &[
        "training.micro_batch_tokens",
        "training.micro_batch_samples",
    ],
];

/// A checked value and the place of its key.
pub(crate) struct Setting {
    pub(crate) value: Value,
    pub(crate) place: Place,
}

/// The checked values by key path.
#[derive(Default)]
pub(crate) struct Settings {
    values: BTreeMap<String, Setting>,
    /// The keys that were written down, malformed ones included.
    written: BTreeSet<String>,
    /// The sections that were written down.
    sections: BTreeMap<&'static str, Place>,
}

impl Settings {
    /// Whether a key was written down, be its value right or wrong.
    pub(crate) fn was_written(&self, path: &str) -> bool {
        self.written.contains(path)
    }

    pub(crate) fn get(&self, path: &str) -> Option<&Setting> {
        self.values.get(path)
    }

    /// Where a section was written down, in the file or by a `--set`.
    pub(crate) fn section_place(&self, name: &str) -> Option<&Place> {
        self.sections.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &Setting)> {
        self.values.iter()
    }
}

/// Lays the layers over each other and checks each value.
pub(crate) fn settle(
    schema: &'static Schema,
    root: Node,
    overrides: Vec<Override>,
    files: &Files,
    report: &mut Report,
) -> Settings {
    let mut given = Given::new(schema);
    given.take_file(root, report);
    for one in overrides {
        given.take_override(one);
    }
    let mut settings = Settings::default();
    for section in schema.sections {
        for key in section.keys {
            let path = section.path(key.name);
            let place = given.values.get(&path).map(|(place, _)| place.clone());
            let Some(node) = given.node(section, key, report) else {
                continue;
            };
            let mut check = Check {
                form: key.form,
                key: &path,
                files,
                report,
            };
            if let Some(value) = check.value(&node) {
                let place = place.unwrap_or(Place::Default);
                settings.values.insert(path, Setting { value, place });
            }
        }
    }
    settings.written = given.values.into_keys().collect();
    settings.sections = given.sections;
    settings
}

/// What was written down, not yet checked.
struct Given {
    schema: &'static Schema,
    /// Place of the key and the value, by key path.
    values: BTreeMap<String, (Place, Node)>,
    sections: BTreeMap<&'static str, Place>,
    /// Keys and sections that were probably meant by unknown ones: not reported as missing too.
    suspected: BTreeSet<String>,
}

impl Given {
    fn new(schema: &'static Schema) -> Self {
        Self {
            schema,
            values: BTreeMap::new(),
            sections: BTreeMap::new(),
            suspected: BTreeSet::new(),
        }
    }

    fn take_file(&mut self, root: Node, report: &mut Report) {
        let top = &self.schema.sections[0];
        let Data::Table(entries) = root.data else {
            let (whole, _) = self.schema.outline;
            let message = format!("expected the sections of {whole}, found {}", root.found());
            report.add(&root.place, "", Fault::new(message));
            return;
        };
        for entry in entries {
            match self
                .schema
                .section(&entry.key)
                .filter(|section| !section.name.is_empty())
            {
                Some(section) => self.take_section(section, entry, report),
                None => self.take_key(top, entry, report),
            }
        }
    }

    fn take_section(&mut self, section: &'static Section, entry: Entry, report: &mut Report) {
        self.sections.insert(section.name, entry.key_place);
        // In YAML a section whose keys are all commented out is nothing.
        if entry.node.data == Data::Null {
            return;
        }
        let Data::Table(entries) = entry.node.data else {
            let found = entry.node.found();
            let message = format!("expected a section, found {found}");
            let fault =
                Fault::new(message).expected(format!("the keys {}", names(self.schema, section)));
            report.add(&entry.node.place, section.name, fault);
            self.suspected.insert(section.name.to_owned());
            return;
        };
        for entry in entries {
            self.take_key(section, entry, report);
        }
    }

    fn take_key(&mut self, section: &'static Section, entry: Entry, report: &mut Report) {
        if section.key(&entry.key).is_some() {
            let value = (entry.key_place, entry.node);
            self.values.insert(section.path(&entry.key), value);
            return;
        }
        if report.is_full() {
            return;
        }
        let nearest = nearest_key(self.schema, section, &entry.key);
        self.suspected.extend(nearest.clone());
        let is_section = section.name.is_empty() && matches!(entry.node.data, Data::Table(_));
        let noun = if is_section { "section" } else { "key" };
        let fault = Fault::new(format!("unknown {noun}"))
            .expected(format!("one of {}", names(self.schema, section)))
            .nearest(nearest);
        let shown: String = entry.key.chars().take(80).collect();
        report.add(&entry.key_place, &section.path(&shown), fault);
    }

    fn take_override(&mut self, one: Override) {
        let place = one.node.place.clone();
        if let Some(section) = one
            .path
            .split_once('.')
            .and_then(|(name, _)| self.schema.section(name))
        {
            let known = self.sections.entry(section.name);
            known.or_insert_with(|| place.clone());
        }
        self.remove_rivals(&one.path);
        let Some(pattern) = one.pattern else {
            self.values.insert(one.path, (place, one.node));
            return;
        };
        let entry = Entry {
            key: pattern,
            key_place: place.clone(),
            node: one.node,
        };
        if let Some((_, node)) = self.values.get_mut(&one.path)
            && let Data::Table(entries) = &mut node.data
        {
            entries.retain(|other| other.key != entry.key);
            entries.push(entry);
            return;
        }
        let node = Node {
            data: Data::Table(vec![entry]),
            place: place.clone(),
        };
        self.values.insert(one.path, (place, node));
    }

    /// Takes the file's rivals of a `--set` out.
    fn remove_rivals(&mut self, path: &str) {
        let groups = RIVALS.iter().filter(|group| group.contains(&path));
        for rival in groups.copied().flatten().filter(|rival| **rival != path) {
            let is_files = |(place, _): &(Place, Node)| !matches!(place, Place::Set(_));
            if self.values.get(*rival).is_some_and(is_files) {
                self.values.remove(*rival);
            }
        }
    }

    /// What was written, or else the default; `None` where there is neither.
    fn node(&self, section: &'static Section, key: &Key, report: &mut Report) -> Option<Node> {
        let path = section.path(key.name);
        if let Some((_, node)) = self.values.get(&path) {
            return Some(node.clone());
        }
        match key.fallback {
            Fallback::Value(value) => toml_value(value, &Place::Default),
            Fallback::None | Fallback::Follows(_) => None,
            Fallback::Required => {
                let is_explained =
                    self.suspected.contains(&path) || self.suspected.contains(section.name);
                if !is_explained {
                    let place = self.sections.get(section.name).unwrap_or(&Place::START);
                    let fault = Fault::new("missing").expected(key.form.to_string());
                    report.add(place, &path, fault);
                }
                None
            }
        }
    }
}

fn names(schema: &Schema, section: &Section) -> String {
    let mut names: Vec<_> = section.keys.iter().map(|key| key.name).collect();
    if section.name.is_empty() {
        names.extend(schema.sections.iter().skip(1).map(|section| section.name));
    }
    names.sort_unstable();
    names.join(", ")
}
