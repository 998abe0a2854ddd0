//! Where the programs that compute are.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use schliff_spec::exit::ExitCode;

use crate::outcome::CliError;

/// A program that computes.
pub(super) struct Program {
    /// Its file, beside this program.
    name: &'static str,
    /// A variable that names another one, for tests and packagers.
    named_by: &'static str,
    /// How it comes to be.
    made_by: &'static str,
}

/// The trainer.
pub(super) const TRAINER: Program = Program {
    name: "schliff-trainer",
    named_by: "SCHLIFF_TRAINER",
    made_by: "make build",
};
/// The trainer that is linked with an MPI library.
pub(super) const MPI_TRAINER: Program = Program {
    name: "schliff-trainer-mpi",
    named_by: "SCHLIFF_TRAINER_MPI",
    made_by: "make build-mpi",
};

/// What the program's variable names, else the file beside this program.
pub(super) fn find(program: &Program) -> Result<PathBuf, CliError> {
    let own = std::env::current_exe().map_err(|error| {
        CliError::bug("cannot find the path of the running program").caused_by(error)
    })?;
    locate(program, std::env::var_os(program.named_by).as_deref(), &own)
}

fn locate(program: &Program, named: Option<&OsStr>, own: &Path) -> Result<PathBuf, CliError> {
    let Program {
        name,
        named_by,
        made_by,
    } = program;
    if let Some(path) = named.filter(|path| !path.is_empty()).map(PathBuf::from) {
        if path.is_file() {
            return Ok(path);
        }
        let error = format!("{named_by} names {}, which is no file", path.display());
        return Err(CliError::usage(error).hint(format!("unset {named_by} or correct it")));
    }
    // A link to the program, as in ~/bin, must still find the trainer beside the real file.
    let real = own.canonicalize().unwrap_or_else(|_| own.to_owned());
    let path = real.with_file_name(name);
    if path.is_file() {
        return Ok(path);
    }
    let folder = real.parent().unwrap_or(Path::new(".")).display();
    let error = format!("{name} is not beside schliff in {folder}");
    Err(CliError::new(ExitCode::Usage, error)
        .hint(format!("{made_by}; or set {named_by} to its path")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trainer_is_beside_the_program_unless_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let own = folder.path().join("schliff");
        let missing = locate(&TRAINER, None, &own)
            .expect_err("nothing is there")
            .render();
        assert!(missing.contains("make build"), "{missing}");

        let beside = folder.path().join(TRAINER.name);
        std::fs::write(&beside, "").expect("a file");
        assert_eq!(locate(&TRAINER, None, &own).expect("beside"), beside);

        let other = folder.path().join("other");
        let wrong = locate(&TRAINER, Some(other.as_os_str()), &own)
            .expect_err("named, not there")
            .render();
        assert!(wrong.contains(TRAINER.named_by), "{wrong}");
        std::fs::write(&other, "").expect("a file");
        assert_eq!(
            locate(&TRAINER, Some(other.as_os_str()), &own).expect("named"),
            other
        );
    }
}
