//! A batch job as the script that `sbatch` takes. Pure.
//!
//! Rules: `sbatch` reads `#SBATCH` lines by rules of its own: quotes group, a backslash escapes, `#`
//! begins a comment. A value reaches it as it is, or is refused. `sbatch` also looks for the lines of
//! other batch systems, anywhere in the script: a body that has any is refused. Absent on purpose:
//! what the body does.

use super::Batch;
use super::directives::{Directive, directives};

/// Why there can be no script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// A value that no line can hold.
    #[error("cannot ask Slurm for {option} `{value}`: {why}")]
    Value {
        /// The option.
        option: String,
        /// Its value, with signs in place of control characters.
        value: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A line of the body that `sbatch` takes for an option.
    #[error("cannot put the line `{line}` into a batch script: sbatch takes it for an option")]
    Option {
        /// The line.
        line: String,
    },
    /// A body that is no text for a shell.
    #[error("cannot put a text with a NUL character into a batch script")]
    Nul,
    /// Nothing is asked for.
    #[error("cannot ask Slurm for {what}: expected at least 1")]
    Nothing {
        /// What there is none of.
        what: &'static str,
    },
}

/// Lines that begin so are options of `sbatch`, wherever they stand.
const FOREIGN: &[&str] = &["#PBS", "#BSUB"];

/// The script, as `sbatch` takes it.
///
/// # Errors
/// A value cannot be written so that it means itself.
pub fn render(batch: &Batch) -> Result<String, BatchError> {
    check(batch)?;
    let mut text = String::from("#!/bin/bash\n");
    for directive in directives(batch) {
        text.push_str("#SBATCH ");
        text.push_str(&line(&directive)?);
        text.push('\n');
    }
    text.push('\n');
    text.push_str(&batch.body);
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

fn check(batch: &Batch) -> Result<(), BatchError> {
    let ask = &batch.ask;
    let amounts = [
        ("nodes", Some(ask.nodes)),
        ("tasks on a node", Some(ask.tasks_per_node)),
        ("cores of a task", ask.cpus_per_task),
        ("minutes", ask.time_min),
        ("GPUs", ask.gpus.as_ref().map(|gpus| gpus.count)),
    ];
    if let Some((what, _)) = amounts.iter().find(|(_, amount)| *amount == Some(0)) {
        return Err(BatchError::Nothing { what });
    }
    if batch.body.contains('\0') {
        return Err(BatchError::Nul);
    }
    let mut lines = batch.body.lines();
    let foreign = lines.find(|line| FOREIGN.iter().any(|word| line.starts_with(word)));
    // Until the first command, they are read as if they stood above.
    let is_comment = |line: &&str| line.trim().is_empty() || line.trim().starts_with('#');
    let head = batch.body.lines().take_while(is_comment);
    let own = head
        .into_iter()
        .find(|line| line.starts_with("#SBATCH") || line.starts_with("#SLURM"));
    match foreign.or(own) {
        Some(line) => Err(BatchError::Option { line: line.into() }),
        None => Ok(()),
    }
}

fn line(directive: &Directive) -> Result<String, BatchError> {
    match directive {
        Directive::Flag(text) => Ok(format!("--{text}")),
        Directive::Value(name, value) => {
            let word = word(&format!("--{name}"), value)?;
            Ok(format!("--{name}={word}"))
        }
        Directive::More(text) if text.starts_with("--") && text.len() > 2 => word("option", text),
        Directive::More(text) => Err(refused("option", text, "it must begin with --")),
    }
}

/// A value as one word of a `#SBATCH` line.
fn word(option: &str, value: &str) -> Result<String, BatchError> {
    if value.is_empty() {
        return Err(refused(option, value, "it is empty"));
    }
    if value.chars().any(char::is_control) {
        return Err(refused(option, value, "it has a control character"));
    }
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"_-+.,:;/@%=[]{}()*&|!~".contains(&b);
    if value.bytes().all(is_plain) {
        return Ok(value.to_owned());
    }
    let escaped = value.replace('\\', r"\\").replace('"', r#"\""#);
    Ok(format!("\"{escaped}\""))
}

fn refused(option: &str, value: &str, why: &'static str) -> BatchError {
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    BatchError::Value {
        option: option.to_owned(),
        value: value.chars().map(shown).collect(),
        why,
    }
}

#[cfg(test)]
mod tests;
