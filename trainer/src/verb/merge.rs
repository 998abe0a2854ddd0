//! `merge`: the adapter added into its base, with a report of what the number format lost.
//!
//! `W + s B A` is computed in `f32` from the values that training used, and rounded once. A base
//! that training held in halves or in blocks is merged as that form had it, adapted layers or not.

use std::collections::BTreeSet;
use std::path::Path;

use schliff_spec::exit::ExitCode;
use schliff_spec::job::BaseModel;
use schliff_spec::request::MergeDtype;
use schliff_weights::merged::{DEFAULT_SHARD_BYTES, FloatType, HfModel, NamedTensor};
use schliff_weights::merged::{check_model_destination, write_hf_model};
use schliff_weights::{BaseFormat, WeightsError};
use serde_json::{Value, json};

use super::tuned::{Tuned, open_adapter};
use crate::adapter::layout::Kind;
use crate::base::{Base, Replacements};
use crate::failure::Failure;
use crate::kernel::matmul::{View, ViewMut, Write, matmul};
use crate::kernel::rms_norm::row_squares;
use crate::model::holding::Role;
use crate::model::load::linear_layers;
use crate::model::network::{EMBEDDING, HEAD};
use crate::process::report::Reporter;

/// What merging and rounding did to the adapted weights.
#[derive(Default)]
struct Losses {
    entries: u64,
    unchanged: u64,
    largest_delta: f32,
    delta_squares: f64,
    error_squares: f64,
}

/// Writes base plus adapter as an HF directory.
pub(super) fn merge(
    model: &BaseModel,
    adapter: &Path,
    (out, dtype): (&Path, MergeDtype),
    reporter: &Reporter,
) -> Result<Value, Failure> {
    check_model_destination(out).map_err(Failure::usage)?;
    reporter.stage("opening the base model");
    let base = Base::open(model, Replacements::default()).map_err(Failure::usage)?;
    let tuned = open_adapter(&base, adapter, reporter)?;
    let dtype = match dtype {
        MergeDtype::F32 => FloatType::F32,
        MergeDtype::Bf16 => FloatType::BF16,
        MergeDtype::F16 => FloatType::F16,
    };
    let mut config = base.weights.hf_config().clone();
    let mut names: Vec<String> = base.weights.names().map(str::to_owned).collect();
    let unties = [EMBEDDING, HEAD]
        .iter()
        .any(|name| tuned.layout.saved(name).is_some());
    if unties && base.weights.config().tie_embeddings {
        config["tie_word_embeddings"] = Value::Bool(false);
        names.push(HEAD.to_owned());
    }
    reporter.stage("merging");
    let total = names.len();
    let mut merger = Merger {
        base: &base,
        layers: layers(&base),
        tuned,
        dtype,
        losses: Losses::default(),
    };
    let tensors = names.iter().enumerate().map(|(done, name)| {
        reporter.progress(done, total);
        merger.tensor(name)
    });
    let from_folder = base.weights.format() == BaseFormat::HfDirectory;
    let hf = HfModel {
        config: &config,
        dtype,
        max_shard_bytes: DEFAULT_SHARD_BYTES,
        companions_from: from_folder.then(|| base.weights.path()),
        files: if from_folder {
            Vec::new()
        } else {
            tokenizer_files(&base)?
        },
    };
    let written = write_hf_model(out, &hf, tensors).map_err(Failure::job)?;
    let losses = merger.losses;
    Ok(json!({
        "out": out,
        "report": {
            "dtype": dtype.torch_name(),
            "merged_modules": merger.tuned.layout.modules.len(),
            "base": merger.tuned.holding,
            "parameters": written.parameters,
            "weight_bytes": written.bytes,
            "shards": written.shards,
            "largest_change": losses.largest_delta,
            "unchanged_share": losses.unchanged as f64 / losses.entries.max(1) as f64,
            "rounding_error_share": (losses.error_squares / losses.delta_squares.max(1e-300)).sqrt(),
            "finite": true,
        },
    }))
}

struct Merger<'a> {
    base: &'a Base,
    /// Weights of all linear layers.
    layers: BTreeSet<String>,
    tuned: Tuned,
    dtype: FloatType,
    losses: Losses,
}

