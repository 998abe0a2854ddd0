//! The manifest: what a checkpoint is made of, with a digest of itself.
//!
//! Its file is JSON of a fixed outer form, `{"sha256":"…",⏎"manifest":{…}}⏎`, the digest being that of
//! the bytes between the colon and the last brace. So no byte of the file can change unnoticed.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Snapshot, Verdict, key};
use crate::{JobDigest, Sha256};

/// The form that this version writes and reads.
pub(super) const FORMAT: &str = "schliff-checkpoint-1";

const BEFORE_DIGEST: &str = "{\"sha256\":\"";
const AFTER_DIGEST: &str = "\",\n\"manifest\":";
const END: &str = "}\n";

/// What a checkpoint says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Form of the checkpoint.
    pub format: String,
    /// Optimizer steps that it holds.
    pub step: u64,
    /// Generation of the attempt that wrote it.
    pub generation: u64,
    /// The job it belongs to.
    pub job: JobDigest,
    /// [`Snapshot::state`].
    pub state: Value,
    /// Its parts.
    pub parts: Vec<PartEntry>,
    /// When it was written, in milliseconds since 1970.
    pub written_at_unix_ms: u64,
    /// Version of the program that wrote it.
    pub writer: String,
}

/// A part as a manifest names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartEntry {
    /// Name of the part.
    pub name: String,
    /// Its object below the store's prefix.
    pub key: String,
    /// Its size.
    pub bytes: u64,
    /// Its digest.
    pub sha256: Sha256,
}

impl Manifest {
    /// The manifest of a snapshot; every part is hashed, once.
    pub(super) fn of(snapshot: &Snapshot, generation: u64, written_at_unix_ms: u64) -> Self {
        let entry = |part: &super::Part| {
            let sha256 = Sha256::of(&part.bytes);
            PartEntry {
                name: part.name.to_owned(),
                key: key::part(&snapshot.job, snapshot.step, part.name, &sha256),
                bytes: part.bytes.len() as u64,
                sha256,
            }
        };
        Self {
            format: FORMAT.to_owned(),
            step: snapshot.step,
            generation,
            job: snapshot.job,
            state: snapshot.state.clone(),
            parts: snapshot.parts.iter().map(entry).collect(),
            written_at_unix_ms,
            writer: format!("schliff {}", env!("CARGO_PKG_VERSION")),
        }
    }

    /// Size of all parts.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }

    /// Whether both hold the same state, whoever wrote it and when.
    pub(super) fn has_the_state_of(&self, other: &Self) -> bool {
        (self.step, &self.job, &self.state, &self.parts)
            == (other.step, &other.job, &other.state, &other.parts)
    }

    /// The file.
    pub(super) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let body = serde_json::to_string_pretty(self)?;
        let digest = Sha256::of(body.as_bytes());
        Ok(format!("{BEFORE_DIGEST}{digest}{AFTER_DIGEST}{body}{END}").into_bytes())
    }

    /// Reads the file of the manifest of `step`.
    pub(super) fn decode(file: &[u8], step: u64) -> Result<Self, Verdict> {
        let unreadable = |reason: &str| Verdict::Unreadable {
            reason: reason.to_owned(),
        };
        if file.is_empty() {
            return Err(Verdict::Torn {
                reason: "its manifest is empty".into(),
            });
        }
        let text = str::from_utf8(file).map_err(|_| unreadable("its manifest is no text"))?;
        let (digest, body) =
            split(text).ok_or_else(|| unreadable("its manifest has not the form of one"))?;
        if digest != Sha256::of(body.as_bytes()) {
            return Err(Verdict::Tampered {
                reason: "its manifest is not what its digest says".into(),
            });
        }
        let format: Format =
            serde_json::from_str(body).map_err(|_| unreadable("its manifest names no format"))?;
        if format.format != FORMAT {
            return Err(Verdict::UnknownFormat {
                format: format.format,
            });
        }
        let manifest: Self = serde_json::from_str(body)
            .map_err(|error| unreadable(&format!("its manifest: {error}")))?;
        if manifest.step != step {
            return Err(Verdict::Tampered {
                reason: format!("its manifest is that of step {}", manifest.step),
            });
        }
        Ok(manifest)
    }
}

/// What every version's manifest holds.
#[derive(Deserialize)]
struct Format {
    format: String,
}

/// Digest and body of the file.
fn split(text: &str) -> Option<(Sha256, &str)> {
    let rest = text.strip_prefix(BEFORE_DIGEST)?;
    let (digest, rest) = rest.split_once(AFTER_DIGEST)?;
    Some((digest.parse().ok()?, rest.strip_suffix(END)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Part;
    use serde_json::json;

    fn snapshot() -> Snapshot {
        let part = |name, bytes: &'static [u8]| Part {
            name,
            bytes: bytes.into(),
        };
        Snapshot {
            step: 12,
            job: JobDigest::of(b"job"),
            state: json!({"cursor": 96, "share": 0.1, "text": "ä"}),
            parts: vec![part("adapter", b"abc"), part("moments", b"")],
        }
    }

    #[test]
    fn a_manifest_reads_back_and_is_json() {
        let manifest = Manifest::of(&snapshot(), 3, 1_700_000_000_000);
        let file = manifest.encode().expect("JSON");
        assert_eq!(Manifest::decode(&file, 12), Ok(manifest));
        let json: Value = serde_json::from_slice(&file).expect("JSON");
        assert_eq!(json["manifest"]["parts"][0]["bytes"], 3);
    }

    #[test]
    fn writer_and_time_are_not_part_of_the_state() {
        let one = Manifest::of(&snapshot(), 1, 1);
        assert!(one.has_the_state_of(&Manifest::of(&snapshot(), 2, 9)));
        let mut other = snapshot();
        other.parts[1].bytes = b"x".as_slice().into();
        assert!(!one.has_the_state_of(&Manifest::of(&other, 1, 1)));
    }

    #[test]
    fn no_byte_of_the_file_can_change_unnoticed() {
        let manifest = Manifest::of(&snapshot(), 3, 1);
        let file = manifest.encode().expect("JSON");
        for at in 0..file.len() {
            for bit in 0..8 {
                let mut changed = file.clone();
                changed[at] ^= 1 << bit;
                assert!(
                    Manifest::decode(&changed, 12).is_err(),
                    "byte {at} bit {bit}"
                );
            }
            assert!(Manifest::decode(&file[..at], 12).is_err(), "{at} bytes");
        }
    }

    #[test]
    fn a_manifest_in_anothers_place_and_one_of_another_version_are_passed_over() {
        let mut manifest = Manifest::of(&snapshot(), 3, 1);
        let file = manifest.encode().expect("JSON");
        let Err(verdict) = Manifest::decode(&file, 13) else {
            panic!("taken for step 13");
        };
        assert_eq!(
            verdict.to_string(),
            "tampered: its manifest is that of step 12"
        );
        manifest.format = "schliff-checkpoint-2".into();
        let file = manifest.encode().expect("JSON");
        let format = "schliff-checkpoint-2".into();
        assert_eq!(
            Manifest::decode(&file, 12),
            Err(Verdict::UnknownFormat { format })
        );
    }
}
