//! Typed access to the metadata of one architecture.

use crate::error::WeightsError;
use crate::gguf::{GgufFile, MetadataValue};

/// A file and its architecture, which is the front of most keys.
pub(super) struct Source<'a> {
    pub(super) gguf: &'a GgufFile,
    pub(super) architecture: &'a str,
}

impl Source<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.architecture)
    }

    pub(super) fn optional(&self, name: &str) -> Option<&MetadataValue> {
        self.gguf.get(&self.key(name))
    }

    pub(super) fn fail(&self, name: &str, problem: impl Into<String>) -> WeightsError {
        WeightsError::setting(self.gguf.path(), self.key(name), problem)
    }

    pub(super) fn size(&self, name: &str) -> Result<usize, WeightsError> {
        self.size_if_given(name)?
            .ok_or_else(|| self.fail(name, "missing"))
    }

    pub(super) fn size_if_given(&self, name: &str) -> Result<Option<usize>, WeightsError> {
        let Some(value) = self.optional(name) else {
            return Ok(None);
        };
        let size = value.as_u64().filter(|size| *size <= u64::from(u32::MAX));
        match size {
            Some(size) => Ok(Some(size as usize)),
            None => Err(self.fail(name, format!("{value}, expected one whole number"))),
        }
    }

    pub(super) fn number_if_given(&self, name: &str) -> Result<Option<f64>, WeightsError> {
        let Some(value) = self.optional(name) else {
            return Ok(None);
        };
        let number = value.as_f64();
        number
            .map(Some)
            .ok_or_else(|| self.fail(name, format!("{value}, expected a number")))
    }

    pub(super) fn is_gemma(&self) -> bool {
        self.architecture.starts_with("gemma")
    }

    pub(super) fn has_tensor(&self, name: &str) -> bool {
        self.gguf.tensors().contains_key(name)
    }
}