impl Merger<'_> {
    /// One tensor of the merged model.
    fn tensor(&mut self, name: &str) -> Result<NamedTensor, WeightsError> {
        let weights = &self.base.weights;
        let source = if weights.shape(name).is_none() {
            EMBEDDING
        } else {
            name
        };
        let shape = weights.shape(source).unwrap_or_default().to_vec();
        let saved = self
            .tuned
            .layout
            .parameters
            .iter()
            .find(|p| p.kind == Kind::Saved && p.name == name);
        if let Some(parameter) = saved {
            return Ok((
                name.to_owned(),
                shape,
                self.tuned.masters[parameter.range()].to_vec(),
            ));
        }
        let mut weight = self.base_values(source)?;
        if let Some(module) = self.tuned.layout.module(name.trim_end_matches(".weight")) {
            self.add_branch(&mut weight, module);
        }
        Ok((name.to_owned(), shape, weight))
    }

    /// The values that training used.
    fn base_values(&self, name: &str) -> Result<Vec<f32>, WeightsError> {
        let weights = &self.base.weights;
        let role = match name {
            EMBEDDING | HEAD => Role::Vocabulary,
            name if self.layers.contains(name) => Role::Layer,
            // Norms and biases have 32 bits in every form.
            _ => return weights.read_f32(name),
        };
        self.tuned.holding.values(weights, name, role)
    }

    fn add_branch(&mut self, weight: &mut [f32], module: usize) {
        let Tuned {
            layout, masters, ..
        } = &self.tuned;
        let module = &layout.modules[module];
        let parameter = |index: usize| &layout.parameters[index];
        let (a, b) = (parameter(module.a), parameter(module.a + 1));
        let (inputs, outputs) = (a.shape.1, b.shape.0);
        let before = weight.to_vec();
        matmul(
            ViewMut::new(weight, outputs, inputs),
            Write::Add,
            module.scale,
            View::new(&masters[b.range()], outputs, module.rank),
            View::new(&masters[a.range()], module.rank, inputs),
        );
        if module.dora {
            let norms = row_squares(weight, inputs);
            let magnitude = &masters[parameter(module.a + 2).range()];
            for ((row, norm), m) in weight.chunks_exact_mut(inputs).zip(norms).zip(magnitude) {
                let factor = m / norm.sqrt();
                row.iter_mut().for_each(|w| *w *= factor);
            }
        }
        for (&after, &before) in weight.iter().zip(&before) {
            self.losses.count(before, after, self.dtype);
        }
    }
}

impl Losses {
    fn count(&mut self, before: f32, after: f32, dtype: FloatType) {
        let delta = after - before;
        let rounded = dtype.round(after);
        self.entries += 1;
        self.unchanged += u64::from(rounded == dtype.round(before));
        self.largest_delta = self.largest_delta.max(delta.abs());
        self.delta_squares += f64::from(delta).powi(2);
        self.error_squares += f64::from(rounded - after).powi(2);
    }
}

fn layers(base: &Base) -> BTreeSet<String> {
    let layers = linear_layers(base.weights.config()).into_iter();
    layers
        .map(|layer| format!("{}.weight", layer.name))
        .collect()
}

/// Tokenizer files for a base that came as a GGUF.
fn tokenizer_files(base: &Base) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let Some(tokenizer) = &base.tokenizer else {
        return Ok(Vec::new());
    };
    let vocabulary = base.weights.gguf_vocabulary();
    let text = |id: Option<u32>| id.and_then(|id| tokenizer.token_text(id));
    let config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": text(vocabulary.as_ref().and_then(|v| v.bos_token_id)),
        "eos_token": text(base.eos),
        "model_max_length": base.weights.config().max_positions,
        "chat_template": base.weights.chat_template(),
    });
    let json = tokenizer.to_json().map_err(|error| {
        Failure::words(
            ExitCode::JobFailed,
            format!("the tokenizer cannot be written: {error}"),
        )
    })?;
    Ok(vec![
        ("tokenizer.json".to_owned(), json.into_bytes()),
        (
            "tokenizer_config.json".to_owned(),
            format!("{config:#}\n").into_bytes(),
        ),
    ])
}
