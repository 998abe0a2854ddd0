//! Typed access to the keys of a `config.json`; a wrong one is named in the error.

use std::path::Path;

use serde_json::{Map, Value};

use crate::error::WeightsError;

/// Sizes above this are damage, not models; it keeps every product of two within `usize`.
const MAX_SIZE: u64 = 1 << 31;

/// One JSON object of a configuration file. A key that is `null` counts as absent, as it does
/// in transformers.
#[derive(Clone, Copy)]
pub(super) struct Keys<'a> {
    path: &'a Path,
    prefix: &'a str,
    map: &'a Map<String, Value>,
}

impl<'a> Keys<'a> {
    pub(super) fn new(path: &'a Path, config: &'a Value) -> Result<Self, WeightsError> {
        let map = config.as_object();
        let map = map.ok_or_else(|| WeightsError::malformed(path, "not a JSON object"))?;
        Ok(Self {
            path,
            prefix: "",
            map,
        })
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// Present, even if only as `null`.
    pub(super) fn mentions(&self, key: &str) -> bool {
        self.map.contains_key(key)
    }

    pub(super) fn fail(&self, key: &str, problem: impl Into<String>) -> WeightsError {
        let key = if self.prefix.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.prefix)
        };
        WeightsError::setting(self.path, key, problem)
    }

    fn wrong(&self, key: &str, expected: &str) -> WeightsError {
        let found = self.map.get(key).map(Value::to_string).unwrap_or_default();
        self.fail(key, format!("{found}, expected {expected}"))
    }

    pub(super) fn object(&self, key: &'a str) -> Result<Option<Keys<'a>>, WeightsError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Keys {
                path: self.path,
                prefix: key,
                map,
            })),
            Some(_) => Err(self.wrong(key, "an object")),
        }
    }

    /// A size: whole, at least one.
    pub(super) fn size(&self, key: &str, default: usize) -> Result<usize, WeightsError> {
        Ok(self.size_if_given(key)?.unwrap_or(default))
    }

    pub(super) fn size_if_given(&self, key: &str) -> Result<Option<usize>, WeightsError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match value.as_u64() {
            Some(size) if (1..=MAX_SIZE).contains(&size) => Ok(Some(size as usize)),
            _ => Err(self.wrong(key, "a whole number from 1 to 2^31")),
        }
    }

    pub(super) fn number(&self, key: &str) -> Result<Option<f64>, WeightsError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        value
            .as_f64()
            .map(Some)
            .ok_or_else(|| self.wrong(key, "a number"))
    }

    /// A number above nought.
    pub(super) fn positive(&self, key: &str) -> Result<Option<f64>, WeightsError> {
        match self.number(key)? {
            Some(number) if number <= 0.0 => Err(self.wrong(key, "a number above 0")),
            number => Ok(number),
        }
    }

    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool, WeightsError> {
        match self.get(key) {
            None => Ok(default),
            Some(value) => value
                .as_bool()
                .ok_or_else(|| self.wrong(key, "true or false")),
        }
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>, WeightsError> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => value
                .as_str()
                .map(Some)
                .ok_or_else(|| self.wrong(key, "text")),
        }
    }

    pub(super) fn texts(&self, key: &str) -> Result<Option<Vec<&'a str>>, WeightsError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let texts = value
            .as_array()
            .and_then(|list| list.iter().map(Value::as_str).collect());
        texts
            .map(Some)
            .ok_or_else(|| self.wrong(key, "a list of text"))
    }

    /// One token id or a list of them.
    pub(super) fn token_ids(&self, key: &str) -> Result<Option<Vec<u32>>, WeightsError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
        let ids = match value {
            Value::Array(list) => list.iter().map(id).collect(),
            one => id(one).map(|id| vec![id]),
        };
        ids.map(Some)
            .ok_or_else(|| self.wrong(key, "a token id or a list of them"))
    }
}
