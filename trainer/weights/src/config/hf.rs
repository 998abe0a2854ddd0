//! `config.json` of transformers 4 and 5, read into a [`ModelConfig`].
//!
//! Rules: a missing key means what it means in transformers (defaults of its 5.x configuration
//! classes, which are those of 4.x for our families); a key that would change the numbers in a
//! way the forward pass cannot follow is an error, never ignored.

use std::path::Path;

use serde_json::Value;

use super::keys::Keys;
use super::layers::layers;
use super::{Activation, Family, ModelConfig};
use crate::error::WeightsError;

/// More layers than this are damage.
const MAX_LAYERS: usize = 4096;

impl ModelConfig {
    /// Reads a parsed `config.json`; `path` is for messages.
    pub fn from_hf(config: &Value, path: &Path) -> Result<Self, WeightsError> {
        let keys = Keys::new(path, config)?;
        let family = family(&keys)?;
        refuse_unknown_numbers(&keys, family)?;
        let shape = Shape::read(&keys, family)?;
        let gemma = matches!(family, Family::Gemma2 | Family::Gemma3);
        let default_tie = gemma;
        let eps = keys.positive("rms_norm_eps")?.unwrap_or(1e-6);
        let attention_bias = family != Family::Mistral && keys.flag("attention_bias", false)?;
        let mut eos_token_ids = keys.token_ids("eos_token_id")?;
        if eos_token_ids.is_none() && !keys.mentions("eos_token_id") {
            eos_token_ids = default_eos(family);
        }
        Ok(Self {
            family,
            vocab_size: shape.vocab,
            hidden_size: shape.hidden,
            intermediate_size: shape.intermediate,
            num_heads: shape.heads,
            num_kv_heads: shape.kv_heads,
            head_dim: shape.head_dim,
            layers: layers(&keys, family, shape.layers)?,
            rms_norm_eps: eps,
            max_positions: keys.size("max_position_embeddings", default_positions(family))?,
            tie_embeddings: keys.flag("tie_word_embeddings", default_tie)?,
            qkv_bias: attention_bias || family == Family::Qwen2,
            o_bias: attention_bias && family != Family::Qwen2,
            mlp_bias: family == Family::Llama && keys.flag("mlp_bias", false)?,
            qk_norm: matches!(family, Family::Qwen3 | Family::Gemma3),
            activation: activation(&keys, gemma)?,
            norm_plus_one: gemma,
            embedding_scale: if gemma {
                (shape.hidden as f64).sqrt() as f32
            } else {
                1.0
            },
            sandwich_norms: gemma,
            attention_scale: attention_scale(&keys, gemma, shape.head_dim)?,
            attention_softcap: softcap(&keys, "attn_logit_softcapping", family, 50.0)?,
            logit_softcap: softcap(&keys, "final_logit_softcapping", family, 30.0)?,
            bos_token_id: bos(&keys, family)?,
            eos_token_ids: eos_token_ids.unwrap_or_default(),
        })
    }
}

fn family(keys: &Keys) -> Result<Family, WeightsError> {
    let model_type = keys.text("model_type")?;
    let model_type = model_type.ok_or_else(|| keys.fail("model_type", "missing"))?;
    let (family, architecture) = match model_type {
        "llama" => (Family::Llama, "LlamaForCausalLM"),
        "mistral" => (Family::Mistral, "MistralForCausalLM"),
        "qwen2" => (Family::Qwen2, "Qwen2ForCausalLM"),
        "qwen3" => (Family::Qwen3, "Qwen3ForCausalLM"),
        "gemma2" => (Family::Gemma2, "Gemma2ForCausalLM"),
        "gemma3_text" => (Family::Gemma3, "Gemma3ForCausalLM"),
        other => {
            let problem = format!(
                "{other:?} is not supported (llama, mistral, qwen2, qwen3, gemma2 and gemma3_text are)"
            );
            return Err(keys.fail("model_type", problem));
        }
    };
    if let Some(found) = keys
        .texts("architectures")?
        .filter(|all| !all.contains(&architecture))
    {
        let problem = format!("{found:?}, expected [{architecture:?}] for {model_type}");
        return Err(keys.fail("architectures", problem));
    }
    Ok(family)
}

/// Keys that are fine at the value shown and mean other arithmetic at any other.
fn refuse_unknown_numbers(keys: &Keys, family: Family) -> Result<(), WeightsError> {
    if keys.get("quantization_config").is_some() {
        let problem = "quantised HF weights are not read; take the full-precision model or a GGUF";
        return Err(keys.fail("quantization_config", problem));
    }
    if keys.flag("use_bidirectional_attention", false)? {
        return Err(keys.fail(
            "use_bidirectional_attention",
            "only causal attention is supported",
        ));
    }
    if keys
        .number("partial_rotary_factor")?
        .is_some_and(|factor| factor != 1.0)
    {
        return Err(keys.fail("partial_rotary_factor", "partial rotation is not supported"));
    }
    let never_biased = matches!(family, Family::Mistral | Family::Qwen2);
    if never_biased && keys.flag("attention_bias", false)? {
        return Err(keys.fail("attention_bias", "this family has no such switch"));
    }
    if family != Family::Llama && keys.flag("mlp_bias", false)? {
        return Err(keys.fail("mlp_bias", "this family has no such switch"));
    }
    Ok(())
}

/// The sizes that make tensors.
struct Shape {
    vocab: usize,
    hidden: usize,
    intermediate: usize,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    layers: usize,
}

