//! The GGUF container: metadata and a table of tensors, checked whole when it is opened.
//!
//! Layout: magic, version, counts, key/value pairs, tensor table, padding, data; little-endian.
//! Rules: every length in the file is checked against what is left of it before anything is
//! allocated; tensors lie inside the file, aligned, and never on top of each other. Absent on
//! purpose: version 1, big-endian files, split files, writing.

mod cursor;
pub(crate) mod hf_config;
mod metadata;
pub(crate) mod names;
mod rope_factors;
mod vocabulary;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use crate::encoding::Encoding;
use crate::error::{TensorProblem, WeightsError};
use crate::mapped::MappedFile;
use cursor::Cursor;
pub use metadata::MetadataValue;
pub use vocabulary::GgufVocabulary;

const MAGIC: [u8; 4] = *b"GGUF";
const DEFAULT_ALIGNMENT: u64 = 32;
const MAX_ALIGNMENT: u64 = 1 << 20;
/// GGML's own limit.
const MAX_DIMENSIONS: u32 = 4;

/// Where and how one tensor lies in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GgufTensor {
    /// Dimensions, slowest first, as HF writes them (GGUF stores them the other way round).
    pub shape: Vec<usize>,
    /// Number format.
    pub encoding: Encoding,
    pub(crate) offset: usize,
    pub(crate) bytes: usize,
}

/// An opened GGUF file.
#[derive(Debug)]
pub struct GgufFile {
    file: MappedFile,
    metadata: HashMap<String, MetadataValue>,
    tensors: BTreeMap<String, GgufTensor>,
}

impl GgufFile {
    /// Maps the file and checks header, metadata and tensor table.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let file = MappedFile::open(path)?;
        let (metadata, tensors) = read_header(path, &file)?;
        Ok(Self {
            file,
            metadata,
            tensors,
        })
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// A metadata value.
    pub fn get(&self, key: &str) -> Option<&MetadataValue> {
        self.metadata.get(key)
    }

    /// All tensors by their GGUF names.
    pub fn tensors(&self) -> &BTreeMap<String, GgufTensor> {
        &self.tensors
    }

    /// A tensor's numbers as stored: no row order is undone, no name is translated.
    pub fn decode(&self, name: &str) -> Option<Vec<f32>> {
        let tensor = self.tensors.get(name)?;
        let mut out = vec![0.0; tensor.shape.iter().product()];
        tensor.encoding.decode(
            &self.file[tensor.offset..tensor.offset + tensor.bytes],
            &mut out,
        );
        Some(out)
    }

    pub(crate) fn into_file(self) -> MappedFile {
        self.file
    }
}

type Header = (HashMap<String, MetadataValue>, BTreeMap<String, GgufTensor>);

fn read_header(path: &Path, bytes: &[u8]) -> Result<Header, WeightsError> {
    let mut cursor = Cursor::new(path, bytes);
    check_magic_and_version(&mut cursor)?;
    let tensor_count = cursor.count("tensor count")?;
    let key_count = cursor.count("metadata count")?;
    let mut metadata = HashMap::new();
    for _ in 0..key_count {
        let key = cursor.string("a metadata key")?;
        let value = metadata::read_value(&mut cursor, &key)?;
        if metadata.insert(key.clone(), value).is_some() {
            return Err(WeightsError::setting(path, key, "given twice"));
        }
    }
    let mut entries = Vec::new();
    for _ in 0..tensor_count {
        entries.push(read_entry(&mut cursor)?);
    }
    let alignment = alignment(path, &metadata)?;
    let data_start = (cursor.position() as u64).next_multiple_of(alignment);
    let tensors = place(path, bytes.len(), data_start, alignment, entries)?;
    Ok((metadata, tensors))
}

fn check_magic_and_version(cursor: &mut Cursor) -> Result<(), WeightsError> {
    if cursor.array::<4>("the magic number")? != MAGIC {
        return Err(cursor.malformed("not a GGUF file (it does not begin with \"GGUF\")"));
    }
    match cursor.u32("the version")? {
        2 | 3 => Ok(()),
        version if (1..=3).contains(&version.swap_bytes()) => {
            Err(cursor.malformed("a big-endian GGUF file; only little-endian ones are read"))
        }
        version => {
            Err(cursor.malformed(format!("GGUF version {version}; versions 2 and 3 are read")))
        }
    }
}

/// One line of the tensor table, not yet checked against the file's size.
struct Entry {
    name: String,
    shape: Vec<usize>,
    weights: usize,
    ggml_type: u32,
    offset: u64,
}

