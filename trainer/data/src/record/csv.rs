//! Records of csv files: the first line names the fields.

use serde_json::{Map, Value};

use super::{Content, Read, Record};

pub(super) fn read(bytes: &[u8]) -> Read {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let names = reader.byte_headers().map_err(|error| error.to_string())?;
    let names = names
        .iter()
        .map(|name| str::from_utf8(name).map(|name| name.trim().to_owned()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| "the header is not UTF-8".to_owned())?;
    let mut records = Vec::new();
    let mut lines = Lines {
        bytes,
        at: 0,
        line: 1,
    };
    for row in reader.byte_records() {
        let row = row.map_err(|error| error.to_string())?;
        let start = row.position().map_or(0, |position| position.byte());
        lines.go_to(start as usize);
        records.push(Record {
            line: lines.line,
            content: fields(&names, &row),
        });
    }
    Ok((records, 0))
}

/// Counts lines, since the reader's own count is one behind where lines end in CR LF.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
}

impl Lines<'_> {
    /// Goes on to the record that begins at a byte, behind the line ends left before it.
    fn go_to(&mut self, start: usize) {
        let rest = self.bytes.get(start..).unwrap_or_default();
        let start = start
            + rest
                .iter()
                .take_while(|byte| b"\r\n".contains(byte))
                .count();
        let passed = self.bytes.get(self.at..start).unwrap_or_default();
        self.line += passed.iter().filter(|&&byte| byte == b'\n').count();
        self.at = start;
    }
}

fn fields(names: &[String], row: &csv::ByteRecord) -> Content {
    if row.len() != names.len() {
        return Content::Bad(format!(
            "{} fields, the header names {}",
            row.len(),
            names.len()
        ));
    }
    let mut fields = Map::new();
    for (name, field) in names.iter().zip(row) {
        match str::from_utf8(field) {
            Ok(text) => fields.insert(name.clone(), Value::from(text)),
            Err(_) => return Content::Bad(format!("field \"{name}\" is not UTF-8")),
        };
    }
    Content::Fields {
        fields,
        from_csv: true,
    }
}
