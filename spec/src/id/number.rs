//! Ids that are numbers, and the key that two of them make.
//!
//! Rules: see the parent module; what is printed is read back as the same value, and nothing else
//! is read at all. Absent on purpose: arithmetic, except that a generation has a next one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::IdError;

/// A job of a coordinator.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct JobId(pub u64);

/// One attempt at a job; it only grows, so that word from an earlier attempt is told by it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl Generation {
    /// The attempt after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        // One attempt a nanosecond would take five centuries to come to the end.
        Self(self.0.saturating_add(1))
    }
}

/// So many optimizer updates since the beginning of a job.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Step(pub u64);

/// What an attempt is called at a back-end: written as `schliff-42-3`, which is a Kubernetes name,
/// a Slurm job name and the name of a folder.
///
/// It is decided before anything is submitted, so that a submission whose reply was lost is found
/// again by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubmitKey {
    /// The job.
    pub job: JobId,
    /// Which attempt at it.
    pub generation: Generation,
}

/// What every submit key begins with.
const PREFIX: &str = "schliff-";

macro_rules! reads_and_prints_as_number {
    ($id:ident, $what:literal) => {
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $id {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                canonical(text).map(Self).ok_or_else(|| IdError::Number {
                    what: $what,
                    text: text.to_owned(),
                })
            }
        }
    };
}

reads_and_prints_as_number!(JobId, "job id");
reads_and_prints_as_number!(Generation, "generation");
reads_and_prints_as_number!(Step, "step");

impl fmt::Display for SubmitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{PREFIX}{}-{}", self.job, self.generation))
    }
}

impl FromStr for SubmitKey {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let numbers = text.strip_prefix(PREFIX).and_then(|rest| {
            let (job, generation) = rest.split_once('-')?;
            Some((canonical(job)?, canonical(generation)?))
        });
        let (job, generation) = numbers.ok_or_else(|| IdError::SubmitKey {
            text: text.to_owned(),
        })?;
        Ok(Self {
            job: JobId(job),
            generation: Generation(generation),
        })
    }
}

impl Serialize for SubmitKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SubmitKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The number that is printed as exactly this text.
fn canonical(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_are_printed_as_their_number() {
        assert_eq!(JobId(42).to_string(), "42");
        assert_eq!(Generation(3).next().to_string(), "4");
        assert_eq!(Generation(u64::MAX).next(), Generation(u64::MAX));
        assert_eq!("42".parse(), Ok(JobId(42)));
        assert_eq!(serde_json::to_string(&Step(7)).unwrap(), "7");
        assert_eq!(serde_json::from_str::<JobId>("42").unwrap(), JobId(42));
    }

    #[test]
    fn a_number_has_one_spelling() {
        for text in [
            "",
            "+1",
            "-1",
            "01",
            " 1",
            "1 ",
            "1e3",
            "18446744073709551616",
            "٣",
        ] {
            let error = text.parse::<JobId>().unwrap_err();
            let message = error.to_string();
            assert!(
                message.contains(&format!("`{text}` as a job id")),
                "{message}"
            );
        }
    }

    #[test]
    fn a_submit_key_has_one_spelling() {
        for text in [
            "",
            "schliff",
            "schliff-",
            "schliff-42",
            "schliff-42-",
            "schliff--3",
            "schliff-42-3-1",
            "schliff-042-3",
            "schliff-42-+3",
            "Schliff-42-3",
            "schliff-42-3\n",
            "schliff-42-18446744073709551616",
        ] {
            assert!(text.parse::<SubmitKey>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn submit_keys_round_trip(job: u64, generation: u64) {
            let key = SubmitKey { job: JobId(job), generation: Generation(generation) };
            let text = key.to_string();
            prop_assert_eq!(text.parse(), Ok(key));
            let json = serde_json::to_string(&key).unwrap();
            prop_assert_eq!(serde_json::from_str::<SubmitKey>(&json).unwrap(), key);
            // RFC 1123 labels are what Kubernetes takes.
            prop_assert!(text.len() <= 63);
            prop_assert!(text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
        }

        #[test]
        fn what_is_read_is_printed_the_same(text in "schliff-[0-9]{1,3}-[0-9]{1,3}") {
            if let Ok(key) = text.parse::<SubmitKey>() {
                prop_assert_eq!(key.to_string(), text);
            }
        }
    }
}
