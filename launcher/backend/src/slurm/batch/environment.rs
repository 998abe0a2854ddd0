//! Variables of the environment, as lines for a shell. Pure.
//!
//! Rules: only names that are names; any value. Absent on purpose: which of them are secrets: their
//! file is its owner's alone.

use super::ScriptError;
use super::body::quoted;
use crate::launch::Launch;

/// The file `environment` of an attempt: a line for each variable of the launch.
///
/// # Errors
/// A name is none, or a value has a NUL character.
pub fn environment(launch: &Launch) -> Result<String, ScriptError> {
    lines("", &launch.env)
}

/// A line for each variable, such as `export NAME='value'`.
pub(super) fn lines(before: &str, variables: &[(String, String)]) -> Result<String, ScriptError> {
    let mut text = String::new();
    for (name, value) in variables {
        let value = quoted(&format!("the variable {name}"), value)?;
        text.push_str(&format!("{before}{}={value}\n", checked(name)?));
    }
    Ok(text)
}

fn checked(name: &str) -> Result<&str, ScriptError> {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if begins && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Ok(name);
    }
    Err(ScriptError::Word {
        what: "the name of a variable",
        text: name.to_owned(),
        why: "expected letters, digits and _, the first no digit",
    })
}
