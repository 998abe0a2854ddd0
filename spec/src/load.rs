//! Reads a job file.
//!
//! TOML and YAML become one tree ([`crate::source`]), the layers are put on top of each other and
//! each value is checked ([`crate::settings`]), and the whole becomes a [`Job`] ([`crate::read`]).
//! Every problem found on the way is collected and handed out at once.

use std::collections::BTreeMap;
use std::path::Path;

use crate::files::Files;
use crate::job::Job;
use crate::node::{Data, Entry, Node};
use crate::origin::{Origin, Place};
use crate::problem::{Fault, Problem, Problems};
use crate::read;
use crate::report::Report;
use crate::resolved::{Resolved, resolved_keys};
use crate::schema::JOB;
use crate::set::{Override, read_set};
use crate::settings::{Settings, settle};
use crate::source;
use crate::sweep::{self, Trial};

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
    finish(path, |report| {
        let root = source::file(path, &JOB, report);
        let layers = Layers::new(root, sets, report)?;
        read_job(layers, &Files::beside(path, options.check_files), report)
    })
}

/// As [`load_with`], from the text of a file of that name: `job.toml`, `job.yaml`.
///
/// # Errors
/// As [`load`].
pub fn load_text(
    text: &str,
    file_name: &str,
    sets: &[String],
    options: Options,
) -> Result<LoadedJob, Problems> {
    let path = Path::new(file_name);
    finish(path, |report| {
        let root = source::text(text, path, &JOB, report);
        let layers = Layers::new(root, sets, report)?;
        read_job(layers, &Files::beside(path, options.check_files), report)
    })
}

/// One job of the search that the text of a TOML file describes; files are not looked for.
pub(crate) fn load_trial(text: &str, sets: &[String]) -> Result<LoadedJob, Problems> {
    let path = Path::new("job.toml");
    finish(path, |report| {
        let root = source::text(text, path, &JOB, report);
        let mut layers = Layers::new(root, sets, report)?;
        layers.remove_sweep();
        read_job(layers, &Files::beside(path, false), report)
    })
}

fn finish(
    path: &Path,
    read: impl FnOnce(&mut Report) -> Option<(Job, Settings)>,
) -> Result<LoadedJob, Problems> {
    let mut report = Report::new(path);
    let read = read(&mut report);
    if read.is_none() && !report.has_errors() {
        let message = "this job could not be read, for a reason that escaped the checks";
        let hint = "this is a defect in schliff; please report it with the job file";
        report.add(&Place::START, "", Fault::new(message).hint(hint));
    }
    let warnings = report.finish()?;
    let (job, settings) = read.ok_or_else(|| Problems::new(Vec::new()))?;
    Ok(LoadedJob {
        job,
        origins: Origins::of(&settings, path),
        warnings,
    })
}

/// What was written down: the file, and on top of it the `--set`s.
#[derive(Clone)]
struct Layers {
    root: Node,
    overrides: Vec<Override>,
}

impl Layers {
    /// Reads the sets even where there is no file, for their problems.
    fn new(root: Option<Node>, sets: &[String], report: &mut Report) -> Option<Self> {
        let overrides: Vec<_> = sets
            .iter()
            .filter_map(|set| read_set(set, report))
            .collect();
        let root = root?;
        Some(Self { root, overrides })
    }

    fn has_sweep(&self) -> bool {
        let in_file =
            matches!(&self.root.data, Data::Table(entries) if entries.iter().any(is_sweep));
        in_file || self.overrides.iter().any(sets_sweep)
    }

    /// Leaves what each job of the search has in common.
    fn remove_sweep(&mut self) {
        if let Data::Table(entries) = &mut self.root.data {
            entries.retain(|entry| !is_sweep(entry));
        }
        self.overrides.retain(|one| !sets_sweep(one));
    }
}

fn is_sweep(entry: &Entry) -> bool {
    entry.key == "sweep"
}

fn sets_sweep(one: &Override) -> bool {
    one.path.starts_with("sweep.")
}

fn read_job(layers: Layers, files: &Files, report: &mut Report) -> Option<(Job, Settings)> {
    let pattern = layers.has_sweep().then(|| layers.clone());
    let settings = settle(&JOB, layers.root, layers.overrides, files, report);
    let job = read::job(&settings, report)?;
    if let Some(mut pattern) = pattern.filter(|_| !report.has_errors()) {
        pattern.remove_sweep();
        check_trials(&job, &settings, &pattern, report);
    }
    Some((job, settings))
}

/// Reports trials whose values cannot be together, so that a search does not fail half-way.
fn check_trials(job: &Job, settings: &Settings, pattern: &Layers, report: &mut Report) {
    /// The first few show what is wrong with all.
    const MOST_TOLD: usize = 3;
    let key = "sweep.parameters";
    let place = settings.get(key).map_or(&Place::START, |it| &it.place);
    let faults = sweep::children(job)
        .into_iter()
        .filter_map(|trial| Some((trial_problem(&trial, pattern)?, trial)));
    for (problem, trial) in faults.take(MOST_TOLD) {
        let at = problem.key.map_or(String::new(), |key| format!("{key}: "));
        let message = format!(
            "the trial {} cannot be: {at}{}",
            trial.label, problem.message
        );
        let mut fault = Fault::new(message).hint_if_some(problem.hint);
        fault.expected = problem.expected;
        report.add(place, key, fault);
    }
}

/// The first thing that is wrong with a trial. Its files were looked for with the search.
fn trial_problem(trial: &Trial, pattern: &Layers) -> Option<Problem> {
    let path = Path::new("");
    let mut report = Report::new(path);
    let mut overrides = pattern.overrides.clone();
    for set in &trial.sets {
        overrides.extend(read_set(set, &mut report));
    }
    let files = Files::beside(path, false);
    let settings = settle(&JOB, pattern.root.clone(), overrides, &files, &mut report);
    read::job(&settings, &mut report);
    let problems = report.finish().err()?;
    problems.iter().next().cloned()
}
