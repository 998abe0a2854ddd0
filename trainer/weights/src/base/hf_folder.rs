//! A HF model folder as a base model.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use serde_json::Value;

use super::{BaseFormat, BaseWeights, RowOrder, Stored};
use crate::config::ModelConfig;
use crate::error::{TensorProblem, WeightsError};
use crate::expected::expected_tensors;
use crate::mapped::MappedFile;
use crate::safetensors_file::{SafetensorsFile, Span};

const CONFIG: &str = "config.json";
const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const EMBEDDING: &str = "model.embed_tokens.weight";
const HEAD: &str = "lm_head.weight";

pub(super) fn open(dir: &Path) -> Result<BaseWeights, WeightsError> {
    let config_path = dir.join(CONFIG);
    let mut hf_config = read_json(&config_path)?;
    let mut config = ModelConfig::from_hf(&hf_config, &config_path)?;
    add_generation_eos(dir, &mut config)?;
    let mut shards = Shards::open(dir)?;
    if config.tie_embeddings && shards.settle_tied_head()? {
        config.tie_embeddings = false;
        hf_config["tie_word_embeddings"] = Value::Bool(false);
    }
    let (order, tensors) = shards.claim_all(dir, &config)?;
    Ok(BaseWeights {
        path: dir.to_owned(),
        format: BaseFormat::HfDirectory,
        config,
        hf_config,
        files: shards.files,
        order,
        tensors,
        vocabulary: None,
    })
}

/// A template is text, or a list of named ones of which "default" is meant.
pub(super) fn template_of(value: &Value) -> Option<String> {
    match value {
        Value::String(template) => Some(template.clone()),
        Value::Array(named) => {
            let default = |entry: &&Value| entry["name"] == "default";
            named.iter().find(default)?["template"]
                .as_str()
                .map(str::to_owned)
        }
        _ => None,
    }
}

fn read_json(path: &Path) -> Result<Value, WeightsError> {
    let text = std::fs::read(path).map_err(|e| WeightsError::io("read", path, e))?;
    serde_json::from_slice(&text)
        .map_err(|e| WeightsError::malformed(path, format!("not JSON: {e}")))
}

/// Chat models list the tokens that end a turn in `generation_config.json` alone.
fn add_generation_eos(dir: &Path, config: &mut ModelConfig) -> Result<(), WeightsError> {
    let path = dir.join("generation_config.json");
    if !path.is_file() {
        return Ok(());
    }
    let ids = match &read_json(&path)?["eos_token_id"] {
        Value::Array(ids) => ids.clone(),
        one => vec![one.clone()],
    };
    for id in ids
        .iter()
        .filter_map(Value::as_u64)
        .filter_map(|id| u32::try_from(id).ok())
    {
        if !config.eos_token_ids.contains(&id) {
            config.eos_token_ids.push(id);
        }
    }
    Ok(())
}

/// All tensors of all files, by name.
struct Shards {
    files: Vec<MappedFile>,
    tensors: BTreeMap<String, (usize, Span)>,
}

impl Shards {
    fn open(dir: &Path) -> Result<Self, WeightsError> {
        if dir.join(SINGLE).is_file() {
            return Self::of_files(dir, &BTreeSet::from([SINGLE.to_owned()]));
        }
        let index = dir.join(INDEX);
        if !index.is_file() {
            let problem = format!("neither {SINGLE} nor {INDEX} is there");
            return Err(WeightsError::malformed(dir, problem));
        }
        let weight_map = read_weight_map(&index)?;
        let shards = Self::of_files(dir, &weight_map.values().cloned().collect())?;
        for (name, file) in &weight_map {
            if !shards.tensors.contains_key(name) {
                let path = dir.join(file);
                return Err(WeightsError::tensor(&path, name, TensorProblem::Missing));
            }
        }
        Ok(shards)
    }

