//! A shared library of others, loaded to be asked a few questions.

use std::ffi::{CStr, OsStr};

use libloading::Library;

/// A library that is there.
pub(super) struct Shared {
    library: Library,
    /// The name that found it.
    pub(super) name: String,
}

impl Shared {
    /// The first of these names that can be loaded, or what the system's loader said to each.
    pub(super) fn open<S: AsRef<OsStr>>(names: &[S]) -> Result<Self, String> {
        let mut said = Vec::new();
        for name in names {
            let name = name.as_ref();
            // SAFETY: loading runs the library's initialisers; these are the drivers and libraries
            // that training itself would load.
            match unsafe { Library::new(name) } {
                Ok(library) => {
                    let name = name.to_string_lossy().into_owned();
                    return Ok(Self { library, name });
                }
                Err(error) => {
                    let source = std::error::Error::source(&error);
                    said.push(source.map_or_else(|| error.to_string(), ToString::to_string));
                }
            }
        }
        Err(said.join("; "))
    }

    /// One of its functions.
    ///
    /// # Safety
    /// `T` is the function's type, and the function is not called after the library is dropped.
    pub(super) unsafe fn function<T: Copy>(&self, name: &CStr) -> Option<T> {
        // SAFETY: as the caller says.
        let found = unsafe { self.library.get::<T>(name) };
        found.ok().map(|symbol| *symbol)
    }
}

/// Whether the system's loader says that there is no such file, and not that it cannot be loaded.
pub(super) fn is_missing(said: &str) -> bool {
    said.split("; ").all(|said| said.contains("No such file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_from_what_cannot_be_loaded() {
        let missing = Shared::open(&["libnowhere.so.1", "/nowhere/lib.so"]);
        let missing = missing.err().expect("nothing there");
        assert!(is_missing(&missing), "{missing}");

        let folder = tempfile::tempdir().expect("a folder");
        let torn = folder.path().join("torn.so");
        std::fs::write(&torn, "not a library").expect("written");
        let torn = Shared::open(&[torn]).err().expect("no library");
        assert!(!is_missing(&torn), "{torn}");
    }
}
