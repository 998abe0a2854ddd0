//! Whole-system, layer and tidy tests live in `tests/tests`; this library holds what they share.

pub mod desk;
pub mod ranks;
pub mod running;
pub mod serving;
pub mod weed;

use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn repository_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent()
        .map_or_else(|| here.to_owned(), Path::to_owned)
}
