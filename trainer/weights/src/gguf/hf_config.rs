//! A `config.json` in transformers' form out of GGUF metadata.
//!
//! The parser of [`crate::config`] then reads it like any other, so GGUF has no second set of
//! rules; and merge can write it beside the weights. Keys are transformers 4's, which version 5
//! reads too. Values that GGUF leaves out are those that llama.cpp assumes.

mod gemma;
mod source;

use serde_json::{Map, Value, json};

use super::{GgufFile, MetadataValue, rope_factors};
use crate::error::{TensorProblem, WeightsError};
use source::Source;

const ROPE_FACTORS: &str = "rope_freqs.weight";
/// The synthesised `config.json`.
pub(crate) fn hf_config(gguf: &GgufFile) -> Result<Value, WeightsError> {
    let architecture = gguf
        .get("general.architecture")
        .and_then(MetadataValue::as_str);
    let architecture = architecture.ok_or_else(|| {
        WeightsError::setting(gguf.path(), "general.architecture", "missing or not text")
    })?;
    let source = Source { gguf, architecture };
    source.refuse_what_cannot_be_computed()?;
    let window = source
        .size_if_given("attention.sliding_window")?
        .filter(|window| *window > 0);
    let (model_type, class) = match architecture {
        // Converters write Mistral as "llama"; a window is the only difference.
        "llama" if window.is_some() => ("mistral", "MistralForCausalLM"),
        "llama" => ("llama", "LlamaForCausalLM"),
        "qwen2" => ("qwen2", "Qwen2ForCausalLM"),
        "qwen3" => ("qwen3", "Qwen3ForCausalLM"),
        "gemma2" => ("gemma2", "Gemma2ForCausalLM"),
        "gemma3" => ("gemma3_text", "Gemma3ForCausalLM"),
        other => {
            let problem =
                format!("{other:?} is not supported (llama, qwen2, qwen3, gemma2 and gemma3 are)");
            return Err(WeightsError::setting(
                gguf.path(),
                "general.architecture",
                problem,
            ));
        }
    };
    let mut config = Map::new();
    config.insert("architectures".into(), json!([class]));
    config.insert("model_type".into(), json!(model_type));
    source.sizes(&mut config)?;
    source.tokens(&mut config);
    source.rotation(&mut config)?;
    match model_type {
        "llama" => source.llama_biases(&mut config),
        "mistral" => {
            config.insert("sliding_window".into(), json!(window));
        }
        "gemma2" | "gemma3_text" => source.gemma(&mut config)?,
        _ => {}
    }
    config.insert("torch_dtype".into(), json!("float32"));
    Ok(Value::Object(config))
}

