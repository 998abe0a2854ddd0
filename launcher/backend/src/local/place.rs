//! Folders of allocations, and what lies in them.
//!
//! `<key>/` has `lock`, `record.json` (what was granted), `birth` (who its first process is), `exit`,
//! `output.log` and `files/`, the files that came with it; perhaps `failure` and `timed-out`. Beside
//! the folders lie `lock`, which whoever changes something holds, and `forgotten/`, which has an
//! empty file for each key that was used up. Names that begin with a dot are work that was cut off.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use schliff_spec::id::{IdError, SubmitKey};
use serde::{Deserialize, Serialize};

use super::lock;
use super::process::Birth;
use super::status::Traces;
use super::stock::Share;
use crate::launch::{Launch, LaunchFile};

/// Why a local cluster's folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The file system.
    #[error("cannot {doing} {}", .path.display())]
    File {
        /// The failed operation.
        doing: &'static str,
        /// Its object.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its locks do not exclude.
    #[error(
        "cannot keep allocations in {}: its file system does not keep locks; choose a folder on a disk of this host",
        .folder.display()
    )]
    NoLocks {
        /// The folder.
        folder: PathBuf,
    },
    /// This host cannot be named.
    #[error("cannot name the node that this host is")]
    Name(#[from] IdError),
    /// A file of an allocation is not called as it may be.
    #[error("cannot use `{name}` as a name of a file: expected a plain name without folders")]
    FileName {
        /// What it is called.
        name: String,
    },
}

/// What was granted to an allocation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) time_limit_ms: Option<u64>,
    pub(super) share: Share,
}

/// All folders of a cluster.
pub(super) struct Places {
    folder: PathBuf,
}

/// One allocation's folder.
pub(super) struct Place {
    pub(super) key: SubmitKey,
    folder: PathBuf,
}

impl Places {
    /// Makes the folder where it is missing, and tries its locks.
    pub(super) fn open(folder: &Path) -> Result<Self, LocalError> {
        private_folder(folder)?;
        let folder = fs::canonicalize(folder).map_err(failed("find", folder))?;
        let places = Self { folder };
        private_folder(&places.forgotten())?;
        let _alone = places.alone()?;
        let path = places.folder.join("lock");
        match lock::is_held(&path).map_err(failed("lock", &path))? {
            true => Ok(places),
            false => Err(LocalError::NoLocks {
                folder: places.folder,
            }),
        }
    }

    /// Nobody else changes anything as long as the result lives.
    pub(super) fn alone(&self) -> Result<File, LocalError> {
        let path = self.folder.join("lock");
        lock::wait_for(&path).map_err(failed("lock", &path))
    }

    fn forgotten(&self) -> PathBuf {
        self.folder.join("forgotten")
    }

    fn place(&self, key: SubmitKey) -> Place {
        let folder = self.folder.join(key.to_string());
        Place { key, folder }
    }

    /// A key's folder, where it has one.
    pub(super) fn find(&self, key: SubmitKey) -> Result<Option<Place>, LocalError> {
        let place = self.place(key);
        let exists = fs::exists(&place.folder).map_err(failed("find", &place.folder))?;
        Ok(exists.then_some(place))
    }

    /// Whether a key is used up.
    pub(super) fn is_forgotten(&self, key: SubmitKey) -> Result<bool, LocalError> {
        let path = self.forgotten().join(key.to_string());
        fs::exists(&path).map_err(failed("find", &path))
    }

    /// All folders, in no order.
    pub(super) fn list(&self) -> Result<Vec<Place>, LocalError> {
        let keys = self.names()?.into_iter();
        let keys = keys.filter_map(|name| name.parse().ok());
        Ok(keys.map(|key| self.place(key)).collect())
    }

    fn names(&self) -> Result<Vec<String>, LocalError> {
        let entries = fs::read_dir(&self.folder).map_err(failed("list", &self.folder))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed("list", &self.folder))?;
            names.extend(entry.file_name().into_string());
        }
        Ok(names)
    }

    /// Makes an allocation's folder, which appears with its lock held. The caller is alone.
    pub(super) fn create(
        &self,
        launch: &Launch,
        record: &Record,
    ) -> Result<(Place, File), LocalError> {
        self.sweep()?;
        let place = self.place(launch.key);
        let draft = Place {
            key: launch.key,
            folder: self.folder.join(format!(".new-{}", launch.key)),
        };
        if let Err(error) = draft.fill(launch, record) {
            // Or else the next one sweeps it up.
            let _ = fs::remove_dir_all(&draft.folder);
            return Err(error);
        }
        let path = draft.lock_file();
        let lock = lock::wait_for(&path).map_err(failed("lock", &path))?;
        // The target does not exist, as the caller is alone; an empty folder would be replaced.
        fs::rename(&draft.folder, &place.folder).map_err(failed("create", &place.folder))?;
        Ok((place, lock))
    }

    /// Removes what is left of an allocation, and notes its key. The caller is alone.
    pub(super) fn forget(&self, place: &Place) -> Result<(), LocalError> {
        // In this order: a key that is not noted could be used again.
        let note = self.forgotten().join(place.key.to_string());
        File::create(&note).map_err(failed("create", &note))?;
        let rest = self.folder.join(format!(".old-{}", place.key));
        fs::rename(&place.folder, &rest).map_err(failed("remove", &place.folder))?;
        fs::remove_dir_all(&rest).map_err(failed("remove", &rest))
    }

    /// Removes work that was cut off.
    fn sweep(&self) -> Result<(), LocalError> {
        let is_rest = |name: &String| name.starts_with(".new-") || name.starts_with(".old-");
        for name in self.names()?.into_iter().filter(is_rest) {
            let rest = self.folder.join(name);
            fs::remove_dir_all(&rest).map_err(failed("remove", &rest))?;
        }
        Ok(())
    }
}