fn read_entry(cursor: &mut Cursor) -> Result<Entry, WeightsError> {
    let name = cursor.string("a tensor name")?;
    let dimensions = cursor.u32("a tensor's dimension count")?;
    if dimensions > MAX_DIMENSIONS {
        let problem = format!("{dimensions} dimensions, at most {MAX_DIMENSIONS} are possible");
        return Err(cursor.tensor(&name, problem));
    }
    let mut shape = Vec::new();
    let mut weights = 1_usize;
    for _ in 0..dimensions {
        let size = cursor.u64("a tensor's dimension")?;
        let size = usize::try_from(size).ok();
        let product = size.and_then(|size| weights.checked_mul(size));
        let (Some(size), Some(product)) = (size, product) else {
            return Err(cursor.tensor(&name, "its dimensions overflow"));
        };
        if size == 0 {
            return Err(cursor.tensor(&name, "has a dimension of 0"));
        }
        shape.push(size);
        weights = product;
    }
    shape.reverse();
    let ggml_type = cursor.u32("a tensor's type")?;
    let offset = cursor.u64("a tensor's offset")?;
    Ok(Entry {
        name,
        shape,
        weights,
        ggml_type,
        offset,
    })
}

fn alignment(path: &Path, metadata: &HashMap<String, MetadataValue>) -> Result<u64, WeightsError> {
    const KEY: &str = "general.alignment";
    let Some(value) = metadata.get(KEY) else {
        return Ok(DEFAULT_ALIGNMENT);
    };
    match value.as_u64() {
        Some(alignment) if alignment.is_power_of_two() && alignment <= MAX_ALIGNMENT => {
            Ok(alignment)
        }
        _ => Err(WeightsError::setting(
            path,
            KEY,
            format!("{value}: not a power of two up to 2^20"),
        )),
    }
}

fn place(
    path: &Path,
    file_bytes: usize,
    data_start: u64,
    alignment: u64,
    entries: Vec<Entry>,
) -> Result<BTreeMap<String, GgufTensor>, WeightsError> {
    let mut tensors = BTreeMap::new();
    let mut spans = Vec::new();
    for entry in entries {
        let fail =
            |why: String| WeightsError::tensor(path, &entry.name, TensorProblem::Storage(why));
        let encoding = Encoding::from_ggml(entry.ggml_type)
            .ok_or_else(|| fail(unread_type(entry.ggml_type)))?;
        let row = entry.shape.last().copied().unwrap_or(1);
        let bytes = encoding
            .bytes_of(row)
            .and_then(|_| encoding.bytes_of(entry.weights));
        let bytes = bytes.ok_or_else(|| {
            let block = encoding.block_weights();
            fail(format!(
                "rows of {row} are no whole number of {encoding:?} blocks of {block}"
            ))
        })?;
        if entry.offset % alignment != 0 {
            return Err(fail(format!(
                "offset {} is not aligned to {alignment}",
                entry.offset
            )));
        }
        let start = data_start
            .checked_add(entry.offset)
            .and_then(|at| usize::try_from(at).ok());
        let end = start
            .and_then(|at| at.checked_add(bytes))
            .filter(|end| *end <= file_bytes);
        let (Some(offset), Some(end)) = (start, end) else {
            return Err(fail(format!(
                "its {bytes} bytes end beyond the file's {file_bytes}; the file is truncated"
            )));
        };
        spans.push((offset, end, entry.name.clone()));
        let tensor = GgufTensor {
            shape: entry.shape.clone(),
            encoding,
            offset,
            bytes,
        };
        if tensors.insert(entry.name.clone(), tensor).is_some() {
            return Err(fail("listed twice".to_owned()));
        }
    }
    check_overlap(path, spans)?;
    Ok(tensors)
}

fn check_overlap(path: &Path, mut spans: Vec<(usize, usize, String)>) -> Result<(), WeightsError> {
    spans.sort();
    for pair in spans.windows(2) {
        let ((_, end, first), (start, _, second)) = (&pair[0], &pair[1]);
        if start < end {
            let problem = TensorProblem::Storage(format!("its bytes overlap those of {first}"));
            return Err(WeightsError::tensor(path, second, problem));
        }
    }
    Ok(())
}

fn unread_type(ggml_type: u32) -> String {
    format!(
        "ggml type {ggml_type} is not read (F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 and \
         Q2_K to Q6_K are)"
    )
}
