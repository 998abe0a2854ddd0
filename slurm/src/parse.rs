//! What parsers of Slurm's words share: their error, and how absence is told.
//!
//! Rules: an error names the thing and the text that it was not found in; long texts are cut. `N/A`,
//! `(null)` and their like are absence, not errors.

/// Longest piece of a text that an error shows.
const LONGEST_CHARACTERS: usize = 160;

/// A text of Slurm that is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {what} from {text:?}: {why}")]
pub struct ParseError {
    /// What was expected, such as `a time`.
    pub what: &'static str,
    /// Where it was looked for.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

impl ParseError {
    /// An error about `text`.
    pub fn new(what: &'static str, text: &str, why: impl Into<String>) -> Self {
        let mut shown: String = text.chars().take(LONGEST_CHARACTERS).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        let why = why.into();
        Self {
            what,
            text: shown,
            why,
        }
    }
}

/// The word, unless it is one by which Slurm says that there is none.
pub(crate) fn told(word: &str) -> Option<&str> {
    let word = word.trim();
    let absent = [
        "", "(null)", "N/A", "n/a", "NONE", "None", "none", "Unknown",
    ];
    (!absent.contains(&word)).then_some(word)
}

/// A text, empty where Slurm says that there is none.
pub(crate) fn text(word: &str) -> String {
    let is_null = word == "(null)";
    if is_null {
        String::new()
    } else {
        word.to_owned()
    }
}

/// A count, which some commands shorten: `2K` is 2048. Signs of a smallest value (`8+`) are dropped.
pub(crate) fn count(what: &'static str, word: &str) -> Result<u64, ParseError> {
    let plain = word.trim().trim_end_matches('+');
    let (digits, unit) = match plain.char_indices().last() {
        Some((at, 'K' | 'k')) => (&plain[..at], 1 << 10),
        Some((at, 'M' | 'm')) => (&plain[..at], 1 << 20),
        Some((at, 'G' | 'g')) => (&plain[..at], 1 << 30),
        Some((at, 'T' | 't')) => (&plain[..at], 1 << 40),
        _ => (plain, 1),
    };
    let broken = || ParseError::new(what, word, "expected a count");
    if let Ok(whole) = digits.parse::<u64>() {
        return whole.checked_mul(unit).ok_or_else(broken);
    }
    let part: f64 = digits.parse().map_err(|_| broken())?;
    let scaled = part * unit as f64;
    let fits = (0.0..1e15).contains(&scaled);
    if fits {
        Ok(scaled as u64)
    } else {
        Err(broken())
    }
}

/// The same where it must fit 32 bits.
pub(crate) fn small_count(what: &'static str, word: &str) -> Result<u32, ParseError> {
    let broken = |_| ParseError::new(what, word, "too large");
    u32::try_from(count(what, word)?).map_err(broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_with_and_without_units() {
        for (word, expected) in [
            ("4", 4),
            ("2K", 2048),
            ("1.5K", 1536),
            ("8+", 8),
            ("3M", 3 << 20),
        ] {
            assert_eq!(count("a count", word), Ok(expected), "{word}");
        }
        for broken in [
            "",
            "x",
            "K",
            "-1",
            "NaN",
            "inf",
            "1e300",
            "99999999999999999999",
            "4é",
        ] {
            assert!(count("a count", broken).is_err(), "{broken}");
        }
        assert!(small_count("a count", "5000000000").is_err());
    }

    #[test]
    fn an_error_shows_the_beginning_of_a_long_text() {
        let error = ParseError::new("a time", &"ü".repeat(1000), "no");
        assert_eq!(error.text.chars().count(), LONGEST_CHARACTERS + 1);
    }
}
