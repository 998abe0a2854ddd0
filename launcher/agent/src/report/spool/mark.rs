//! What was taken of a spool, beside it: `….taken` holds one decimal number.
//!
//! Rules: written by a rename, so that it is there whole or not at all; one that cannot be read says
//! nothing, and costs that news are sent again.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What the mark's name ends with.
pub(crate) const TAKEN: &str = ".taken";

/// The mark of a spool file.
pub(crate) fn mark_of(spool: &Path) -> PathBuf {
    let mut name = spool.as_os_str().to_owned();
    name.push(TAKEN);
    PathBuf::from(name)
}

/// The number in a mark's text.
pub(crate) fn parse_mark(text: &[u8]) -> Option<u64> {
    str::from_utf8(text).ok()?.trim().parse().ok()
}

/// What a mark says.
pub(crate) fn read_mark(mark: &Path) -> Option<u64> {
    parse_mark(&fs::read(mark).ok()?)
}

/// Leaves a mark that all up to `taken` were taken.
///
/// # Errors
/// The disk refuses.
pub(crate) fn leave_mark(mark: &Path, taken: u64) -> io::Result<()> {
    let folder = mark.parent().unwrap_or(Path::new("."));
    let mut fresh = tempfile::NamedTempFile::new_in(folder)?;
    writeln!(fresh, "{taken}")?;
    fresh.as_file().sync_all()?;
    fresh.persist(mark).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_left_and_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let mark = mark_of(&folder.path().join("schliff-1-1-node0"));
        assert_eq!(read_mark(&mark), None);
        for taken in [7, u64::MAX] {
            leave_mark(&mark, taken).expect("a disk");
            assert_eq!(read_mark(&mark), Some(taken));
        }
        assert_eq!(
            mark.file_name().and_then(|name| name.to_str()),
            Some("schliff-1-1-node0.taken")
        );
        assert_eq!(parse_mark(b"12 apples"), None);
    }
}
