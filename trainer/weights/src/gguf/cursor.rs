//! Reading little-endian values off a byte slice without ever stepping outside it.

use std::path::Path;

use crate::error::{TensorProblem, WeightsError};

/// A position in a file's bytes.
pub(super) struct Cursor<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(path: &'a Path, bytes: &'a [u8]) -> Self {
        Self {
            path,
            bytes,
            position: 0,
        }
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    pub(super) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], WeightsError> {
        match self.bytes[self.position..].first_chunk::<N>() {
            Some(found) => {
                self.position += N;
                Ok(*found)
            }
            None => Err(self.truncated(what)),
        }
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32, WeightsError> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, what: &str) -> Result<u64, WeightsError> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A number of things still to come, each of which takes at least one byte.
    pub(super) fn count(&mut self, what: &str) -> Result<usize, WeightsError> {
        let count = self.u64(what)?;
        let left = self.bytes.len() - self.position;
        match usize::try_from(count) {
            Ok(count) if count <= left => Ok(count),
            _ => Err(self.malformed(format!(
                "{what} is {count}, but only {left} bytes are left; damaged or truncated"
            ))),
        }
    }

    pub(super) fn string(&mut self, what: &str) -> Result<String, WeightsError> {
        let length = self.count(&format!("the length of {what}"))?;
        let bytes = &self.bytes[self.position..self.position + length];
        let text = std::str::from_utf8(bytes).map_err(|_| {
            self.malformed(format!("{what} at byte {} is not UTF-8", self.position))
        })?;
        self.position += length;
        Ok(text.to_owned())
    }

    pub(super) fn malformed(&self, problem: impl Into<String>) -> WeightsError {
        WeightsError::malformed(self.path, problem)
    }

    pub(super) fn setting(&self, key: &str, problem: impl Into<String>) -> WeightsError {
        WeightsError::setting(self.path, key, problem)
    }

    pub(super) fn tensor(&self, name: &str, problem: impl Into<String>) -> WeightsError {
        WeightsError::tensor(self.path, name, TensorProblem::Storage(problem.into()))
    }

    fn truncated(&self, what: &str) -> WeightsError {
        self.malformed(format!(
            "ends at byte {} in {what}; truncated",
            self.bytes.len()
        ))
    }
}
