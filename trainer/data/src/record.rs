//! Records of data files: JSON objects, each with its place.
//!
//! Rules: the file's name says how it is read; a bad record is kept as its error, so that all of
//! them can be told at once. Absent on purpose: compressed text, remote files, globs.

mod csv;
mod parquet;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// Why a file could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system would not hand it over.
    #[error("cannot read data file {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Its name does not say what it is.
    #[error(
        "cannot tell the layout of data file {path} by its name \
         (known endings: .jsonl, .ndjson, .json, .csv, .parquet)"
    )]
    Ending {
        /// The file.
        path: PathBuf,
    },
    /// It holds no record.
    #[error("data file {path} is empty")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Its layout as a whole is broken.
    #[error("{path}: {reason}")]
    Layout {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// One record as read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    /// Line, element or row, from 1.
    pub(crate) line: usize,
    pub(crate) content: Content,
}

/// How far reading has come with a record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    /// A line of JSON that is still to be parsed, which several threads do.
    Line(String),
    /// Fields; in a csv file all are strings, and lists are JSON in them.
    Fields {
        fields: Map<String, Value>,
        from_csv: bool,
    },
    /// What is wrong with it.
    Bad(String),
}

/// Reads all records of a file; also gives the number of blank lines passed over.
pub(crate) fn read(path: &Path) -> Result<(Vec<Record>, usize), FileError> {
    let ending = path
        .extension()
        .and_then(|ending| ending.to_str())
        .unwrap_or_default();
    let ending = ending.to_ascii_lowercase();
    if !["jsonl", "ndjson", "json", "csv", "parquet"].contains(&ending.as_str()) {
        return Err(FileError::Ending {
            path: path.to_path_buf(),
        });
    }
    let failed = |source| FileError::Read {
        path: path.to_path_buf(),
        source,
    };
    let bytes = std::fs::read(path).map_err(failed)?;
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    let records = match ending.as_str() {
        _ if text.is_empty() => Ok((Vec::new(), 0)),
        "jsonl" | "ndjson" => json_lines(text),
        "json" => json_array(text),
        "csv" => csv::read(text),
        _ => parquet::read(path),
    };
    let broken = |reason| FileError::Layout {
        path: path.to_path_buf(),
        reason,
    };
    let (records, skipped) = records.map_err(broken)?;
    if records.is_empty() {
        return Err(FileError::Empty {
            path: path.to_path_buf(),
        });
    }
    Ok((records, skipped))
}

type Read = Result<(Vec<Record>, usize), String>;

fn json_lines(bytes: &[u8]) -> Read {
    let mut records = Vec::new();
    let mut blank = 0;
    let end = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    for (index, line) in end.split(|&byte| byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            blank += 1;
            continue;
        }
        let content = match str::from_utf8(line) {
            Ok(text) => Content::Line(text.to_owned()),
            Err(error) => Content::Bad(format!(
                "not UTF-8 (byte {} of the line)",
                error.valid_up_to() + 1
            )),
        };
        records.push(Record {
            line: index + 1,
            content,
        });
    }
    Ok((records, blank))
}

fn json_array(bytes: &[u8]) -> Read {
    if bytes.trim_ascii().is_empty() {
        return Ok((Vec::new(), 0));
    }
    let value: Value =
        serde_json::from_slice(bytes).map_err(|error| format!("no JSON: {error}"))?;
    let Value::Array(items) = value else {
        let found = kind(&value);
        return Err(format!(
            "an array of objects is expected, this is {found}; one object a line is .jsonl"
        ));
    };
    let records = items.into_iter().enumerate().map(|(index, item)| {
        let content = match item {
            Value::Object(fields) => Content::Fields {
                fields,
                from_csv: false,
            },
            other => Content::Bad(format!("an object is expected, this is {}", kind(&other))),
        };
        Record {
            line: index + 1,
            content,
        }
    });
    Ok((records.collect(), 0))
}

/// Parses a line of JSON that must be an object.
pub(crate) fn parse_line(line: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(line) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(other) => Err(format!("an object is expected, this is {}", kind(&other))),
        Err(error) => {
            let text = error.to_string();
            let reason = text.split(" at line ").next().unwrap_or(&text);
            Err(format!("no JSON: {reason} at column {}", error.column()))
        }
    }
}

/// What a JSON value is, in words.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
