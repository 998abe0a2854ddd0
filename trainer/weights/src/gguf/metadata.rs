//! Metadata values and their types.

use std::fmt;

use super::cursor::Cursor;
use crate::error::WeightsError;

/// Arrays of arrays of arrays are possible in the format; nobody writes them.
const MAX_NESTING: usize = 3;

/// One metadata value. Integers of all widths are widened, the sign is kept.
#[derive(Clone, Debug, PartialEq)]
pub enum MetadataValue {
    /// u8 to u64.
    Unsigned(u64),
    /// i8 to i64.
    Signed(i64),
    /// f32, kept as it is: its decimal form is what the writer meant.
    F32(f32),
    /// f64.
    F64(f64),
    /// bool.
    Bool(bool),
    /// UTF-8 text.
    String(String),
    /// A list of one type.
    Array(Vec<MetadataValue>),
}

impl MetadataValue {
    /// A whole number that is not negative.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Unsigned(value) => Some(*value),
            Self::Signed(value) => u64::try_from(*value).ok(),
            _ => None,
        }
    }

    /// Any number. An f32 becomes the f64 of the same shortest decimal (1e-5, not
    /// 9.999999747e-6), which is what the model's author had written.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Unsigned(value) => Some(*value as f64),
            Self::Signed(value) => Some(*value as f64),
            Self::F32(value) => value.to_string().parse().ok(),
            Self::F64(value) => Some(*value),
            _ => None,
        }
    }

    /// A bool.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// Text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(value) => Some(value),
            _ => None,
        }
    }

    /// The elements of an array.
    pub fn as_array(&self) -> Option<&[MetadataValue]> {
        match self {
            Self::Array(values) => Some(values),
            _ => None,
        }
    }
}

impl fmt::Display for MetadataValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned(value) => write!(f, "{value}"),
            Self::Signed(value) => write!(f, "{value}"),
            Self::F32(value) => write!(f, "{value}"),
            Self::F64(value) => write!(f, "{value}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::String(value) => write!(f, "{value:?}"),
            Self::Array(values) => write!(f, "an array of {}", values.len()),
        }
    }
}

/// Reads a type number and the value that follows it.
pub(super) fn read_value(cursor: &mut Cursor, key: &str) -> Result<MetadataValue, WeightsError> {
    let kind = cursor.u32(key)?;
    read_typed(cursor, key, kind, 0)
}

fn read_typed(
    cursor: &mut Cursor,
    key: &str,
    kind: u32,
    nesting: usize,
) -> Result<MetadataValue, WeightsError> {
    use MetadataValue::{Bool, F32, F64, Signed, Unsigned};
    Ok(match kind {
        0 => Unsigned(u8::from_le_bytes(cursor.array(key)?).into()),
        1 => Signed(i8::from_le_bytes(cursor.array(key)?).into()),
        2 => Unsigned(u16::from_le_bytes(cursor.array(key)?).into()),
        3 => Signed(i16::from_le_bytes(cursor.array(key)?).into()),
        4 => Unsigned(u32::from_le_bytes(cursor.array(key)?).into()),
        5 => Signed(i32::from_le_bytes(cursor.array(key)?).into()),
        6 => F32(f32::from_le_bytes(cursor.array(key)?)),
        7 => Bool(cursor.array::<1>(key)? != [0]),
        8 => MetadataValue::String(cursor.string(key)?),
        9 if nesting < MAX_NESTING => read_array(cursor, key, nesting)?,
        9 => return Err(cursor.setting(key, "arrays nested too deeply")),
        10 => Unsigned(u64::from_le_bytes(cursor.array(key)?)),
        11 => Signed(i64::from_le_bytes(cursor.array(key)?)),
        12 => F64(f64::from_le_bytes(cursor.array(key)?)),
        _ => return Err(cursor.setting(key, format!("unknown value type {kind}"))),
    })
}

fn read_array(
    cursor: &mut Cursor,
    key: &str,
    nesting: usize,
) -> Result<MetadataValue, WeightsError> {
    let kind = cursor.u32(key)?;
    let count = cursor.count(key)?;
    // Grown as elements are really found: a count alone must not make us allocate.
    let mut values = Vec::new();
    for _ in 0..count {
        values.push(read_typed(cursor, key, kind, nesting + 1)?);
    }
    Ok(MetadataValue::Array(values))
}
