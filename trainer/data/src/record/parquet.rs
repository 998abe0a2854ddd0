//! Records of parquet files: strings, numbers, booleans, and lists and structs of them.

use std::fs::File;
use std::panic::catch_unwind;
use std::path::Path;

use ::parquet::errors::ParquetError;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::{Field, Row};
use serde_json::{Map, Value};

use super::{Content, Read, Record};

/// Reads all rows. The library trusts a file's inner structure in places and panics where that is
/// broken, so a panic is an answer here too.
pub(super) fn read(path: &Path) -> Read {
    let file = File::open(path).map_err(|error| error.to_string())?;
    match catch_unwind(|| rows(file)) {
        Ok(records) => records,
        Err(_) => Err("no parquet file: its inner structure is broken".to_owned()),
    }
}

fn rows(file: File) -> Read {
    let broken = |error: ParquetError| format!("no parquet file: {error}");
    let reader = SerializedFileReader::new(file).map_err(broken)?;
    let mut records = Vec::new();
    for (index, row) in reader.get_row_iter(None).map_err(broken)?.enumerate() {
        let row = row.map_err(|error| format!("row {}: {error}", index + 1))?;
        let content = match object(row) {
            Ok(fields) => Content::Fields {
                fields,
                from_csv: false,
            },
            Err(reason) => Content::Bad(reason),
        };
        records.push(Record {
            line: index + 1,
            content,
        });
    }
    Ok((records, 0))
}

fn object(row: Row) -> Result<Map<String, Value>, String> {
    let column = |(name, field): (String, Field)| match value(&field) {
        Ok(value) => Ok((name, value)),
        Err(reason) => Err(format!("field \"{name}\" {reason}")),
    };
    row.into_columns().into_iter().map(column).collect()
}

fn value(field: &Field) -> Result<Value, String> {
    Ok(match field {
        Field::Null => Value::Null,
        Field::Bool(flag) => Value::from(*flag),
        Field::Byte(number) => Value::from(*number),
        Field::Short(number) => Value::from(*number),
        Field::Int(number) => Value::from(*number),
        Field::Long(number) => Value::from(*number),
        Field::UByte(number) => Value::from(*number),
        Field::UShort(number) => Value::from(*number),
        Field::UInt(number) => Value::from(*number),
        Field::ULong(number) => Value::from(*number),
        Field::Float(number) => Value::from(*number),
        Field::Double(number) => Value::from(*number),
        Field::Str(text) => Value::from(text.as_str()),
        Field::Bytes(bytes) => match str::from_utf8(bytes.data()) {
            Ok(text) => Value::from(text),
            Err(_) => return Err("is not UTF-8".to_owned()),
        },
        Field::Group(row) => Value::Object(object(row.clone())?),
        Field::ListInternal(list) => Value::Array(
            list.elements()
                .iter()
                .map(value)
                .collect::<Result<_, _>>()?,
        ),
        other => return Err(format!("has a type that no format takes ({other})")),
    })
}
