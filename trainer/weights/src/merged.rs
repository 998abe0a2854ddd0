//! A HF model folder out of tensors, whole or not at all.
//!
//! Rules: the configuration decides which tensors there are, so a folder that is written is one
//! that can be opened; tensors are written as they come and never held together; each is rounded
//! once. Absent on purpose: the merge itself, quantised output, GGUF.

mod layout;

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::config::ModelConfig;
use crate::error::{TensorProblem, WeightsError};
use crate::expected::expected_tensors;
use crate::folder::{self, StagedFolder};
use layout::{Layout, Place};

/// Files above this are split, as the Hugging Face hub likes them.
pub const DEFAULT_SHARD_BYTES: u64 = 5_000_000_000;

const CONFIG: &str = "config.json";
const INDEX: &str = "model.safetensors.index.json";
/// Weights are cast in pieces of so many.
const WEIGHTS_AT_ONCE: usize = 1 << 16;
/// What a model folder holds besides weights and configuration, copied when it is there.
const COMPANIONS: [&str; 10] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
];
/// Terms that must travel with the weights.
const NOTICES: [&str; 6] = [
    "LICENSE",
    "LICENSE.md",
    "LICENSE.txt",
    "NOTICE",
    "NOTICE.md",
    "NOTICE.txt",
];

/// Number format of the written weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatType {
    /// IEEE single.
    F32,
    /// IEEE half.
    F16,
    /// The upper half of an IEEE single, rounded to nearest even.
    BF16,
}

impl FloatType {
    /// As transformers spells it.
    pub fn torch_name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::F16 => "float16",
            Self::BF16 => "bfloat16",
        }
    }

    fn safetensors_name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
        }
    }

    /// The number as it will read back.
    pub fn round(self, number: f32) -> f32 {
        match self {
            Self::F32 => number,
            Self::F16 => half::f16::from_f32(number).to_f32(),
            Self::BF16 => half::bf16::from_f32(number).to_f32(),
        }
    }

    fn push(self, number: f32, bytes: &mut Vec<u8>) {
        match self {
            Self::F32 => bytes.extend(number.to_le_bytes()),
            Self::F16 => bytes.extend(half::f16::from_f32(number).to_le_bytes()),
            Self::BF16 => bytes.extend(half::bf16::from_f32(number).to_le_bytes()),
        }
    }
}

/// One tensor to write: HF name, shape, numbers.
pub type NamedTensor = (String, Vec<usize>, Vec<f32>);

/// What a model folder is made of, besides its tensors.
#[derive(Clone, Debug)]
pub struct HfModel<'a> {
    /// `config.json`; its dtype key is set to what is written.
    pub config: &'a Value,
    /// Number format of all weights.
    pub dtype: FloatType,
    /// Largest weight file, in bytes of tensors.
    pub max_shard_bytes: u64,
    /// HF folder of the base, whose tokenizer and licence files are copied.
    pub companions_from: Option<&'a Path>,
    /// Further files by name, such as a `tokenizer.json` made from a GGUF.
    pub files: Vec<(String, Vec<u8>)>,
}

/// Sizes of what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrittenModel {
    /// Weight files.
    pub shards: usize,
    /// Weights.
    pub parameters: u64,
    /// Bytes of weights.
    pub bytes: u64,
}

/// Says beforehand whether [`write_hf_model`] can make the folder.
pub fn check_model_destination(dir: &Path) -> Result<(), WeightsError> {
    folder::check_destination(dir, is_ours)
}

/// Writes a HF model folder. `tensors` may come in any order, each exactly once; a number that is
/// not finite in the chosen format is an error. An earlier model folder is replaced in one step.
pub fn write_hf_model(
    dir: &Path,
    model: &HfModel,
    tensors: impl Iterator<Item = Result<NamedTensor, WeightsError>>,
) -> Result<WrittenModel, WeightsError> {
    let config_path = dir.join(CONFIG);
    let parsed = ModelConfig::from_hf(model.config, &config_path)?;
    let layout = Layout::of(
        &expected_tensors(&parsed),
        model.dtype,
        model.max_shard_bytes,
    );
    let staged = StagedFolder::create(dir, is_ours)?;
    let mut shards = Shards::create(dir, &staged, &layout)?;
    for tensor in tensors {
        let (name, shape, numbers) = tensor?;
        shards.write(&layout, &name, &shape, &numbers)?;
    }
    shards.finish()?;
    if layout.shards.len() > 1 {
        staged.write(INDEX, layout.index().as_bytes())?;
    }
    staged.write(CONFIG, render_config(model).as_bytes())?;
    write_companions(&staged, model)?;
    staged.commit()?;
    Ok(WrittenModel {
        shards: layout.shards.len(),
        parameters: layout.parameters,
        bytes: layout.bytes,
    })
}

