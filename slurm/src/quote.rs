//! Words for a POSIX shell.
//!
//! Rules: a quoted word is exactly that word for every POSIX shell, whatever it holds, also lines and
//! bytes that are special to a shell; what no shell can hold (NUL) is refused. Words that need no
//! quotes get none, so that scripts read well. Absent on purpose: splitting and expanding of words.

/// Why a word cannot be given to a shell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuoteError {
    /// No process can be given such a word.
    #[error("cannot give {word:?} to a shell: it holds a NUL character")]
    Nul {
        /// Its beginning.
        word: String,
    },
}

/// The longest beginning of a word that an error shows: some are whole files, and secret.
const SHOWN_CHARS: usize = 16;

/// The word as an argument for `sh`, or as a value after `NAME=`.
///
/// # Errors
/// [`QuoteError::Nul`].
pub fn quote(word: &str) -> Result<String, QuoteError> {
    if word.contains('\0') {
        let word = word.chars().take(SHOWN_CHARS).collect();
        return Err(QuoteError::Nul { word });
    }
    if !word.is_empty() && word.bytes().all(is_plain) {
        return Ok(word.to_owned());
    }
    Ok(format!("'{}'", word.replace('\'', r"'\''")))
}

/// Words, each quoted, with spaces between.
///
/// # Errors
/// [`QuoteError::Nul`].
pub fn join<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<String, QuoteError> {
    let quoted: Result<Vec<_>, _> = words.into_iter().map(quote).collect();
    Ok(quoted?.join(" "))
}

/// Means itself for every shell, wherever it stands in an argument.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-./:,@%+=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    /// What a shell makes of a script that prints.
    fn sh(script: &str) -> Vec<u8> {
        let output = Command::new("sh").arg("-c").arg(script).output();
        output.expect("sh runs").stdout
    }

    #[test]
    fn plain_words_stay_as_they_are() {
        assert_eq!(
            quote("--time=1-00:00:00").as_deref(),
            Ok("--time=1-00:00:00")
        );
    }

    #[test]
    fn the_rest_is_quoted() {
        assert_eq!(quote("").as_deref(), Ok("''"));
        assert_eq!(quote("a b").as_deref(), Ok("'a b'"));
        assert_eq!(quote("it's").as_deref(), Ok(r"'it'\''s'"));
        assert_eq!(quote("~").as_deref(), Ok("'~'"));
        assert_eq!(join(["echo", "$HOME"]).as_deref(), Ok("echo '$HOME'"));
    }

    #[test]
    fn nul_is_refused_and_a_secret_is_not_shown() {
        let long = format!("{}\0", "x".repeat(40));
        let error = quote(&long).expect_err("NUL").to_string();
        assert!(!error.contains(&"x".repeat(SHOWN_CHARS + 1)), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn a_shell_gives_back_the_same_words(
            words in prop::collection::vec("([^\0]|['\"\\\\$`!*~#\n\r; &|<>(){}-]){0,12}", 1..6),
        ) {
            let joined = join(words.iter().map(String::as_str)).expect("no NUL");
            let printed = sh(&format!("printf '<%s>' {joined}"));
            let expected: String = words.iter().map(|word| format!("<{word}>")).collect();
            prop_assert_eq!(String::from_utf8_lossy(&printed), expected);
        }
    }
}
