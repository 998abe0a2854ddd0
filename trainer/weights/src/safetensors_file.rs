//! A memory-mapped safetensors file: its table of tensors, checked against the file's size.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::{Dtype, SafeTensors};

use crate::encoding::Encoding;
use crate::error::{TensorProblem, WeightsError};
use crate::mapped::MappedFile;

/// Where one tensor lies.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) shape: Vec<usize>,
    pub(crate) dtype: Dtype,
    pub(crate) offset: usize,
    pub(crate) bytes: usize,
}

impl Span {
    /// The encoding, where the dtype is one that weights come in.
    pub(crate) fn encoding(&self, path: &Path, name: &str) -> Result<Encoding, WeightsError> {
        match self.dtype {
            Dtype::F32 => Ok(Encoding::F32),
            Dtype::F16 => Ok(Encoding::F16),
            Dtype::BF16 => Ok(Encoding::BF16),
            other => {
                let why = format!("dtype {other:?} is not read (F32, F16 and BF16 are)");
                Err(WeightsError::tensor(
                    path,
                    name,
                    TensorProblem::Storage(why),
                ))
            }
        }
    }
}

/// An opened file.
#[derive(Debug)]
pub(crate) struct SafetensorsFile {
    pub(crate) file: MappedFile,
    pub(crate) tensors: BTreeMap<String, Span>,
}

impl SafetensorsFile {
    pub(crate) fn open(path: &Path) -> Result<Self, WeightsError> {
        let file = MappedFile::open(path)?;
        let tensors = spans(path, &file)?;
        Ok(Self { file, tensors })
    }
}

/// The table of tensors of a file's bytes.
pub(crate) fn spans(path: &Path, file: &[u8]) -> Result<BTreeMap<String, Span>, WeightsError> {
    let not_safetensors =
        |why: String| WeightsError::malformed(path, format!("not a whole safetensors file: {why}"));
    let (header, metadata) =
        SafeTensors::read_metadata(file).map_err(|e| not_safetensors(e.to_string()))?;
    let data_start = header + size_of::<u64>();
    let mut tensors = BTreeMap::new();
    for (name, info) in metadata.tensors() {
        let (start, end) = info.data_offsets;
        let inside = data_start
            .checked_add(end)
            .is_some_and(|end| end <= file.len());
        if start > end || !inside {
            return Err(not_safetensors(format!("tensor {name} lies outside it")));
        }
        let span = Span {
            shape: info.shape.clone(),
            dtype: info.dtype,
            offset: data_start + start,
            bytes: end - start,
        };
        tensors.insert(name, span);
    }
    Ok(tensors)
}
