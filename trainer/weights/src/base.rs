//! A base model on disk, whichever form it has.
//!
//! Rules: names and layouts are HF's; the whole set of tensors is checked against the
//! configuration at opening; nothing is decoded before it is asked for. Absent on purpose: caching
//! of decoded tensors, and any change to the files.

mod digest;
mod gguf_model;
mod hf_folder;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde_json::Value;

use crate::config::ModelConfig;
use crate::encoding::Encoding;
use crate::error::{TensorProblem, WeightsError};
use crate::gguf::GgufVocabulary;
use crate::mapped::MappedFile;
use crate::packed::PackedRows;

/// Rows are decoded in parallel in runs of about so many weights.
const WEIGHTS_PER_TASK: usize = 1 << 16;

/// Form of a base model on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseFormat {
    /// One GGUF file.
    Gguf,
    /// A folder with `config.json` and safetensors.
    HfDirectory,
}

/// Order of a tensor's rows in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RowOrder {
    /// As HF has them.
    Hf,
    /// Per head, the two halves interleaved: how GGUF's "llama" stores q and k. Holds the number
    /// of heads.
    InterleavedHeads(usize),
}

impl RowOrder {
    /// The row in the file that holds HF row `row` of `rows`.
    fn stored_row(self, row: usize, rows: usize) -> usize {
        match self {
            Self::Hf => row,
            Self::InterleavedHeads(heads) => {
                let width = rows / heads;
                let (head, within) = (row / width, row % width);
                let (half, index) = (within / (width / 2), within % (width / 2));
                head * width + 2 * index + half
            }
        }
    }
}

/// Where a tensor lies and what must be done to it.
#[derive(Clone, Debug)]
struct Stored {
    shape: Vec<usize>,
    file: usize,
    offset: usize,
    bytes: usize,
    encoding: Encoding,
    rows: RowOrder,
    /// Subtracted from every weight: GGUF stores Gemma's norms with one added.
    offset_by: f32,
}

/// An opened base model.
#[derive(Debug)]
pub struct BaseWeights {
    path: PathBuf,
    format: BaseFormat,
    config: ModelConfig,
    hf_config: Value,
    files: Vec<MappedFile>,
    /// In the order of the model's modules.
    order: Vec<String>,
    tensors: BTreeMap<String, Stored>,
    vocabulary: Option<GgufVocabulary>,
}

impl BaseWeights {
    /// Opens a GGUF file and checks all of it but the numbers.
    pub fn open_gguf(path: &Path) -> Result<Self, WeightsError> {
        gguf_model::open(path)
    }

    /// Opens a HF model folder and checks all of it but the numbers.
    pub fn open_hf(dir: &Path) -> Result<Self, WeightsError> {
        hf_folder::open(dir)
    }

    /// Form on disk.
    pub fn format(&self) -> BaseFormat {
        self.format
    }

    /// The file or folder it was opened from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the forward pass needs to know.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// `config.json` as read; for a GGUF one made in transformers' form.
    pub fn hf_config(&self) -> &Value {
        &self.hf_config
    }