/// Files that may be replaced with a model folder.
fn is_ours(name: &str) -> bool {
    let shard = name.starts_with("model") && name.ends_with(".safetensors");
    let known = [CONFIG, INDEX, "README.md", "merge_report.json"];
    shard || known.contains(&name) || COMPANIONS.contains(&name) || NOTICES.contains(&name)
}

fn render_config(model: &HfModel) -> String {
    let mut config = model.config.clone();
    let name = model.dtype.torch_name();
    let new_spelling = config.get("dtype").is_some();
    config[if new_spelling { "dtype" } else { "torch_dtype" }] = json!(name);
    // A JSON value always serialises.
    let mut text = serde_json::to_string_pretty(&config).unwrap_or_default();
    text.push('\n');
    text
}

fn write_companions(staged: &StagedFolder, model: &HfModel) -> Result<(), WeightsError> {
    let given = |name: &str| model.files.iter().any(|(given, _)| given == name);
    if let Some(base) = model.companions_from {
        for name in COMPANIONS
            .iter()
            .chain(&NOTICES)
            .filter(|name| !given(name))
        {
            let path = base.join(name);
            if path.is_file() {
                let bytes = std::fs::read(&path).map_err(|e| WeightsError::io("read", &path, e))?;
                staged.write(name, &bytes)?;
            }
        }
    }
    model
        .files
        .iter()
        .try_for_each(|(name, bytes)| staged.write(name, bytes))
}

/// The open weight files: headers written, tensors put where the headers say.
struct Shards {
    dtype: FloatType,
    paths: Vec<PathBuf>,
    files: Vec<File>,
    missing: std::collections::BTreeSet<String>,
    dir: PathBuf,
}

impl Shards {
    fn create(dir: &Path, staged: &StagedFolder, layout: &Layout) -> Result<Self, WeightsError> {
        let (mut paths, mut files) = (Vec::new(), Vec::new());
        for shard in &layout.shards {
            staged.write(&shard.file_name, &shard.header)?;
            let path = dir.join(&shard.file_name);
            let open = || {
                let made = staged.path_of(&shard.file_name);
                let file = OpenOptions::new().write(true).open(made)?;
                // The full length now, so that tensors can come in any order.
                file.set_len(shard.header.len() as u64 + shard.bytes)?;
                Ok(file)
            };
            files.push(open().map_err(|e| WeightsError::io("write", &path, e))?);
            paths.push(path);
        }
        let missing = layout.places.keys().cloned().collect();
        Ok(Self {
            dtype: layout.dtype,
            paths,
            files,
            missing,
            dir: dir.to_owned(),
        })
    }

    fn write(
        &mut self,
        layout: &Layout,
        name: &str,
        shape: &[usize],
        numbers: &[f32],
    ) -> Result<(), WeightsError> {
        let fail = |problem| WeightsError::tensor(&self.dir, name, problem);
        let place = layout
            .places
            .get(name)
            .ok_or_else(|| fail(TensorProblem::Unexpected))?;
        if place.shape != shape || numbers.len() != shape.iter().product::<usize>() {
            let (found, expected) = (shape.to_vec(), place.shape.clone());
            return Err(fail(TensorProblem::Shape { found, expected }));
        }
        if let Some(at) = numbers
            .iter()
            .position(|n| !self.dtype.round(*n).is_finite())
        {
            let (number, dtype) = (numbers[at], self.dtype.torch_name());
            let why = format!("number {at} is {number}, not finite as {dtype}");
            return Err(fail(TensorProblem::Storage(why)));
        }
        if !self.missing.remove(name) {
            return Err(fail(TensorProblem::Storage("given twice".to_owned())));
        }
        self.put(layout, place, numbers)
            .map_err(|e| WeightsError::io("write", &self.paths[place.shard], e))
    }

    fn put(&mut self, layout: &Layout, place: &Place, numbers: &[f32]) -> std::io::Result<()> {
        let file = &mut self.files[place.shard];
        let header = layout.shards[place.shard].header.len() as u64;
        file.seek(SeekFrom::Start(header + place.offset))?;
        let mut bytes = Vec::with_capacity(WEIGHTS_AT_ONCE * self.dtype.bytes());
        for piece in numbers.chunks(WEIGHTS_AT_ONCE) {
            bytes.clear();
            piece
                .iter()
                .for_each(|number| self.dtype.push(*number, &mut bytes));
            file.write_all(&bytes)?;
        }
        Ok(())
    }

    fn finish(self) -> Result<(), WeightsError> {
        if let Some(name) = self.missing.first() {
            return Err(WeightsError::tensor(
                &self.dir,
                name,
                TensorProblem::Missing,
            ));
        }
        for (file, path) in self.files.iter().zip(&self.paths) {
            file.sync_all()
                .map_err(|e| WeightsError::io("write", path, e))?;
        }
        Ok(())
    }
}
