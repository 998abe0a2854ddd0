//! Words for a POSIX shell.
//!
//! Rules: what comes out is one word that means exactly the text, wherever a command or an argument
//! may stand; harmless words stay as they are, so that a script can be read. Absent on purpose:
//! anything that a shell would look into, such as variables.

/// A text that no shell can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuoteError {
    /// Words of a shell end at a NUL character.
    #[error("cannot write a text with a NUL character into a shell script")]
    Nul,
}

/// Words that mean something to a shell where a command may stand.
const RESERVED: &[&str] = &[
    "case", "coproc", "do", "done", "elif", "else", "esac", "fi", "for", "function", "if", "in",
    "select", "then", "time", "until", "while",
];

/// A word of the shell that means exactly this text.
///
/// # Errors
/// The text has a NUL character.
pub fn quote(text: &str) -> Result<String, QuoteError> {
    if text.contains('\0') {
        return Err(QuoteError::Nul);
    }
    if is_harmless(text) {
        return Ok(text.to_owned());
    }
    Ok(format!("'{}'", text.replace('\'', r"'\''")))
}

/// It means itself without quotes.
fn is_harmless(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"_-+.,:/@%".contains(&b);
    // `a=b` where a command may stand is an assignment, `--a=b` is not.
    let is_option = text.starts_with('-');
    let plain = text
        .bytes()
        .all(|b| is_plain(b) || (is_option && b == b'='));
    !text.is_empty() && plain && !RESERVED.contains(&text)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    /// What a shell makes of a word.
    fn read(word: &str) -> String {
        let script = format!("printf %s {word}");
        let output = Command::new("sh").args(["-c", &script]).output();
        String::from_utf8(output.expect("sh runs").stdout).expect("UTF-8")
    }

    #[test]
    fn harmless_words_stay_and_others_are_quoted() {
        for word in ["schliff", "/a/b-c_d.e", "--mem=0", "n[1]"] {
            let quoted = quote(word).expect("a word");
            assert_eq!(quoted == word, !word.contains('['), "{quoted}");
        }
        assert_eq!(quote("").expect("a word"), "''");
        assert_eq!(quote("a=b").expect("a word"), "'a=b'");
        assert_eq!(quote("done").expect("a word"), "'done'");
        assert_eq!(quote("it's").expect("a word"), r"'it'\''s'");
        assert_eq!(quote("a\0b"), Err(QuoteError::Nul));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_shell_reads_the_text(text in "[ -~äß\n\t~$`'\"\\\\]{0,40}") {
            let word = quote(&text).expect("no NUL");
            prop_assert_eq!(read(&word), text);
        }
    }
}
