//! SHA-256 digests and their hexadecimal form.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use thiserror::Error;

/// Bytes of a digest.
const BYTES: usize = 32;

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256([u8; BYTES]);

/// Says which job a checkpoint belongs to: a digest over all that decides the trained bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobDigest(Sha256);

/// A text is no SHA-256 digest.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("not a SHA-256 digest in 64 lower-case hexadecimal digits: {0:?}")]
pub struct NotADigest(String);

impl Sha256 {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }
}

impl JobDigest {
    /// The digest of a text that holds all that decides the trained bits.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::of(bytes))
    }

    /// Enough of it for people and for names of objects.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for JobDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Sha256 {
    type Err = NotADigest;

    /// Only the form that [`fmt::Display`] writes: one digest has one text.
    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let digits: Option<Vec<u8>> = text
            .bytes()
            .map(|digit| match digit {
                b'0'..=b'9' => Some(digit - b'0'),
                b'a'..=b'f' => Some(digit - b'a' + 10),
                _ => None,
            })
            .collect();
        let bytes = digits.and_then(|digits| {
            let pairs = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]);
            <[u8; BYTES]>::try_from(pairs.collect::<Vec<_>>())
                .ok()
                .filter(|_| digits.len() == 2 * BYTES)
        });
        bytes.map(Self).ok_or_else(|| NotADigest(text.to_owned()))
    }
}

impl FromStr for JobDigest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        text.parse().map(Self)
    }
}

impl TryFrom<String> for Sha256 {
    type Error = NotADigest;

    fn try_from(text: String) -> Result<Self, NotADigest> {
        text.parse()
    }
}

impl From<Sha256> for String {
    fn from(digest: Sha256) -> Self {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-2, appendix B.1.
    const OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn the_digest_of_the_standards_example() {
        assert_eq!(Sha256::of(b"abc").to_string(), OF_ABC);
        assert_eq!(OF_ABC.parse(), Ok(Sha256::of(b"abc")));
    }

    #[test]
    fn one_digest_has_one_text() {
        for text in [
            "",
            "ab",
            &OF_ABC[1..],
            &OF_ABC.to_uppercase(),
            &format!("{OF_ABC}0"),
        ] {
            assert_eq!(text.parse::<Sha256>(), Err(NotADigest(text.to_owned())));
        }
    }
}
