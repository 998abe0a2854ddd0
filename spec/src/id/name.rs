//! Names of clusters and of their nodes.
//!
//! Rules: ASCII letters, digits, `.`, `_` and `-`, the first a letter or digit: neither an option
//! nor a hidden file nor a way out of a folder. Absent on purpose: whether anything has that name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::IdError;

/// A cluster, as its profile calls it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterName(String);

/// A node, as its cluster calls it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeName(String);

impl ClusterName {
    /// This machine's, where no profile says otherwise.
    pub fn local() -> Self {
        Self("local".to_owned())
    }
}

macro_rules! checked_name {
    ($name:ident, $what:literal, $most:literal) => {
        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                check(&text, $what, $most)?;
                Ok(Self(text))
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

// The lengths are those of a DNS label and of a DNS name.
checked_name!(ClusterName, "cluster name", 63);
checked_name!(NodeName, "node name", 253);

fn check(text: &str, what: &'static str, most: usize) -> Result<(), IdError> {
    let bytes = text.len();
    if bytes == 0 || bytes > most {
        return Err(IdError::NameLength { what, bytes, most });
    }
    let is_inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let begins_well = text.as_bytes()[0].is_ascii_alphanumeric();
    if begins_well && text.bytes().all(is_inner) {
        return Ok(());
    }
    let text = text.to_owned();
    Err(IdError::NameCharacter { what, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_machines_are_names() {
        for text in ["local", "juwels-booster", "jwb0001.juwels", "a", "9_x"] {
            assert_eq!(text.parse::<ClusterName>().unwrap().to_string(), text);
            assert_eq!(text.parse::<NodeName>().unwrap().as_str(), text);
        }
        assert!("n".repeat(63).parse::<ClusterName>().is_ok());
        assert!("n".repeat(253).parse::<NodeName>().is_ok());
    }

    #[test]
    fn other_texts_are_no_names() {
        for text in [
            "", ".", "..", "-x", "_x", "a/b", "a b", "a\n", "köln", "a;b",
        ] {
            assert!(text.parse::<ClusterName>().is_err(), "{text:?}");
            let json = serde_json::to_string(text).unwrap();
            assert!(serde_json::from_str::<NodeName>(&json).is_err(), "{text:?}");
        }
        let error = "n".repeat(64).parse::<ClusterName>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot use a cluster name of 64 characters: expected 1 to 63"
        );
        assert!("n".repeat(254).parse::<NodeName>().is_err());
    }
}
