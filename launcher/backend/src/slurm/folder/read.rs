//! What the scripts of [`super::script`] answer. Pure.
//!
//! Rules: an answer that does not come to its last line is an error, not a shorter answer. A file that
//! is just being written reads as if it were not there. Names that are not ours are passed over.

use std::collections::BTreeMap;

use schliff_scheduler::allocation::StopHow;
use schliff_slurm::channel::Output;
use schliff_slurm::job::JobId;
use schliff_spec::id::SubmitKey;

use super::script::CANNOT;
use super::{DONE, EXIT, Facts, Glance, ID, INSTANCE, LOG, STARTS, STOP};

/// Why an answer is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReadError {
    /// The script could not use the storage.
    #[error("cannot use the shared folder: {0}")]
    Storage(String),
    /// It ends too early, or is something else.
    #[error("cannot understand the answer about the shared folder: {0}")]
    Garbled(String),
}

/// What became of making a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// It was there, and its job has been submitted.
    Known(JobId),
    /// It was there, and nothing tells whether its job was submitted.
    Unsettled,
    /// It is another coordinator's.
    Foreign(String),
    /// It was made; what the submit said, where the script did one.
    Made(Output),
}

/// Reads the answer of [`super::script::open`].
pub(crate) fn opened(output: &Output) -> Result<Opened, ReadError> {
    let text = text(output)?;
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let (word, value) = first.split_once(' ').unwrap_or((first, ""));
    match word {
        "known" => {
            let id = number(value).ok_or_else(|| garbled(first))?;
            Ok(Opened::Known(id))
        }
        "unsettled" => Ok(Opened::Unsettled),
        "foreign" => Ok(Opened::Foreign(value.to_owned())),
        "made" => Ok(Opened::Made(Output {
            code: output.code,
            stdout: rest.as_bytes().to_vec(),
            stderr: output.stderr.clone(),
        })),
        _ => Err(storage(output)),
    }
}

/// Whether a script that answers nothing did what it should.
pub(crate) fn nothing(output: &Output) -> Result<(), ReadError> {
    match output.code {
        0 => Ok(()),
        _ => Err(storage(output)),
    }
}

/// Reads the answer of [`super::script::glance`]; `None` where the shared folder is not there.
pub(crate) fn glances(output: &Output) -> Result<Option<Vec<Glance>>, ReadError> {
    nothing(output)?;
    let text = text(output)?;
    if text.trim_end() == "absent" {
        return Ok(None);
    }
    let lines = complete(&text)?;
    let glance = |line: &str| {
        let (name, id) = line.split_once(' ').unwrap_or((line, ""));
        Some(Glance {
            key: name.parse().ok()?,
            first: number(id),
        })
    };
    Ok(Some(lines.filter_map(glance).collect()))
}

/// Reads the answer of [`super::script::look`].
pub(crate) fn facts(output: &Output) -> Result<BTreeMap<SubmitKey, Facts>, ReadError> {
    nothing(output)?;
    let text = text(output)?;
    let mut all: BTreeMap<SubmitKey, Facts> = BTreeMap::new();
    let mut of: Option<SubmitKey> = None;
    for line in complete(&text)? {
        let (word, value) = line.split_once(' ').unwrap_or((line, ""));
        if word == "attempt" {
            of = value.parse().ok();
            if let Some(key) = of {
                all.insert(key, Facts::default());
            }
        } else if let Some(facts) = of.and_then(|key| all.get_mut(&key)) {
            fact(facts, word, value.trim());
        }
    }
    Ok(all)
}

/// Reads the answer of [`super::script::mark_stop`]: Slurm's numbers of the attempt's jobs.
pub(crate) fn ids(output: &Output) -> Result<Vec<JobId>, ReadError> {
    nothing(output)?;
    Ok(complete(&text(output)?)?.filter_map(number).collect())
}

/// One line about an attempt.
fn fact(facts: &mut Facts, word: &str, value: &str) {
    match word {
        INSTANCE => {
            let (instance, made_at) = value.split_once(' ').unwrap_or((value, ""));
            facts.instance = instance.to_owned();
            facts.made_at = made_at.trim().parse().ok();
        }
        DONE => facts.done = value.parse().ok(),
        EXIT => facts.exit = value.parse().ok(),
        STOP => {
            facts.stop = Some(match value {
                "now" => StopHow::Now,
                _ => StopHow::Gently,
            });
        }
        ID => facts.ids.extend(number(value)),
        STARTS => facts
            .starts
            .extend(value.split(' ').next().and_then(number)),
        LOG => facts.last_line = value.to_owned(),
        // A line of a log that has several, or a later version's fact.
        _ => {}
    }
}

/// The lines before the last, which must be `end`.
fn complete(text: &str) -> Result<impl Iterator<Item = &str>, ReadError> {
    let body = text
        .strip_suffix("end\n")
        .filter(|body| body.is_empty() || body.ends_with('\n'));
    let cut = || garbled(text.lines().last().unwrap_or("nothing"));
    Ok(body.ok_or_else(cut)?.lines())
}

fn text(output: &Output) -> Result<String, ReadError> {
    // Logs may hold any bytes; names and numbers are ASCII.
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn number(text: &str) -> Option<JobId> {
    text.trim().parse().ok().map(JobId)
}

fn garbled(line: &str) -> ReadError {
    ReadError::Garbled(format!("its last line is `{line}`"))
}

fn storage(output: &Output) -> ReadError {
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim();
    let code = output.code;
    match (code, said) {
        (CANNOT, said) if !said.is_empty() => ReadError::Storage(said.to_owned()),
        (_, "") => ReadError::Storage(format!("its script ended with code {code}")),
        (_, said) => ReadError::Storage(format!("its script ended with code {code}: {said}")),
    }
}
