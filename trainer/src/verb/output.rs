//! The out folder: `adapter/`, `metrics.jsonl`, `summary.json`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use schliff_spec::event::StepMetrics;
use schliff_weights::WeightsError;
use schliff_weights::adapter::check_adapter_destination;
use serde_json::Value;
use thiserror::Error;

/// The out folder cannot be written.
#[derive(Debug, Error)]
pub(super) enum OutputError {
    /// A file or the folder itself.
    #[error("cannot {operation} {}", path.display())]
    File {
        operation: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// The adapter's place holds something else.
    #[error(transparent)]
    Adapter(#[from] WeightsError),
}

/// An out folder that has been seen to be writable.
pub(super) struct Output {
    folder: PathBuf,
    metrics: File,
}

impl Output {
    /// Makes the folder and its metrics file, before any long work.
    pub(super) fn create(folder: &Path) -> Result<Self, OutputError> {
        fs::create_dir_all(folder).map_err(failed("create the folder", folder))?;
        check_adapter_destination(&folder.join("adapter"))?;
        let path = folder.join("metrics.jsonl");
        let metrics = OpenOptions::new().append(true).create(true).open(&path);
        let metrics = metrics.map_err(failed("write", &path))?;
        Ok(Self {
            folder: folder.to_owned(),
            metrics,
        })
    }

    /// Drops the metrics of steps after `step`: they are taken again.
    pub(super) fn begin_after(&mut self, step: usize) -> Result<(), OutputError> {
        let path = self.folder.join("metrics.jsonl");
        let text = fs::read_to_string(&path).map_err(failed("read", &path))?;
        let is_kept = |line: &&str| {
            serde_json::from_str::<StepMetrics>(line).is_ok_and(|metrics| metrics.step <= step)
        };
        let kept: String = text
            .lines()
            .filter(is_kept)
            .flat_map(|line| [line, "\n"])
            .collect();
        let draft = self.folder.join("metrics.jsonl.part");
        let written = fs::write(&draft, kept).and_then(|()| fs::rename(&draft, &path));
        written.map_err(failed("write", &path))?;
        let metrics = OpenOptions::new().append(true).open(&path);
        self.metrics = metrics.map_err(failed("write", &path))?;
        Ok(())
    }

    /// Where the adapter goes.
    pub(super) fn adapter(&self) -> PathBuf {
        self.folder.join("adapter")
    }

    /// Adds a line to the metrics, whole or not at all.
    pub(super) fn step(&mut self, metrics: &StepMetrics) -> Result<(), OutputError> {
        let path = self.folder.join("metrics.jsonl");
        let mut line = serde_json::to_vec(metrics).map_err(io::Error::other);
        if let Ok(line) = &mut line {
            line.push(b'\n');
        }
        line.and_then(|line| self.metrics.write_all(&line))
            .map_err(failed("write", &path))
    }

    /// Writes the summary beside its place and moves it there.
    pub(super) fn summary(&self, summary: &Value) -> Result<(), OutputError> {
        let path = self.folder.join("summary.json");
        let draft = self.folder.join("summary.json.part");
        let text = format!("{summary:#}\n");
        let written = fs::write(&draft, text).and_then(|()| fs::rename(&draft, &path));
        if written.is_err() {
            // Best effort: the error that matters is the one above.
            let _ = fs::remove_file(&draft);
        }
        written.map_err(failed("write", &path))
    }
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OutputError {
    let path = path.to_owned();
    move |source| OutputError::File {
        operation,
        path,
        source,
    }
}