    /// HF names of all tensors, in the order of the model's modules.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.order.iter().map(String::as_str)
    }

    /// Dimensions in HF layout: linear weights are `[out, in]`.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|tensor| tensor.shape.as_slice())
    }

    /// How the numbers are stored.
    pub fn encoding(&self, name: &str) -> Option<Encoding> {
        self.tensors.get(name).map(|tensor| tensor.encoding)
    }

    /// All numbers of a tensor, row by row in HF layout.
    pub fn read_f32(&self, name: &str) -> Result<Vec<f32>, WeightsError> {
        let rows = self.stored(name)?.shape.first().copied().unwrap_or(1);
        self.read_rows_f32(name, 0..rows)
    }

    /// The numbers of some rows (first dimension) of a tensor.
    ///
    /// # Panics
    /// When the rows are not all there.
    pub fn read_rows_f32(&self, name: &str, rows: Range<usize>) -> Result<Vec<f32>, WeightsError> {
        let tensor = self.stored(name)?;
        let all = tensor.shape.first().copied().unwrap_or(1);
        assert!(
            rows.start <= rows.end && rows.end <= all,
            "rows {rows:?} of {all}"
        );
        let width: usize = tensor.shape.iter().skip(1).product();
        let mut out = vec![0.0; rows.len() * width];
        if out.is_empty() {
            return Ok(out);
        }
        let data = &self.files[tensor.file][tensor.offset..tensor.offset + tensor.bytes];
        if tensor.shape.len() == 1 && tensor.encoding.block_weights() > 1 {
            // A quantised vector: its one row of blocks does not split into weights.
            let mut whole = vec![0.0; all];
            tensor.encoding.decode(data, &mut whole);
            out.copy_from_slice(&whole[rows]);
        } else {
            tensor.decode_rows(data, rows, &mut out);
        }
        if tensor.offset_by != 0.0 {
            out.iter_mut()
                .for_each(|weight| *weight -= tensor.offset_by);
        }
        Ok(out)
    }

    /// The rows of a matrix as they are stored, in HF order; `None` where the file has it in a way
    /// that a copy cannot keep.
    pub fn packed(&self, name: &str) -> Result<Option<PackedRows>, WeightsError> {
        let tensor = self.stored(name)?;
        let &[rows, cols] = tensor.shape.as_slice() else {
            return Ok(None);
        };
        if tensor.offset_by != 0.0 {
            return Ok(None);
        }
        let data = &self.files[tensor.file][tensor.offset..tensor.offset + tensor.bytes];
        let row_bytes = data.len() / rows.max(1);
        let mut bytes = Vec::with_capacity(data.len());
        for row in 0..rows {
            let stored = tensor.rows.stored_row(row, rows) * row_bytes;
            bytes.extend(&data[stored..stored + row_bytes]);
        }
        Ok(Some(PackedRows::new(tensor.encoding, cols, bytes)))
    }

    /// Weights of the whole model, a tied head counted once.
    pub fn parameter_count(&self) -> u64 {
        let count = |tensor: &Stored| {
            tensor
                .shape
                .iter()
                .map(|size| *size as u64)
                .product::<u64>()
        };
        self.tensors.values().map(count).sum()
    }

    /// SHA-256 in hex of the weights: of the file itself when there is one, of the list that
    /// `sha256sum` prints for the shards when there are several.
    pub fn digest(&self) -> Result<String, WeightsError> {
        Ok(digest::of_files(&self.files))
    }

    /// The tokenizer inside a GGUF.
    pub fn gguf_vocabulary(&self) -> Option<GgufVocabulary> {
        self.vocabulary.clone()
    }

    /// `tokenizer.json` of a HF folder.
    pub fn tokenizer_file(&self) -> Option<PathBuf> {
        self.folder_file("tokenizer.json")
    }

    /// `tokenizer_config.json` of a HF folder; `None` where there is none or it is no JSON.
    pub fn tokenizer_config(&self) -> Option<Value> {
        let text = std::fs::read(self.folder_file("tokenizer_config.json")?).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// The Jinja template of a conversation: `chat_template.jinja`, else the key in
    /// `tokenizer_config.json`, else the GGUF's.
    pub fn chat_template(&self) -> Option<String> {
        if let Some(vocabulary) = &self.vocabulary {
            return vocabulary.chat_template.clone();
        }
        if let Some(file) = self.folder_file("chat_template.jinja") {
            return std::fs::read_to_string(file).ok();
        }
        hf_folder::template_of(self.tokenizer_config()?.get("chat_template")?)
    }

    fn folder_file(&self, name: &str) -> Option<PathBuf> {
        let file = self.path.join(name);
        (self.format == BaseFormat::HfDirectory && file.is_file()).then_some(file)
    }

    fn stored(&self, name: &str) -> Result<&Stored, WeightsError> {
        let missing = || WeightsError::tensor(&self.path, name, TensorProblem::Missing);
        self.tensors.get(name).ok_or_else(missing)
    }
}

impl Stored {
    /// Decodes `rows` into `out`, whole rows at a time. `data` is the whole tensor.
    fn decode_rows(&self, data: &[u8], rows: Range<usize>, out: &mut [f32]) {
        let all = self.shape[0];
        let width = out.len() / rows.len();
        let row_bytes = data.len() / all;
        let rows_per_task = (WEIGHTS_PER_TASK / width).max(1);
        let decode_run = |(run, weights): (usize, &mut [f32])| {
            let first = rows.start + run * rows_per_task;
            for (i, row) in weights.chunks_mut(width).enumerate() {
                let stored = self.rows.stored_row(first + i, all) * row_bytes;
                self.encoding.decode(&data[stored..stored + row_bytes], row);
            }
        };
        out.par_chunks_mut(rows_per_task * width)
            .enumerate()
            .for_each(decode_run);
    }
}
