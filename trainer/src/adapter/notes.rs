//! What an adapter folder says beyond PEFT: how training held the base that the adapter belongs to.
//!
//! `W + s B A` fits only the `W` that training saw. A base in blocks or in halves has other values
//! than its file, and `adapter_config.json` has no key for that, so a small file lies beside it, which
//! PEFT does not look at. Rules: a folder without it was trained in 32 bits, as all of PEFT's own are
//! taken to be; a file of another version is an error, never a guess.

use std::path::Path;

use schliff_weights::WeightsError;
use schliff_weights::adapter::{NOTES, read_notes};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::model::holding::Holding;

/// Version of the file's form.
const VERSION: u32 = 1;

/// The notes cannot be used.
#[derive(Debug, Error)]
pub(crate) enum NotesError {
    /// The file.
    #[error(transparent)]
    File(#[from] WeightsError),
    /// What is in it.
    #[error("{folder}/{NOTES} is not understood: {problem}")]
    Form { folder: String, problem: String },
}

#[derive(Serialize, Deserialize)]
struct Notes {
    version: u32,
    base: Holding,
}

/// The file's content; `None` where there is nothing to say.
pub(crate) fn notes_of(holding: Holding) -> Option<String> {
    let notes = Notes {
        version: VERSION,
        base: holding,
    };
    let is_told = holding != Holding::default();
    // Plain words and numbers are JSON, always.
    is_told
        .then(|| serde_json::to_string(&notes).ok())
        .flatten()
        .map(|text| text + "\n")
}

/// How training held the base of the adapter in a folder.
pub(crate) fn holding_of(folder: &Path) -> Result<Holding, NotesError> {
    match read_notes(folder)? {
        None => Ok(Holding::default()),
        Some(bytes) => parse(&bytes).map_err(|problem| NotesError::Form {
            folder: folder.display().to_string(),
            problem,
        }),
    }
}

fn parse(bytes: &[u8]) -> Result<Holding, String> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let read = serde_json::from_slice(bytes).map(|Version { version }| version);
    match read.map_err(|error| error.to_string())? {
        VERSION => {}
        other => return Err(format!("its version is {other}, known is {VERSION}")),
    }
    let notes: Notes = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    Ok(notes.base)
}

#[cfg(test)]
mod tests {
    use schliff_spec::job::{Precision, Quantization};

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(notes_of(Holding::default()), None);
        let holding = Holding {
            precision: Precision::Bf16Mixed,
            quantization: Quantization::Nf4,
        };
        let text = notes_of(holding).expect("something to say");
        assert_eq!(
            text,
            "{\"version\":1,\"base\":{\"precision\":\"bf16_mixed\",\"quantization\":\"nf4\"}}\n"
        );
        assert_eq!(parse(text.as_bytes()), Ok(holding));
    }

    #[test]
    fn another_version_is_no_guess() {
        let error = parse(br#"{"version":2,"base":{"half":"a"}}"#).expect_err("of the future");
        assert_eq!(error, "its version is 2, known is 1");
        assert!(parse(b"{}").is_err() && parse(b"").is_err());
        let odd = br#"{"version":1,"base":{"precision":"f8","quantization":"none"}}"#;
        assert!(parse(odd).is_err());
    }
}
