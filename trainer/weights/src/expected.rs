//! The tensors that a configuration calls for, by HF name, in HF layout.

use crate::config::ModelConfig;

/// Names and shapes of all tensors of a model, in the order of its modules. Linear weights are
/// `[out, in]`; `lm_head.weight` is left out where it is the embedding.
pub fn expected_tensors(config: &ModelConfig) -> Vec<(String, Vec<usize>)> {
    let hidden = config.hidden_size;
    let embedding = vec![config.vocab_size, hidden];
    let mut tensors = vec![("model.embed_tokens.weight".to_owned(), embedding.clone())];
    for layer in 0..config.layers.len() {
        attention(config, layer, &mut tensors);
        feed_forward(config, layer, &mut tensors);
        for norm in norms(config) {
            tensors.push((format!("model.layers.{layer}.{norm}.weight"), vec![hidden]));
        }
    }
    tensors.push(("model.norm.weight".to_owned(), vec![hidden]));
    if !config.tie_embeddings {
        tensors.push(("lm_head.weight".to_owned(), embedding));
    }
    tensors
}

type Tensors = Vec<(String, Vec<usize>)>;

fn attention(config: &ModelConfig, layer: usize, tensors: &mut Tensors) {
    let queries = config.num_heads * config.head_dim;
    let keys = config.num_kv_heads * config.head_dim;
    let hidden = config.hidden_size;
    for (projection, out, inputs, bias) in [
        ("q_proj", queries, hidden, config.qkv_bias),
        ("k_proj", keys, hidden, config.qkv_bias),
        ("v_proj", keys, hidden, config.qkv_bias),
        ("o_proj", hidden, queries, config.o_bias),
    ] {
        let module = format!("model.layers.{layer}.self_attn.{projection}");
        linear(module, [out, inputs], bias, tensors);
    }
    if config.qk_norm {
        for norm in ["q_norm", "k_norm"] {
            let name = format!("model.layers.{layer}.self_attn.{norm}.weight");
            tensors.push((name, vec![config.head_dim]));
        }
    }
}

fn feed_forward(config: &ModelConfig, layer: usize, tensors: &mut Tensors) {
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    for (projection, shape) in [
        ("gate_proj", [inner, hidden]),
        ("up_proj", [inner, hidden]),
        ("down_proj", [hidden, inner]),
    ] {
        let module = format!("model.layers.{layer}.mlp.{projection}");
        linear(module, shape, config.mlp_bias, tensors);
    }
}

fn linear(module: String, shape: [usize; 2], bias: bool, tensors: &mut Tensors) {
    tensors.push((format!("{module}.weight"), shape.to_vec()));
    if bias {
        tensors.push((format!("{module}.bias"), vec![shape[0]]));
    }
}

fn norms(config: &ModelConfig) -> &'static [&'static str] {
    if config.sandwich_norms {
        &[
            "input_layernorm",
            "post_attention_layernorm",
            "pre_feedforward_layernorm",
            "post_feedforward_layernorm",
        ]
    } else {
        &["input_layernorm", "post_attention_layernorm"]
    }
}
