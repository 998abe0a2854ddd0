//! Digests of model files, for lineage.

use std::fmt::Write;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::mapped::MappedFile;

/// See [`super::BaseWeights::digest`].
pub(super) fn of_files(files: &[MappedFile]) -> String {
    let digests: Vec<String> = files
        .par_iter()
        .map(|file| hex(&Sha256::digest(&file[..])))
        .collect();
    if let [only] = digests.as_slice() {
        return only.clone();
    }
    let mut listing = String::new();
    for (file, digest) in files.iter().zip(&digests) {
        let name = file
            .path()
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        listing.push_str(&format!("{digest}  {name}\n"));
    }
    hex(&Sha256::digest(listing.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
