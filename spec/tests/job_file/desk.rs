//! A folder with everything that a job names, and short ways to load a job in it.

use std::fs;
use std::path::{Path, PathBuf};

use schliff_spec::load::{LoadedJob, load};
use schliff_spec::problem::Problems;
use tempfile::TempDir;

/// The least that a job needs.
pub(crate) const LEAST: &str = "name = \"t\"\nmodel.base = \"base\"\n\
    data.train = \"train.jsonl\"\ndata.format = \"messages\"\n";

/// The folder, removed when dropped.
pub(crate) struct Desk(TempDir);

impl Desk {
    /// A folder with a base model, a GGUF file, two data files and an adapter.
    pub(crate) fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        fs::create_dir(desk.path("base")).unwrap();
        fs::create_dir(desk.path("adapter")).unwrap();
        desk.write("base.gguf", "GGUF");
        desk.write("train.jsonl", "{}\n");
        desk.write("eval.jsonl", "{}\n");
        desk.write("empty.jsonl", "");
        desk
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Loads a file of that name and content.
    pub(crate) fn load(
        &self,
        name: &str,
        content: impl AsRef<[u8]>,
    ) -> Result<LoadedJob, Problems> {
        load(&self.write(name, content), &[])
    }

    /// Loads [`LEAST`] with more lines.
    pub(crate) fn least_with(&self, lines: &str) -> Result<LoadedJob, Problems> {
        self.load("job.toml", format!("{LEAST}{lines}"))
    }

    /// Loads [`LEAST`] with more lines and `--set`s.
    pub(crate) fn set(&self, lines: &str, sets: &[&str]) -> Result<LoadedJob, Problems> {
        let sets: Vec<_> = sets.iter().map(ToString::to_string).collect();
        load(&self.write("job.toml", format!("{LEAST}{lines}")), &sets)
    }

    /// What a failed load says, with DESK and HERE for this folder and the
    /// working directory.
    pub(crate) fn told(&self, loaded: Result<LoadedJob, Problems>) -> String {
        let folder = format!("{}/", self.0.path().display());
        loaded
            .unwrap_err()
            .to_string()
            .replace(&folder, "DESK/")
            .replace(env!("CARGO_MANIFEST_DIR"), "HERE")
            .replace("error: DESK/", "error: ")
    }
}
