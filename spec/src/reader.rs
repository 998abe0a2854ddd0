//! Typed access to checked settings, for whoever makes a value of them.
//!
//! Rules: `None` is a key that is absent, or whose fault is in the report already. What is refused
//! is told at its key, else at its section, else at the start of the file.

use serde::de::DeserializeOwned;

use crate::form::{Placed, Value};
use crate::job::BaseModel;
use crate::origin::Place;
use crate::problem::Fault;
use crate::report::Report;
use crate::settings::Settings;

/// Typed access to the settings by key path; `None` is absent or already reported.
pub(crate) struct Reader<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) report: &'a mut Report,
}

/// A getter for one variant of [`Value`].
macro_rules! getter {
    ($name:ident, $variant:ident, $type:ty) => {
        pub(crate) fn $name(&self, path: &str) -> Option<$type> {
            match &self.settings.get(path)?.value {
                Value::$variant(value) => Some(value.clone()),
                _ => None,
            }
        }
    };
}

impl Reader<'_> {
    getter!(flag, Flag, bool);
    getter!(number, Number, f64);
    getter!(whole_u64, Whole, u64);
    getter!(text, Text, String);
    getter!(texts, Texts, Vec<String>);
    getter!(pairs, Pairs, Vec<(String, String)>);
    getter!(seconds, Seconds, u64);
    getter!(base, Base, BaseModel);
    getter!(path, Path, std::path::PathBuf);
    getter!(paths, Paths, Vec<std::path::PathBuf>);
    getter!(steps, Steps, Vec<usize>);
    getter!(parameters, Parameters, Vec<Placed>);
    getter!(wholes, Wholes, std::collections::BTreeMap<String, usize>);
    getter!(numbers, Numbers, std::collections::BTreeMap<String, f64>);

    pub(crate) fn whole(&self, path: &str) -> Option<usize> {
        usize::try_from(self.whole_u64(path)?).ok()
    }

    pub(crate) fn whole_u32(&self, path: &str) -> Option<u32> {
        u32::try_from(self.whole_u64(path)?).ok()
    }

    /// A word of a choice as the variant that serde knows by it.
    pub(crate) fn choice<T: DeserializeOwned>(&self, path: &str) -> Option<T> {
        let word = self.text(path)?.replace('-', "_");
        serde_json::from_value(serde_json::Value::String(word)).ok()
    }

    /// Whether somebody wrote the key down.
    pub(crate) fn is_given(&self, path: &str) -> bool {
        self.settings
            .get(path)
            .is_some_and(|setting| setting.place != Place::Default)
    }

    /// Reports that what a key asks for cannot be.
    pub(crate) fn refuse(&mut self, path: &str, fault: Fault) {
        let place = self.place(path);
        self.report.add(&place, path, fault);
    }

    pub(crate) fn warn(&mut self, path: &str, fault: Fault) {
        let place = self.place(path);
        self.report.warn(&place, path, fault);
    }

    /// Place of a key, else of its section, else of the file.
    pub(crate) fn place(&self, path: &str) -> Place {
        let key = self.settings.get(path).map(|setting| &setting.place);
        let section = || {
            let name = path.split('.').next()?;
            self.settings.section_place(name)
        };
        key.filter(|place| **place != Place::Default)
            .or_else(section)
            .unwrap_or(&Place::START)
            .clone()
    }
}
