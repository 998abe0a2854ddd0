//! A desk to try both programs at: a folder, a tiny model, a data file, a job.
//!
//! For tests only: whatever cannot be set up panics.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

use crate::repository_root;

/// Names a folder with both programs, instead of those of this source.
const PROGRAMS: &str = "SCHLIFF_TEST_PROGRAMS";

/// How a program ended and what it wrote.
#[derive(Debug)]
pub struct Ended {
    /// Exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ended {
    /// The one JSON object on standard output of a verb that succeeded.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("not JSON: {}", self.stdout))
    }
}

/// A folder to work in.
pub struct Desk {
    folder: TempDir,
}

impl Desk {
    /// An empty folder.
    #[expect(
        clippy::new_without_default,
        reason = "a folder is made, which can fail"
    )]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no folder: {error}"));
        Self { folder }
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    /// Runs `schliff` in the folder to its end.
    pub fn schliff<T: AsRef<std::ffi::OsStr>>(&self, args: &[T]) -> Ended {
        end_of(self.command(args))
    }

    /// What `schliff eval` says of a model on a file of tokens.
    #[track_caller]
    pub fn eval(&self, base: &Path, adapter: Option<&Path>, data: &Path) -> Value {
        let mut args = vec!["eval".as_ref(), "--base".as_ref(), base.as_os_str()];
        args.extend(["--data".as_ref(), data.as_os_str()]);
        args.extend(["--format", "tokens", "--json"].map(AsRef::<std::ffi::OsStr>::as_ref));
        if let Some(adapter) = adapter {
            args.extend(["--adapter".as_ref(), adapter.as_os_str()]);
        }
        self.schliff(&args).json()
    }

    /// `schliff` in the folder, not yet started.
    pub fn command<T: AsRef<std::ffi::OsStr>>(&self, args: &[T]) -> Command {
        let mut command = Command::new(programs().join("schliff"));
        command
            .args(args)
            .current_dir(self.folder.path())
            .env_remove("SCHLIFF_TRAINER")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// Runs a command to its end.
pub fn end_of(mut command: Command) -> Ended {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A file or folder of the trainer's fixtures.
pub fn fixture(name: &str) -> PathBuf {
    repository_root().join("trainer/tests/fixtures").join(name)
}

/// A JSON file.
pub fn json_file(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The folder of both programs, built from this source on first use.
pub fn programs() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        if let Some(folder) = std::env::var_os(PROGRAMS) {
            return folder.into();
        }
        // The whole workspace: with the features of the tests, so that little is left to compile.
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--release", "--locked", "--workspace"]);
        build.current_dir(repository_root());
        // What cargo tells a test about its own crate would change what build scripts of others see,
        // and half of the workspace would be compiled again, here and at the next build.
        for (name, _) in std::env::vars_os() {
            let own = name.to_str().unwrap_or_default();
            if [
                "CARGO_PKG_",
                "CARGO_MANIFEST_",
                "CARGO_CRATE_",
                "CARGO_BIN_EXE_",
            ]
            .iter()
            .any(|prefix| own.starts_with(prefix))
            {
                build.env_remove(&name);
            }
        }
        let built = end_of(build);
        assert_eq!(built.code, Some(0), "{}", built.stderr);
        let test = std::env::current_exe().unwrap_or_else(|error| panic!("{error}"));
        // The tests' own programs are in target/release/deps.
        test.ancestors()
            .nth(2)
            .map(Path::to_owned)
            .unwrap_or_default()
    })
}
