//! A file's text, or a text with a file's name, as a tree.
//!
//! Rules: the name decides the notation; no text is read beyond [`LARGEST_FILE_BYTES`].

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::load::LARGEST_FILE_BYTES;
use crate::node::{Data, Node, toml_document, yaml_document};
use crate::origin::Place;
use crate::problem::Fault;
use crate::report::Report;
use crate::schema::Schema;

/// The notations that a file can have.
#[derive(Clone, Copy)]
enum Notation {
    Toml,
    Yaml,
}

/// Reads a file; `None` with the reasons in the report.
pub(crate) fn file(path: &Path, schema: &Schema, report: &mut Report) -> Option<Node> {
    let read = notation(path, schema).and_then(|n| Ok((n, read_text(path, schema)?)));
    match read {
        Ok((notation, text)) => tree(notation, &text, schema, report),
        Err(fault) => told(fault, report),
    }
}

/// Reads the text of a file of that name; `None` with the reasons in the report.
pub(crate) fn text(text: &str, name: &Path, schema: &Schema, report: &mut Report) -> Option<Node> {
    if text.len() as u64 > LARGEST_FILE_BYTES {
        return told(too_large(schema), report);
    }
    match notation(name, schema) {
        Ok(notation) => tree(notation, text, schema, report),
        Err(fault) => told(fault, report),
    }
}

fn told(fault: Unreadable, report: &mut Report) -> Option<Node> {
    let (place, fault) = fault;
    report.add(&place, "", fault);
    None
}

fn tree(notation: Notation, text: &str, schema: &Schema, report: &mut Report) -> Option<Node> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let root = match notation {
        Notation::Toml => toml_document(text, report),
        Notation::Yaml => yaml_document(text, report),
    };
    let is_empty = match &root {
        Some(root) => matches!(&root.data, Data::Null) || root.data == Data::Table(Vec::new()),
        None => !report.has_errors(),
    };
    if is_empty {
        let (whole, parts) = schema.outline;
        let fault = Fault::new("the file is empty")
            .expected(format!("{whole}: {parts}"))
            .hint(schema.hint);
        report.add(&Place::START, "", fault);
        return None;
    }
    root
}

type Unreadable = (Place, Fault);

fn notation(path: &Path, schema: &Schema) -> Result<Notation, Unreadable> {
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    match extension.to_ascii_lowercase().as_str() {
        "toml" => Ok(Notation::Toml),
        "yaml" | "yml" => Ok(Notation::Yaml),
        _ => {
            let fault = Fault::new(format!("this is not the name of a {}", schema.noun));
            Err((
                Place::Default,
                fault.expected("a name that ends in .toml, .yaml or .yml"),
            ))
        }
    }
}

fn read_text(path: &Path, schema: &Schema) -> Result<String, Unreadable> {
    let unreadable = |error: std::io::Error| {
        let fault = Fault::new(format!("cannot read the {}: {error}", schema.noun));
        (Place::Default, fault)
    };
    if path.is_dir() {
        let fault = Fault::new(format!("this is a folder, not a {}", schema.noun));
        return Err((Place::Default, fault));
    }
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST_FILE_BYTES {
        return Err(too_large(schema));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line_start = valid
            .iter()
            .rposition(|&b| b == b'\n')
            .map_or(0, |at| at + 1);
        let place = Place::At {
            line: 1 + valid.iter().filter(|&&b| b == b'\n').count(),
            column: 1 + String::from_utf8_lossy(&valid[line_start..])
                .chars()
                .count(),
        };
        let fault = Fault::new("the file is not UTF-8 text");
        (place, fault.hint("save it as UTF-8"))
    })
}

fn too_large(schema: &Schema) -> Unreadable {
    let noun = schema.noun;
    let message = format!("larger than {LARGEST_FILE_BYTES} bytes, so hardly a {noun}");
    (Place::Default, Fault::new(message))
}
