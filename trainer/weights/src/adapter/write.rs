//! Writing an adapter folder, whole or not at all.

use std::path::Path;

use safetensors::Dtype;

use super::{Adapter, CARD, CONFIG, NOTES, PREFIX, WEIGHTS, config_json};
use crate::error::{TensorProblem, WeightsError};
use crate::folder::{self, StagedFolder};

/// Files that may be replaced with the folder.
fn is_ours(name: &str) -> bool {
    [CONFIG, WEIGHTS, CARD, NOTES].contains(&name)
}

/// Says before hours of training what [`write_adapter`] would say after them: that the folder
/// cannot be made, or holds files that are not an adapter's.
pub fn check_adapter_destination(dir: &Path) -> Result<(), WeightsError> {
    folder::check_destination(dir, is_ours)
}

/// Writes the folder as PEFT 0.21 does. An adapter that is there already is replaced in one
/// step; on any failure it stays as it was and nothing new is left behind.
pub fn write_adapter(dir: &Path, adapter: &Adapter) -> Result<(), WeightsError> {
    write_noted_adapter(dir, adapter, None)
}

/// [`write_adapter`], with a file [`NOTES`] beside those that PEFT knows.
///
/// # Errors
/// As [`write_adapter`].
pub fn write_noted_adapter(
    dir: &Path,
    adapter: &Adapter,
    notes: Option<&str>,
) -> Result<(), WeightsError> {
    let settings = adapter.config.check();
    settings.map_err(|(key, problem)| WeightsError::setting(&dir.join(CONFIG), key, problem))?;
    let files = encode(dir, adapter)?;
    let staged = StagedFolder::create(dir, is_ours)?;
    staged.write(WEIGHTS, &files.weights)?;
    staged.write(CONFIG, &files.config)?;
    staged.write(CARD, card(adapter).as_bytes())?;
    if let Some(notes) = notes {
        staged.write(NOTES, notes.as_bytes())?;
    }
    staged.commit()
}

/// The two files that make an adapter, as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterFiles {
    /// `adapter_model.safetensors`.
    pub weights: Vec<u8>,
    /// `adapter_config.json`.
    pub config: Vec<u8>,
}

/// The files that [`write_adapter`] would write.
///
/// # Errors
/// Factors that do not have their own shape.
pub fn encode_adapter(adapter: &Adapter) -> Result<AdapterFiles, WeightsError> {
    encode(Path::new(""), adapter)
}

fn encode(dir: &Path, adapter: &Adapter) -> Result<AdapterFiles, WeightsError> {
    let tensors = collect_tensors(dir, adapter)?;
    let metadata = [("format".to_owned(), "pt".to_owned())].into();
    let weights = safetensors::serialize(tensors, Some(metadata))
        .map_err(|e| WeightsError::malformed(&dir.join(WEIGHTS), e.to_string()))?;
    Ok(AdapterFiles {
        weights,
        config: config_json::render(&adapter.config).into_bytes(),
    })
}

type NamedBytes = (String, Vec<usize>, Vec<u8>);

/// All tensors under their names in the file; the writer sorts them.
fn collect_tensors(
    dir: &Path,
    adapter: &Adapter,
) -> Result<Vec<(String, OwnedTensor)>, WeightsError> {
    let mut tensors: Vec<NamedBytes> = Vec::new();
    for (module, factors) in &adapter.modules {
        let mut add = |part: &str, shape: Vec<usize>, data: &[f32]| {
            tensors.push((format!("{PREFIX}{module}.{part}"), shape, to_bytes(data)));
        };
        add("lora_A.weight", vec![factors.r, factors.inputs], &factors.a);
        add(
            "lora_B.weight",
            vec![factors.outputs, factors.r],
            &factors.b,
        );
        if let Some(magnitude) = &factors.magnitude {
            add("lora_magnitude_vector", vec![factors.outputs], magnitude);
        }
    }
    for (name, tensor) in &adapter.saved {
        tensors.push((
            format!("{PREFIX}{name}"),
            tensor.shape.clone(),
            to_bytes(&tensor.data),
        ));
    }
    let check = |(name, shape, bytes): NamedBytes| {
        let expected: usize = shape.iter().product::<usize>() * size_of::<f32>();
        if bytes.len() != expected {
            let why = format!("{} bytes for shape {shape:?}", bytes.len());
            return Err(WeightsError::tensor(
                dir,
                &name,
                TensorProblem::Storage(why),
            ));
        }
        Ok((name, OwnedTensor { shape, bytes }))
    };
    tensors.into_iter().map(check).collect()
}

fn to_bytes(data: &[f32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size_of_val(data));
    // In chunks: the compiler makes a plain copy of them where numbers are little-endian.
    for chunk in data.chunks(256) {
        bytes.extend(chunk.iter().flat_map(|number| number.to_le_bytes()));
    }
    bytes
}

struct OwnedTensor {
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl safetensors::View for OwnedTensor {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> std::borrow::Cow<'_, [u8]> {
        self.bytes.as_slice().into()
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// The model card: the metadata that the Hugging Face hub reads, and a line for the reader.
fn card(adapter: &Adapter) -> String {
    let config = &adapter.config;
    let base = config
        .base_model_name_or_path
        .as_deref()
        .unwrap_or_default();
    let method = match (config.use_dora, config.use_rslora) {
        (true, true) => "DoRA with rank-stabilised scaling",
        (true, false) => "DoRA",
        (false, true) => "LoRA with rank-stabilised scaling",
        (false, false) => "LoRA",
    };
    // A JSON string is a YAML string, whatever the path holds.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    format!(
        "---\nbase_model: {base_id}\nlibrary_name: peft\npipeline_tag: text-generation\ntags:\n\
         - {tag}\n- lora\n- transformers\n---\n\n# Adapter\n\nA {method} adapter of rank {rank} \
         (alpha {alpha}) with {parameters} parameters, trained by Schliff. Load it with \
         `PeftModel.from_pretrained(base_model, folder)`.\n\n### Framework versions\n\n\
         - PEFT {version}\n",
        base_id = quoted(hub_id(base).unwrap_or_default()),
        tag = quoted(&format!("base_model:adapter:{base}")),
        rank = config.r,
        alpha = config.lora_alpha,
        parameters = adapter.parameter_count(),
        version = config_json::PEFT_VERSION,
    )
}

/// `owner/name`, the only form that the hub accepts as a base model.
fn hub_id(base: &str) -> Option<&str> {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    base.split_once('/')
        .filter(|(owner, name)| plain(owner) && plain(name))
        .map(|_| base)
}