impl Place {
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of files that came with it.
    pub(super) fn files(&self) -> PathBuf {
        self.folder.join("files")
    }

    pub(super) fn lock_file(&self) -> PathBuf {
        self.folder.join("lock")
    }

    pub(super) fn exit(&self) -> PathBuf {
        self.folder.join("exit")
    }

    pub(super) fn birth(&self) -> PathBuf {
        self.folder.join("birth")
    }

    pub(super) fn output(&self) -> PathBuf {
        self.folder.join("output.log")
    }

    fn fill(&self, launch: &Launch, record: &Record) -> Result<(), LocalError> {
        private_folder(&self.files())?;
        for file in &launch.files {
            self.write_file(file)?;
        }
        self.write_record(record)
    }

    fn write_file(&self, file: &LaunchFile) -> Result<(), LocalError> {
        let mut parts = Path::new(&file.name).components();
        let is_plain = matches!(parts.next(), Some(Component::Normal(name)) if name == &*file.name)
            && parts.next().is_none();
        if !is_plain {
            let name = file.name.clone();
            return Err(LocalError::FileName { name });
        }
        let path = self.files().join(&file.name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        options.mode(if file.is_secret { 0o600 } else { 0o644 });
        let written = options
            .open(&path)
            .and_then(|mut opened| opened.write_all(&file.content));
        written.map_err(failed("write", &path))
    }

    fn write_record(&self, record: &Record) -> Result<(), LocalError> {
        let path = self.folder.join("record.json");
        let json = serde_json::to_vec(record).map_err(io::Error::from);
        let written = json.and_then(|json| fs::write(&path, json));
        written.map_err(failed("write", &path))
    }

    /// What was granted to it.
    pub(super) fn record(&self) -> Result<Record, LocalError> {
        let path = self.folder.join("record.json");
        let read = fs::read(&path);
        let record = read.and_then(|json| Ok(serde_json::from_slice(&json)?));
        record.map_err(failed("read", &path))
    }

    /// Whether a process of it lives.
    pub(super) fn is_held(&self) -> Result<bool, LocalError> {
        let path = self.lock_file();
        match lock::is_held(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            told => told.map_err(failed("lock", &path)),
        }
    }

    /// All that the folder tells; nothing where it is gone. Whether it lives is asked first: what
    /// says how it ended was written before.
    pub(super) fn traces(&self) -> Result<Option<Traces>, LocalError> {
        let is_held = self.is_held()?;
        let traces = Traces {
            is_held,
            birth: self.read("birth")?.and_then(|line| Birth::parse(&line)),
            exit: self.read("exit")?,
            failure: self.read("failure")?,
            is_timed_out: self.read("timed-out")?.is_some(),
        };
        let exists = fs::exists(&self.folder).map_err(failed("find", &self.folder))?;
        Ok(exists.then_some(traces))
    }

    fn read(&self, name: &str) -> Result<Option<String>, LocalError> {
        let path = self.folder.join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &path)(error)),
        }
    }

    /// Notes why it could not be started.
    pub(super) fn note_failure(&self, program: &Path, error: &io::Error) -> Result<(), LocalError> {
        let path = self.folder.join("failure");
        let why = format!("cannot start {}: {error}", program.display());
        fs::write(&path, why).map_err(failed("write", &path))
    }

    /// Notes that it is ended because its time is over.
    pub(super) fn note_timeout(&self) -> Result<(), LocalError> {
        let path = self.folder.join("timed-out");
        fs::write(&path, "").map_err(failed("write", &path))
    }
}

/// Makes a folder, and those above it, that only its owner may look into.
fn private_folder(path: &Path) -> Result<(), LocalError> {
    let mut builder = DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(path);
    made.map_err(failed("create", path))
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LocalError + use<> {
    let path = path.to_owned();
    move |source| LocalError::File {
        doing,
        path,
        source,
    }
}
