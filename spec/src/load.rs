//! Reads a job file.
//!
//! TOML and YAML become one tree ([`crate::node`]), the layers are put on top of each other and
//! each value is checked ([`crate::settings`]), and the whole becomes a [`Job`] ([`crate::read`]).
//! Every problem found on the way is collected and handed out at once.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::files::Files;
use crate::job::Job;
use crate::node::{Data, Node, toml_document, yaml_document};
use crate::origin::{Origin, Place};
use crate::problem::{Fault, Problem, Problems};
use crate::read;
use crate::report::Report;
use crate::resolved::{Resolved, resolved_keys};
use crate::set::read_set;
use crate::settings::{Settings, settle};

/// Largest job file; real ones have a few kilobytes.
pub const LARGEST_FILE_BYTES: u64 = 1 << 20;

/// How to load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Files that the job names must exist. Without it their paths stay as written.
    pub check_files: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { check_files: true }
    }
}

/// A job and where its values come from.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedJob {
    /// The job.
    pub job: Job,
    /// Where the values come from.
    pub origins: Origins,
    /// What will surprise, though it does not stop the job.
    pub warnings: Vec<Problem>,
}

impl LoadedJob {
    /// Every key with its value as TOML and where that comes from, in the order of the reference.
    pub fn resolved(&self) -> Vec<Resolved> {
        let mut keys = resolved_keys(&self.job);
        for key in &mut keys {
            key.origin = self.origins.get(&key.path).clone();
        }
        keys
    }
}

/// The origin of each key that somebody set; all others have their defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(BTreeMap<String, Origin>);

impl Origins {
    /// Where the value of a key, such as `training.lr`, comes from.
    pub fn get(&self, path: &str) -> &Origin {
        self.0.get(path).unwrap_or(&Origin::Default)
    }

    fn of(settings: &Settings, file: &Path) -> Self {
        let origins = settings
            .iter()
            .map(|(path, setting)| (path.clone(), setting.place.origin(file)));
        Self(origins.filter(|(_, o)| *o != Origin::Default).collect())
    }
}

/// Reads a job file (`.toml`, `.yaml`, `.yml`) and puts `sets`, each a `key=value`, on top of it.
///
/// # Errors
/// Everything that is wrong with the file, the sets and the files they name.
pub fn load(path: &Path, sets: &[String]) -> Result<LoadedJob, Problems> {
    load_with(path, sets, Options::default())
}

/// As [`load`], with options.
///
/// # Errors
/// As [`load`].
pub fn load_with(path: &Path, sets: &[String], options: Options) -> Result<LoadedJob, Problems> {
    let mut report = Report::new(path);
    let job = read_job(path, sets, options, &mut report);
    if job.is_none() && !report.has_errors() {
        let message = "this job could not be read, for a reason that escaped the checks";
        let hint = "this is a defect in schliff; please report it with the job file";
        report.add(&Place::START, "", Fault::new(message).hint(hint));
    }
    let warnings = report.finish()?;
    let (job, origins) = job.ok_or_else(|| Problems::new(Vec::new()))?;
    Ok(LoadedJob {
        job,
        origins,
        warnings,
    })
}

fn read_job(
    path: &Path,
    sets: &[String],
    options: Options,
    report: &mut Report,
) -> Option<(Job, Origins)> {
    let root = read_tree(path, report);
    let overrides: Vec<_> = sets
        .iter()
        .filter_map(|set| read_set(set, report))
        .collect();
    let files = Files {
        folder: path.parent().unwrap_or(Path::new("")).to_owned(),
        check: options.check_files,
    };
    let settings = settle(root?, overrides, &files, report);
    let job = read::job(&settings, report)?;
    Some((job, Origins::of(&settings, path)))
}

/// The notations that a job file can have.
#[derive(Clone, Copy)]
enum Notation {
    Toml,
    Yaml,
}

fn read_tree(path: &Path, report: &mut Report) -> Option<Node> {
    let (notation, text) = match notation(path).and_then(|n| Ok((n, read_text(path)?))) {
        Ok(read) => read,
        Err((place, fault)) => {
            report.add(&place, "", fault);
            return None;
        }
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let root = match notation {
        Notation::Toml => toml_document(text, report),
        Notation::Yaml => yaml_document(text, report),
    };
    let is_empty = match &root {
        Some(root) => matches!(&root.data, Data::Null) || root.data == Data::Table(Vec::new()),
        None => !report.has_errors(),
    };
    if is_empty {
        let fault = Fault::new("the file is empty")
            .expected("a job: a name and the sections model, data and others")
            .hint("configs/jobs has examples, docs/job-file.md all keys");
        report.add(&Place::START, "", fault);
        return None;
    }
    root
}

type Unreadable = (Place, Fault);

fn notation(path: &Path) -> Result<Notation, Unreadable> {
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    match extension.to_ascii_lowercase().as_str() {
        "toml" => Ok(Notation::Toml),
        "yaml" | "yml" => Ok(Notation::Yaml),
        _ => {
            let fault = Fault::new("this is not the name of a job file");
            Err((
                Place::Default,
                fault.expected("a name that ends in .toml, .yaml or .yml"),
            ))
        }
    }
}

fn read_text(path: &Path) -> Result<String, Unreadable> {
    let unreadable = |error: std::io::Error| {
        let fault = Fault::new(format!("cannot read the job file: {error}"));
        (Place::Default, fault)
    };
    if path.is_dir() {
        let fault = Fault::new("this is a folder, not a job file");
        return Err((Place::Default, fault));
    }
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST_FILE_BYTES {
        let message = format!("larger than {LARGEST_FILE_BYTES} bytes, so hardly a job file");
        return Err((Place::Default, Fault::new(message)));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line_start = valid
            .iter()
            .rposition(|&b| b == b'\n')
            .map_or(0, |at| at + 1);
        let place = Place::At {
            line: 1 + valid.iter().filter(|&&b| b == b'\n').count(),
            column: 1 + String::from_utf8_lossy(&valid[line_start..])
                .chars()
                .count(),
        };
        let fault = Fault::new("the file is not UTF-8 text");
        (place, fault.hint("save it as UTF-8"))
    })
}