    fn of_files(dir: &Path, names: &BTreeSet<String>) -> Result<Self, WeightsError> {
        let (mut files, mut tensors) = (Vec::new(), BTreeMap::new());
        for (index, file_name) in names.iter().enumerate() {
            let opened = SafetensorsFile::open(&dir.join(file_name))?;
            for (name, span) in opened.tensors {
                if tensors.insert(name.clone(), (index, span)).is_some() {
                    let problem = TensorProblem::Storage("is in an earlier shard too".to_owned());
                    return Err(WeightsError::tensor(opened.file.path(), &name, problem));
                }
            }
            files.push(opened.file);
        }
        Ok(Self { files, tensors })
    }

    /// Deals with a head that is stored although it should be the embedding, as transformers 5
    /// does: an equal one is dropped, a different one stands (returns true), and where only the
    /// head is stored it serves as the embedding.
    fn settle_tied_head(&mut self) -> Result<bool, WeightsError> {
        let Some(head) = self.tensors.get(HEAD) else {
            return Ok(false);
        };
        match self.tensors.get(EMBEDDING) {
            Some(embedding) if self.data(embedding) != self.data(head) => return Ok(true),
            Some(_) => {
                self.tensors.remove(HEAD);
            }
            None => {
                if let Some(head) = self.tensors.remove(HEAD) {
                    self.tensors.insert(EMBEDDING.to_owned(), head);
                }
            }
        }
        Ok(false)
    }

    fn data(&self, (file, span): &(usize, Span)) -> &[u8] {
        &self.files[*file][span.offset..span.offset + span.bytes]
    }

    fn claim_all(
        &mut self,
        dir: &Path,
        config: &ModelConfig,
    ) -> Result<(Vec<String>, BTreeMap<String, Stored>), WeightsError> {
        let (mut order, mut stored) = (Vec::new(), BTreeMap::new());
        for (name, expected) in expected_tensors(config) {
            let Some((file, span)) = self.tensors.remove(&name) else {
                return Err(WeightsError::tensor(dir, &name, TensorProblem::Missing));
            };
            let path = self.files[file].path();
            if span.shape != expected {
                let problem = TensorProblem::Shape {
                    found: span.shape,
                    expected,
                };
                return Err(WeightsError::tensor(path, &name, problem));
            }
            let encoding = span.encoding(path, &name)?;
            let (offset, bytes) = (span.offset, span.bytes);
            let (shape, rows) = (span.shape, RowOrder::Hf);
            let tensor = Stored {
                shape,
                file,
                offset,
                bytes,
                encoding,
                rows,
                offset_by: 0.0,
            };
            stored.insert(name.clone(), tensor);
            order.push(name);
        }
        // Old checkpoints carry the rotation's frequencies, which follow from the configuration.
        let is_weight = |name: &&String| !name.ends_with(".rotary_emb.inv_freq");
        if let Some(name) = self.tensors.keys().find(is_weight) {
            let path = self.files[self.tensors[name].0].path();
            return Err(WeightsError::tensor(path, name, TensorProblem::Unexpected));
        }
        Ok((order, stored))
    }
}

/// Tensor name to file name, as the index has it.
fn read_weight_map(index: &Path) -> Result<BTreeMap<String, String>, WeightsError> {
    let parsed = read_json(index)?;
    let map = parsed["weight_map"].as_object();
    let map = map.ok_or_else(|| WeightsError::setting(index, "weight_map", "not an object"))?;
    let mut files = BTreeMap::new();
    for (tensor, file) in map {
        let plain = file.as_str().filter(|file| is_file_name(file));
        let Some(file) = plain else {
            let key = format!("weight_map.{tensor}");
            return Err(WeightsError::setting(
                index,
                key,
                format!("{file} is not a file name"),
            ));
        };
        files.insert(tensor.clone(), file.to_owned());
    }
    Ok(files)
}

/// No path: an index must not reach outside its folder.
fn is_file_name(file: &str) -> bool {
    let mut components = Path::new(file).components();
    matches!(
        (components.next(), components.next()),
        (Some(Component::Normal(_)), None)
    )
}
