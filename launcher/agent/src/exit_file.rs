//! The exit code in a file, for a back-end that cannot reap the agent.
//!
//! Rules: the file is whole from the moment it is there; an agent that panics leaves the code of a
//! defect, one that is killed leaves none.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use schliff_spec::exit::ExitCode;

/// Leaves a file when it is dropped, at the latest.
#[derive(Debug)]
pub struct ExitFile {
    path: PathBuf,
    is_left: bool,
}

impl ExitFile {
    /// Nothing is there until the end.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            is_left: false,
        }
    }

    /// Leaves the exit code as a decimal number.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn leave(mut self, exit: ExitCode) -> io::Result<()> {
        self.write(exit)
    }

    /// Leaves nothing: the file is another's.
    pub fn forget(mut self) {
        self.is_left = true;
    }

    fn write(&mut self, exit: ExitCode) -> io::Result<()> {
        self.is_left = true;
        let folder = self.path.parent().filter(|it| !it.as_os_str().is_empty());
        let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        writeln!(file, "{}", exit.code())?;
        file.persist(&self.path).map_err(|error| error.error)?;
        Ok(())
    }
}

impl Drop for ExitFile {
    fn drop(&mut self) {
        if !self.is_left {
            let _ = self.write(ExitCode::Bug);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_holds_the_code_and_a_panic_is_a_defect() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("exit");
        let file = ExitFile::new(path.clone());
        assert!(!path.exists());
        file.leave(ExitCode::MoreToDo).expect("a disk");
        assert_eq!(std::fs::read_to_string(&path).expect("a file"), "75\n");
        drop(ExitFile::new(path.clone()));
        assert_eq!(std::fs::read_to_string(&path).expect("a file"), "70\n");
        let other = folder.path().join("other");
        ExitFile::new(other.clone()).forget();
        assert!(!other.exists());
        let absent = folder.path().join("absent/exit");
        assert!(ExitFile::new(absent).leave(ExitCode::Ok).is_err());
        assert_eq!(
            std::fs::read_dir(folder.path()).expect("a folder").count(),
            1
        );
    }
}
