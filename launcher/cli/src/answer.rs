//! Reads a trainer's result leniently: what is absent is not printed.

use serde_json::Value;

use crate::{figures, table};

/// One JSON object of the trainer's result.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a Value);

impl<'a> Fields<'a> {
    /// A number, finite or absent.
    pub(crate) fn number(self, key: &str) -> Option<f64> {
        self.0.get(key).and_then(Value::as_f64)
    }

    /// A whole number that is not negative.
    pub(crate) fn count(self, key: &str) -> Option<u64> {
        self.0.get(key).and_then(Value::as_u64)
    }

    /// Words.
    pub(crate) fn text(self, key: &str) -> Option<&'a str> {
        self.0.get(key).and_then(Value::as_str)
    }

    /// An object inside this one; `null` counts as absent.
    pub(crate) fn object(self, key: &str) -> Option<Fields<'a>> {
        self.0
            .get(key)
            .filter(|value| value.is_object())
            .map(Fields)
    }

    /// The elements of a list; none where it is absent.
    pub(crate) fn list(self, key: &str) -> &'a [Value] {
        self.0
            .get(key)
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }
}

/// Every plain field of an object as a line of a list, an object in it as one line. Lists are left
/// to `--json`.
pub(crate) fn listing(object: &Value) -> String {
    let line = |(key, value): (&String, &Value)| Some((key.replace('_', " "), figure(key, value)?));
    let rows: Vec<_> = object
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(line)
        .collect();
    let rows: Vec<_> = rows
        .iter()
        .map(|(name, value)| (name.as_str(), value.clone()))
        .collect();
    table::list(&rows)
}

/// A value as people read it; the unit is in the key's name.
fn figure(key: &str, value: &Value) -> Option<String> {
    match value {
        Value::Bool(yes) => Some(if *yes { "yes" } else { "no" }.into()),
        Value::String(words) => Some(words.clone()),
        Value::Number(number) => {
            let number = number.as_f64()?;
            Some(match key {
                _ if key.contains("share") => figures::percent(number),
                _ if key.contains("bytes") => figures::bytes(number),
                _ if key.contains("seconds") => figures::span(number),
                _ if value.is_u64() => figures::count(value.as_u64()?),
                _ => figures::significant(number),
            })
        }
        Value::Object(parts) => {
            let part = |(key, value): (&String, &Value)| {
                let plain = !value.is_object() && !value.is_array();
                plain
                    .then(|| figure(key, value))
                    .flatten()
                    .map(|figure| format!("{key} {figure}"))
            };
            Some(parts.iter().filter_map(part).collect::<Vec<_>>().join(", "))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_absent_or_of_another_type_is_left_out() {
        let value = json!({"n": 3, "x": 0.5, "none": null, "words": "w", "o": {"n": 1}, "l": [1]});
        let fields = Fields(&value);
        assert_eq!(fields.count("n"), Some(3));
        assert_eq!(fields.number("n"), Some(3.0));
        assert_eq!(fields.count("x"), None);
        assert_eq!(fields.number("none"), None);
        assert_eq!(fields.text("words"), Some("w"));
        assert_eq!(
            fields.object("o").and_then(|inner| inner.count("n")),
            Some(1)
        );
        assert!(fields.object("none").is_none());
        assert_eq!(fields.list("l").len(), 1);
        assert!(fields.list("gone").is_empty());
    }

    #[test]
    fn a_listing_reads_the_unit_from_the_key() {
        let value = json!({
            "samples": 4000, "padding_share": 0.0175, "largest_change": 3.1e-5, "mean": 12.5,
            "file_bytes": 2048, "seconds": 75.0, "finite": true, "dtype": "bf16", "worst": [1],
            "lengths": {"min": 3, "mean": 40.5, "histogram": []}
        });
        insta::assert_snapshot!(listing(&value), @r"
        samples         4,000
        padding share   1.8 %
        largest change  3.10e-5
        mean            12.50
        file bytes      2.00 KiB
        seconds         1m 15s
        finite          yes
        dtype           bf16
        lengths         min 3, mean 40.50
        ");
    }
}