impl Shape {
    fn read(keys: &Keys, family: Family) -> Result<Self, WeightsError> {
        let d = defaults(family);
        let hidden = keys.size("hidden_size", d.hidden)?;
        let heads = keys.size("num_attention_heads", d.heads)?;
        // `null` means "as many as query heads", a missing key the family's default.
        let missing_kv = if keys.mentions("num_key_value_heads") {
            heads
        } else {
            d.kv_heads
        };
        let missing_kv = if missing_kv == 0 { heads } else { missing_kv };
        let kv_heads = keys.size("num_key_value_heads", missing_kv)?;
        let missing_dim = if d.head_dim == 0 {
            hidden / heads
        } else {
            d.head_dim
        };
        let head_dim = keys.size("head_dim", missing_dim)?;
        if !heads.is_multiple_of(kv_heads) {
            let problem = format!("{kv_heads} does not divide num_attention_heads {heads}");
            return Err(keys.fail("num_key_value_heads", problem));
        }
        if head_dim == 0 || !head_dim.is_multiple_of(2) {
            return Err(keys.fail(
                "head_dim",
                format!("{head_dim}, rotation needs an even one"),
            ));
        }
        let layers = keys.size("num_hidden_layers", d.layers)?;
        if layers > MAX_LAYERS {
            return Err(keys.fail(
                "num_hidden_layers",
                format!("{layers}, at most {MAX_LAYERS}"),
            ));
        }
        Ok(Self {
            vocab: keys.size("vocab_size", d.vocab)?,
            hidden,
            intermediate: keys.size("intermediate_size", d.intermediate)?,
            heads,
            kv_heads,
            head_dim,
            layers,
        })
    }
}

/// Sizes of transformers' configuration classes; `kv_heads` 0 is "as many as heads", `head_dim`
/// 0 is "hidden / heads".
fn defaults(family: Family) -> Shape {
    let of = |vocab, hidden, intermediate, layers, heads, kv_heads, head_dim| Shape {
        vocab,
        hidden,
        intermediate,
        heads,
        kv_heads,
        head_dim,
        layers,
    };
    match family {
        Family::Llama => of(32_000, 4096, 11_008, 32, 32, 0, 0),
        Family::Mistral => of(32_000, 4096, 14_336, 32, 32, 8, 0),
        Family::Qwen2 => of(151_936, 4096, 22_016, 32, 32, 32, 0),
        Family::Qwen3 => of(151_936, 4096, 22_016, 32, 32, 32, 128),
        Family::Gemma2 => of(256_000, 2304, 9216, 26, 8, 4, 256),
        Family::Gemma3 => of(262_208, 2304, 9216, 26, 8, 4, 256),
    }
}

fn default_positions(family: Family) -> usize {
    match family {
        Family::Llama => 2048,
        Family::Mistral | Family::Gemma3 => 131_072,
        Family::Qwen2 | Family::Qwen3 => 32_768,
        Family::Gemma2 => 8192,
    }
}

fn default_eos(family: Family) -> Option<Vec<u32>> {
    match family {
        Family::Llama | Family::Mistral => Some(vec![2]),
        Family::Qwen2 | Family::Qwen3 => None,
        Family::Gemma2 | Family::Gemma3 => Some(vec![1]),
    }
}

fn bos(keys: &Keys, family: Family) -> Result<Option<u32>, WeightsError> {
    if keys.mentions("bos_token_id") {
        return Ok(keys
            .token_ids("bos_token_id")?
            .and_then(|ids| ids.first().copied()));
    }
    Ok(match family {
        Family::Llama | Family::Mistral => Some(1),
        Family::Qwen2 | Family::Qwen3 => None,
        Family::Gemma2 | Family::Gemma3 => Some(2),
    })
}

fn activation(keys: &Keys, gemma: bool) -> Result<Activation, WeightsError> {
    // Gemma's published configs carry both keys; transformers reads the second.
    let (key, default) = if gemma {
        ("hidden_activation", "gelu_pytorch_tanh")
    } else {
        ("hidden_act", "silu")
    };
    match keys.text(key)?.unwrap_or(default) {
        "silu" | "swish" => Ok(Activation::Silu),
        "gelu_pytorch_tanh" | "gelu_new" => Ok(Activation::GeluTanh),
        other => {
            let problem = format!("{other:?} is not supported (silu and gelu_pytorch_tanh are)");
            Err(keys.fail(key, problem))
        }
    }
}

fn attention_scale(keys: &Keys, gemma: bool, head_dim: usize) -> Result<f32, WeightsError> {
    let divisor = if gemma {
        keys.positive("query_pre_attn_scalar")?.unwrap_or(256.0)
    } else {
        head_dim as f64
    };
    Ok(divisor.powf(-0.5) as f32)
}

/// Gemma 2 caps by default, Gemma 3 only where told, the rest never. transformers' Gemma 3
/// attention ignores its cap, so a given one has no agreed meaning.
fn softcap(
    keys: &Keys,
    key: &str,
    family: Family,
    gemma2_default: f64,
) -> Result<Option<f32>, WeightsError> {
    let given = keys.positive(key)?;
    match family {
        Family::Gemma2 if !keys.mentions(key) => Ok(Some(gemma2_default as f32)),
        Family::Gemma2 => Ok(given.map(|cap| cap as f32)),
        Family::Gemma3 if key == "final_logit_softcapping" => Ok(given.map(|cap| cap as f32)),
        _ if given.is_some() => Err(keys.fail(key, "this family has no such cap")),
        _ => Ok(None),
    }
}
