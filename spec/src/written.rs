//! Values as TOML writes them.

use std::collections::BTreeMap;
use std::path::Path;

use crate::job::SweepValue;

pub(crate) fn seconds(seconds: u64) -> String {
    text(&format!("{seconds}s"))
}

pub(crate) fn text(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// The shortest digits that give the same number back; Rust's are TOML's.
pub(crate) fn number(number: f64) -> String {
    format!("{number:?}")
}

pub(crate) fn path(path: &Path) -> String {
    text(&path.to_string_lossy())
}

pub(crate) fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

pub(crate) fn table<T>(entries: &BTreeMap<String, T>, value: impl Fn(&T) -> String) -> String {
    if entries.is_empty() {
        return "{}".to_owned();
    }
    let entries = entries
        .iter()
        .map(|(key, entry)| format!("{} = {}", text(key), value(entry)));
    format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
}

/// A number in its fewest characters: `3e-4`, `0.1`, `8`.
pub(crate) fn short_number(number: f64) -> String {
    // Above it not every whole number is one of these, so digits would promise too much.
    const LARGEST_WHOLE: f64 = 1e15;
    let is_whole = number.fract() == 0.0 && number.abs() < LARGEST_WHOLE;
    let whole = is_whole.then(|| format!("{number:.0}"));
    let forms = [format!("{number:?}"), format!("{number:e}")];
    let shortest = whole.into_iter().chain(forms).min_by_key(String::len);
    shortest.unwrap_or_default()
}

/// A value of a sweep.
pub(crate) fn sweep_value(value: &SweepValue) -> String {
    match value {
        SweepValue::Flag(flag) => flag.to_string(),
        SweepValue::Whole(number) => number.to_string(),
        SweepValue::Number(number) => short_number(*number),
        SweepValue::Text(words) => text(words),
        SweepValue::List(items) => list(items.iter().map(sweep_value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_the_same() {
        for (number, written) in [
            (3e-4, "3e-4"),
            (0.1, "0.1"),
            (8.0, "8"),
            (0.0, "0"),
            (12.5, "12.5"),
            (100_000.0, "1e5"),
            (1e300, "1e300"),
            (2.345e-4, "2.345e-4"),
        ] {
            assert_eq!(short_number(number), written);
            let value: toml::Table = format!("x = {written}").parse().unwrap();
            let read = value["x"]
                .as_float()
                .or(value["x"].as_integer().map(|x| x as f64));
            assert_eq!(read, Some(number));
        }
    }
}
