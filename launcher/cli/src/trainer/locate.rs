//! Where `schliff-trainer` is.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use schliff_spec::exit::ExitCode;

use crate::outcome::CliError;

/// Names another trainer program, for tests and packagers.
const OVERRIDE: &str = "SCHLIFF_TRAINER";
const NAME: &str = "schliff-trainer";

/// The trainer program: what `SCHLIFF_TRAINER` names, else the file beside this program.
pub(crate) fn trainer() -> Result<PathBuf, CliError> {
    let own = std::env::current_exe().map_err(|error| {
        CliError::bug("cannot find the path of the running program").caused_by(error)
    })?;
    locate(std::env::var_os(OVERRIDE).as_deref(), &own)
}

fn locate(named: Option<&OsStr>, own: &Path) -> Result<PathBuf, CliError> {
    if let Some(path) = named.filter(|path| !path.is_empty()).map(PathBuf::from) {
        if path.is_file() {
            return Ok(path);
        }
        let error = format!("{OVERRIDE} names {}, which is no file", path.display());
        return Err(CliError::usage(error).hint(format!("unset {OVERRIDE} or correct it")));
    }
    // A link to the program, as in ~/bin, must still find the trainer beside the real file.
    let real = own.canonicalize().unwrap_or_else(|_| own.to_owned());
    let path = real.with_file_name(NAME);
    if path.is_file() {
        return Ok(path);
    }
    let folder = real.parent().unwrap_or(Path::new(".")).display();
    Err(CliError::new(
        ExitCode::Usage,
        format!("{NAME} is not beside schliff in {folder}"),
    )
    .hint(format!("make build; or set {OVERRIDE} to its path")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trainer_is_beside_the_program_unless_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let own = folder.path().join("schliff");
        let missing = locate(None, &own).expect_err("nothing is there").render();
        assert!(missing.contains("make build"), "{missing}");

        let beside = folder.path().join(NAME);
        std::fs::write(&beside, "").expect("a file");
        assert_eq!(locate(None, &own).expect("beside"), beside);

        let other = folder.path().join("other");
        let wrong = locate(Some(other.as_os_str()), &own)
            .expect_err("named, not there")
            .render();
        assert!(wrong.contains(OVERRIDE), "{wrong}");
        std::fs::write(&other, "").expect("a file");
        assert_eq!(locate(Some(other.as_os_str()), &own).expect("named"), other);
    }
}
