//! The out folder: `adapter/`, `metrics.jsonl`, `summary.json`.

use std::fs::{self, File};
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
    /// Makes the folder and an empty metrics file, before any long work.
    pub(super) fn create(folder: &Path) -> Result<Self, OutputError> {
        fs::create_dir_all(folder).map_err(failed("create the folder", folder))?;
        check_adapter_destination(&folder.join("adapter"))?;
        let path = folder.join("metrics.jsonl");
        let metrics = File::create(&path).map_err(failed("write", &path))?;
        Ok(Self {
            folder: folder.to_owned(),
            metrics,
        })
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
