//! A GGUF file as a base model.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{BaseFormat, BaseWeights, RowOrder, Stored};
use crate::config::{Family, ModelConfig};
use crate::error::{TensorProblem, WeightsError};
use crate::expected::expected_tensors;
use crate::gguf::names::gguf_name;
use crate::gguf::{GgufFile, GgufTensor, GgufVocabulary, hf_config};

/// Tensors that carry settings, not weights: the first is read with the configuration, the
/// second is a table that old converters left behind.
const NOT_WEIGHTS: [&str; 2] = ["rope_freqs.weight", "attn_rot_embd.weight"];

pub(super) fn open(path: &Path) -> Result<BaseWeights, WeightsError> {
    let gguf = GgufFile::open(path)?;
    let hf_config = hf_config::hf_config(&gguf)?;
    let config = ModelConfig::from_hf(&hf_config, path)?;
    let vocabulary = GgufVocabulary::read(&gguf)?;
    let mut unclaimed: BTreeSet<&str> = gguf.tensors().keys().map(String::as_str).collect();
    let (mut order, mut tensors) = (Vec::new(), BTreeMap::new());
    for (name, shape) in expected_tensors(&config) {
        let stored_name = gguf_name(&name, config.sandwich_norms).unwrap_or_else(|| name.clone());
        let tensor = claim(&gguf, &stored_name, &shape)?;
        unclaimed.remove(stored_name.as_str());
        tensors.insert(name.clone(), stored(&config, &name, tensor));
        order.push(name);
    }
    let is_weight = |name: &&&str| !NOT_WEIGHTS.iter().any(|end| name.ends_with(end));
    if let Some(name) = unclaimed.iter().find(is_weight) {
        return Err(WeightsError::tensor(path, name, TensorProblem::Unexpected));
    }
    Ok(BaseWeights {
        path: path.to_owned(),
        format: BaseFormat::Gguf,
        config,
        hf_config,
        files: vec![gguf.into_file()],
        order,
        tensors,
        vocabulary,
    })
}

fn claim<'a>(
    gguf: &'a GgufFile,
    name: &str,
    expected: &[usize],
) -> Result<&'a GgufTensor, WeightsError> {
    let fail = |problem| WeightsError::tensor(gguf.path(), name, problem);
    let tensor = gguf
        .tensors()
        .get(name)
        .ok_or_else(|| fail(TensorProblem::Missing))?;
    if tensor.shape != expected {
        let (found, expected) = (tensor.shape.clone(), expected.to_vec());
        return Err(fail(TensorProblem::Shape { found, expected }));
    }
    Ok(tensor)
}

fn stored(config: &ModelConfig, name: &str, tensor: &GgufTensor) -> Stored {
    // Only the architecture "llama", which Mistral's files call themselves too, permutes.
    let permuted = matches!(config.family, Family::Llama | Family::Mistral);
    let rows = if permuted && name.contains(".q_proj.") {
        RowOrder::InterleavedHeads(config.num_heads)
    } else if permuted && name.contains(".k_proj.") {
        RowOrder::InterleavedHeads(config.num_kv_heads)
    } else {
        RowOrder::Hf
    };
    let norm = name.ends_with("norm.weight");
    Stored {
        shape: tensor.shape.clone(),
        file: 0,
        offset: tensor.offset,
        bytes: tensor.bytes,
        encoding: tensor.encoding,
        rows,
        offset_by: if norm && config.norm_plus_one {
            1.0
        } else {
            0.0
        },
    }
}