impl Source<'_> {
    fn refuse_what_cannot_be_computed(&self) -> Result<(), WeightsError> {
        if self
            .size_if_given("expert_count")?
            .is_some_and(|experts| experts > 0)
        {
            return Err(self.fail("expert_count", "mixtures of experts are not supported"));
        }
        let kind = self
            .gguf
            .get("general.type")
            .and_then(MetadataValue::as_str);
        if let Some(kind) = kind.filter(|kind| *kind != "model") {
            let problem = format!("{kind:?}; a base model is needed");
            return Err(WeightsError::setting(
                self.gguf.path(),
                "general.type",
                problem,
            ));
        }
        let parts = self.gguf.get("split.count").and_then(MetadataValue::as_u64);
        if parts.is_some_and(|parts| parts > 1) {
            let problem = "split files are not read; join them with llama-gguf-split --merge";
            return Err(WeightsError::setting(
                self.gguf.path(),
                "split.count",
                problem,
            ));
        }
        Ok(())
    }

    fn sizes(&self, config: &mut Map<String, Value>) -> Result<(), WeightsError> {
        let hidden = self.size("embedding_length")?;
        let heads = self.size("attention.head_count")?;
        if heads == 0 {
            return Err(self.fail("attention.head_count", "0"));
        }
        let kv_heads = self
            .size_if_given("attention.head_count_kv")?
            .unwrap_or(heads);
        let eps = "attention.layer_norm_rms_epsilon";
        let eps = self
            .number_if_given(eps)?
            .ok_or_else(|| self.fail(eps, "missing"))?;
        let head_dim = self.head_dim(hidden / heads)?;
        let mut put = |key: &str, value: Value| config.insert(key.to_owned(), value);
        put("vocab_size", json!(self.vocabulary_size()?));
        put("hidden_size", json!(hidden));
        put(
            "intermediate_size",
            json!(self.size("feed_forward_length")?),
        );
        put("num_hidden_layers", json!(self.size("block_count")?));
        put("num_attention_heads", json!(heads));
        put("num_key_value_heads", json!(kv_heads));
        put("head_dim", json!(head_dim));
        put(
            "max_position_embeddings",
            json!(self.size("context_length")?),
        );
        put("rms_norm_eps", json!(eps));
        put(
            "tie_word_embeddings",
            json!(!self.has_tensor("output.weight")),
        );
        if self.is_gemma() {
            put("hidden_activation", json!("gelu_pytorch_tanh"));
        } else {
            put("hidden_act", json!("silu"));
        }
        Ok(())
    }

    fn head_dim(&self, default: usize) -> Result<usize, WeightsError> {
        let head_dim = self
            .size_if_given("attention.key_length")?
            .unwrap_or(default);
        for name in ["attention.value_length", "rope.dimension_count"] {
            if let Some(other) = self.size_if_given(name)?.filter(|other| *other != head_dim) {
                let problem = format!("{other}, only the head's width {head_dim} is supported");
                return Err(self.fail(name, problem));
            }
        }
        Ok(head_dim)
    }

    /// The embedding's rows: `vocab_size` is optional metadata, the tensor is not.
    fn vocabulary_size(&self) -> Result<usize, WeightsError> {
        const NAME: &str = "token_embd.weight";
        let missing = || WeightsError::tensor(self.gguf.path(), NAME, TensorProblem::Missing);
        let embedding = self.gguf.tensors().get(NAME).ok_or_else(missing)?;
        Ok(embedding.shape.first().copied().unwrap_or(0))
    }

    fn tokens(&self, config: &mut Map<String, Value>) {
        let id = |name: &str| {
            let value = self.gguf.get(&format!("tokenizer.ggml.{name}"))?.as_u64()?;
            u32::try_from(value).ok().filter(|id| *id != u32::MAX)
        };
        config.insert("bos_token_id".into(), json!(id("bos_token_id")));
        let eos = id("eos_token_id");
        let eos = match (eos, id("eot_token_id")) {
            (Some(eos), Some(eot)) if eos != eot => json!([eos, eot]),
            (eos, eot) => json!(eos.or(eot)),
        };
        config.insert("eos_token_id".into(), eos);
        if let Some(pad) = id("padding_token_id") {
            config.insert("pad_token_id".into(), json!(pad));
        }
    }

    fn rotation(&self, config: &mut Map<String, Value>) -> Result<(), WeightsError> {
        let default = if self.architecture == "gemma3" {
            1e6
        } else {
            1e4
        };
        let theta = self.number_if_given("rope.freq_base")?.unwrap_or(default);
        config.insert("rope_theta".into(), json!(theta));
        let linear = self.linear_factor()?;
        let scaling = if self.has_tensor(ROPE_FACTORS) {
            if linear.is_some() {
                return Err(self.fail("rope.scaling.type", "linear, besides rope_freqs.weight"));
            }
            Some(self.llama3_scaling(theta)?)
        } else {
            linear.map(|factor| json!({"rope_type": "linear", "factor": factor}))
        };
        config.insert("rope_scaling".into(), json!(scaling));
        Ok(())
    }

    fn linear_factor(&self) -> Result<Option<f64>, WeightsError> {
        let kind = self.optional("rope.scaling.type");
        let old = self.number_if_given("rope.scale_linear")?;
        let factor = self.number_if_given("rope.scaling.factor")?.or(old);
        match kind.map(|kind| kind.as_str().unwrap_or_default()) {
            Some("none") => Ok(None),
            Some("linear") | None => Ok(factor.filter(|factor| *factor != 1.0 && *factor != 0.0)),
            Some(other) => {
                let problem = format!("{other:?} is not supported (none and linear are)");
                Err(self.fail("rope.scaling.type", problem))
            }
        }
    }

    fn llama3_scaling(&self, theta: f64) -> Result<Value, WeightsError> {
        let divisors = self.gguf.decode(ROPE_FACTORS).unwrap_or_default();
        let found = rope_factors::recover(&divisors, theta).ok_or_else(|| {
            let why = "its divisors are not those of Llama 3, and no others are supported";
            let problem = TensorProblem::Storage(why.to_owned());
            WeightsError::tensor(self.gguf.path(), ROPE_FACTORS, problem)
        })?;
        Ok(json!({
            "rope_type": "llama3",
            "factor": found.factor,
            "low_freq_factor": found.low_freq_factor,
            "high_freq_factor": found.high_freq_factor,
            "original_max_position_embeddings": found.original_positions,
        }))
    }

    fn llama_biases(&self, config: &mut Map<String, Value>) {
        let attention = self.has_tensor("blk.0.attn_q.bias");
        let feed_forward = self.has_tensor("blk.0.ffn_gate.bias");
        config.insert("attention_bias".into(), json!(attention));
        config.insert("mlp_bias".into(), json!(feed_forward));
    }
}
