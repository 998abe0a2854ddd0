//! Values whose form differs between releases.
//!
//! Rules: an unknown form is not told, never an error; a list leaves out entries of a wrong form.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};

use crate::time::{Span, UnixSeconds};

/// From here up Slurm means "none" or "no limit" in 32 bits.
const LEAST_SPECIAL: f64 = 4_294_967_280.0;

/// A number: `5`, `null`, `"5"` or `{"set": true, "infinite": false, "number": 5}`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Number {
    /// It is not told.
    #[default]
    NotTold,
    /// Without a limit.
    Infinite,
    /// This one.
    Is(f64),
}

impl Number {
    /// The number, where it is one that fits.
    pub(super) fn count(self) -> Option<u32> {
        match self {
            Self::Is(number) if (0.0..LEAST_SPECIAL).contains(&number) => Some(number as u32),
            _ => None,
        }
    }

    /// The same with more room.
    pub(super) fn large(self) -> Option<u64> {
        match self {
            Self::Is(number) if (0.0..1e15).contains(&number) => Some(number as u64),
            _ => None,
        }
    }

    /// A point in time; 0 is none.
    pub(super) fn time(self) -> Option<UnixSeconds> {
        let seconds = self.large().filter(|seconds| *seconds > 0)?;
        i64::try_from(seconds).ok().map(UnixSeconds)
    }

    /// A length of time told in minutes.
    pub(super) fn minutes(self) -> Option<u32> {
        self.count()
    }

    fn of(number: f64) -> Self {
        if number < 0.0 || number >= LEAST_SPECIAL && number <= f64::from(u32::MAX) {
            return Self::Infinite;
        }
        if number.is_finite() {
            Self::Is(number)
        } else {
            Self::NotTold
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum NumberForm {
    Plain(f64),
    Text(String),
    Parts {
        #[serde(default)]
        set: Option<bool>,
        #[serde(default)]
        infinite: Option<bool>,
        #[serde(default)]
        number: Option<f64>,
    },
    Other(IgnoredAny),
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match NumberForm::deserialize(deserializer)? {
            NumberForm::Plain(number) => Self::of(number),
            NumberForm::Text(text) => of_text(&text),
            NumberForm::Parts {
                infinite: Some(true),
                ..
            } => Self::Infinite,
            NumberForm::Parts {
                set: Some(false), ..
            } => Self::NotTold,
            NumberForm::Parts { number, .. } => number.map_or(Self::NotTold, Self::of),
            NumberForm::Other(_) => Self::NotTold,
        })
    }
}

fn of_text(text: &str) -> Number {
    match (text.parse::<f64>(), Span::parse(text)) {
        (Ok(number), _) => Number::of(number),
        (_, Ok(Span::Unlimited)) => Number::Infinite,
        _ => Number::NotTold,
    }
}

/// A text; a number becomes one, everything else is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text(String);

impl Text {
    pub(super) fn into_text(self) -> String {
        self.0
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TextForm {
    Text(String),
    Number(serde_json::Number),
    Other(IgnoredAny),
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match TextForm::deserialize(deserializer)? {
            TextForm::Text(text) => crate::parse::text(&text),
            TextForm::Number(number) => number.to_string(),
            TextForm::Other(_) => String::new(),
        }))
    }
}

/// Words: a list of them, or one text in which commas divide them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Words(pub(super) Vec<String>);

impl Words {
    /// Whether one of them is this, in any case.
    pub(super) fn has(&self, word: &str) -> bool {
        self.0.iter().any(|own| own.eq_ignore_ascii_case(word))
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WordsForm {
    One(String),
    Many(Vec<Text>),
    Other(IgnoredAny),
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = match WordsForm::deserialize(deserializer)? {
            WordsForm::One(text) => text.split(',').map(|word| word.trim().to_owned()).collect(),
            WordsForm::Many(texts) => texts.into_iter().map(Text::into_text).collect(),
            WordsForm::Other(_) => Vec::new(),
        };
        let told = words.into_iter().filter(|word: &String| !word.is_empty());
        Ok(Self(told.collect()))
    }
}

/// A list of things; anything else is an empty one.
#[derive(Clone, Debug)]
pub(super) struct List<T>(pub(super) Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Entry<T> {
    Is(T),
    Other(IgnoredAny),
}

/// Reads a section of an answer; anything else but a section is an empty one.
pub(super) fn section<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(match Entry::deserialize(deserializer)? {
        Entry::Is(section) => section,
        Entry::Other(_) => T::default(),
    })
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entries: Vec<Entry<T>> = section(deserializer)?;
        let known = entries.into_iter().filter_map(|entry| match entry {
            Entry::Is(entry) => Some(entry),
            Entry::Other(_) => None,
        });
        Ok(Self(known.collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(json: &str) -> Number {
        serde_json::from_str(json).expect("any form")
    }

    #[test]
    fn numbers_of_all_forms() {
        for (json, expected) in [
            ("5", Number::Is(5.0)),
            ("\"5\"", Number::Is(5.0)),
            ("null", Number::NotTold),
            ("[]", Number::NotTold),
            ("-1", Number::Infinite),
            ("4294967295", Number::Infinite),
            ("\"UNLIMITED\"", Number::Infinite),
            (
                r#"{"set":true,"infinite":false,"number":5}"#,
                Number::Is(5.0),
            ),
            (
                r#"{"set":false,"infinite":true,"number":0}"#,
                Number::Infinite,
            ),
            (
                r#"{"set":false,"infinite":false,"number":0}"#,
                Number::NotTold,
            ),
        ] {
            assert_eq!(number(json), expected, "{json}");
        }
        assert_eq!(
            number("1795646240").time(),
            Some(UnixSeconds(1_795_646_240))
        );
        assert_eq!((number("0").time(), number("0").count()), (None, Some(0)));
    }

    #[test]
    fn words_and_lists_of_all_forms() {
        let words = |json: &str| serde_json::from_str::<Words>(json).expect("any form").0;
        assert_eq!(words(r#"["A","B"]"#), ["A", "B"]);
        assert_eq!(words("\"a, b\""), ["a", "b"]);
        assert!(words("null").is_empty() && words("\"\"").is_empty());
        let list = |json: &str| serde_json::from_str::<List<u8>>(json).expect("a list").0;
        assert_eq!(list("[1,\"x\",300,2]"), [1, 2]);
        assert!(list("null").is_empty() && list(r#"{"a":1}"#).is_empty());
    }
}
