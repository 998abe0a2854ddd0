//! `config.json` files of both transformers generations against what transformers makes of them.

use std::path::Path;

use schliff_weights::config::{Activation, LayerAttention, ModelConfig, RopeScaling};
use schliff_weights::{WeightsError, expected_tensors};
use serde_json::{Value, json};

use crate::{fixture, read_json};

fn parse(config: &Value) -> Result<ModelConfig, WeightsError> {
    ModelConfig::from_hf(config, Path::new("config.json"))
}

#[test]
fn configurations_are_read_as_transformers_reads_them() {
    let mut seen = 0;
    for entry in std::fs::read_dir(fixture("configs")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix(".expected.json") else {
            continue;
        };
        let expected = read_json(&path);
        let config = parse(&read_json(&path.with_file_name(format!("{stem}.json")))).unwrap();
        compare(stem, &config, &expected);
        seen += 1;
    }
    assert_eq!(seen, 23);
}

fn compare(name: &str, config: &ModelConfig, expected: &Value) {
    let number = |key: &str| expected[key].as_f64().unwrap();
    for (key, found) in [
        ("vocab_size", config.vocab_size),
        ("hidden_size", config.hidden_size),
        ("intermediate_size", config.intermediate_size),
        ("num_heads", config.num_heads),
        ("num_kv_heads", config.num_kv_heads),
        ("head_dim", config.head_dim),
        ("max_positions", config.max_positions),
    ] {
        assert_eq!(found as f64, number(key), "{name} {key}");
    }
    let cap = |key: &str| expected[key].as_f64().map(|cap| cap as f32);
    assert_eq!(config.rms_norm_eps, number("rms_norm_eps"), "{name}");
    assert_eq!(
        config.attention_scale,
        number("attention_scale") as f32,
        "{name}"
    );
    assert_eq!(config.attention_softcap, cap("attention_softcap"), "{name}");
    assert_eq!(config.logit_softcap, cap("logit_softcap"), "{name}");
    assert_eq!(
        json!(config.tie_embeddings),
        expected["tie_embeddings"],
        "{name}"
    );
    assert_eq!(json!(config.mlp_bias), expected["mlp_bias"], "{name}");
    assert_eq!(json!(config.o_bias), expected["attention_bias"], "{name}");
    assert_eq!(
        json!(config.bos_token_id),
        expected["bos_token_id"],
        "{name}"
    );
    assert_eq!(
        json!(config.eos_token_ids),
        expected["eos_token_ids"],
        "{name}"
    );
    let activation = match config.activation {
        Activation::Silu => "silu",
        Activation::GeluTanh => "gelu_pytorch_tanh",
    };
    assert_eq!(activation, expected["activation"], "{name}");
    let layers = expected["layers"].as_array().unwrap();
    assert_eq!(config.layers.len(), layers.len(), "{name}");
    for (layer, expected) in config.layers.iter().zip(layers) {
        compare_layer(name, layer, expected);
    }
    let parameters: usize = expected_tensors(config)
        .iter()
        .map(|(_, shape)| shape.iter().product::<usize>())
        .sum();
    assert_eq!(parameters as f64, number("parameters"), "{name}");
}

fn compare_layer(name: &str, layer: &LayerAttention, expected: &Value) {
    assert_eq!(
        json!(layer.sliding_window),
        expected["sliding_window"],
        "{name}"
    );
    let rope = &expected["rope"];
    assert_eq!(
        layer.rope.theta,
        rope["rope_theta"].as_f64().unwrap(),
        "{name}"
    );
    let number = |key: &str| rope[key].as_f64().unwrap();
    let scaling = match rope["rope_type"].as_str().unwrap() {
        "default" => RopeScaling::None,
        "linear" => RopeScaling::Linear {
            factor: number("factor"),
        },
        "llama3" => RopeScaling::Llama3 {
            factor: number("factor"),
            low_freq_factor: number("low_freq_factor"),
            high_freq_factor: number("high_freq_factor"),
            original_max_positions: number("original_max_position_embeddings") as usize,
        },
        other => panic!("{name}: {other}"),
    };
    assert_eq!(layer.rope.scaling, scaling, "{name}");
}

/// Reads each configuration with one key spoilt; the error must name that key.
fn assert_refused(cases: &[(&str, Value, &str)]) {
    for (key, value, family) in cases {
        let mut config = json!({"model_type": family, "num_hidden_layers": 1});
        let top = key.split('.').next().unwrap();
        config[top] = value.clone();
        match parse(&config) {
            Err(WeightsError::Setting {
                key: found, path, ..
            }) => {
                assert_eq!(found, *key, "{value}");
                assert_eq!(path, Path::new("config.json"));
            }
            other => panic!("{key} = {value}: {other:?}"),
        }
    }
}

/// Each would compute something else than we do, or makes no sense.
#[test]
fn what_would_change_the_numbers_is_refused_by_key() {
    assert_refused(&[
        ("model_type", json!("mixtral"), "llama"),
        ("model_type", Value::Null, "llama"),
        ("model_type", json!(3), "llama"),
        (
            "architectures",
            json!(["LlamaForSequenceClassification"]),
            "llama",
        ),
        (
            "quantization_config",
            json!({"quant_method": "gptq"}),
            "llama",
        ),
        ("hidden_act", json!("relu"), "llama"),
        ("hidden_activation", json!("gelu"), "gemma2"),
        ("num_attention_heads", json!(0), "llama"),
        ("num_attention_heads", json!(1.5), "llama"),
        ("num_key_value_heads", json!(5), "llama"),
        ("head_dim", json!(7), "llama"),
        ("num_hidden_layers", json!(1_000_000), "llama"),
        ("hidden_size", json!(1_u64 << 40), "llama"),
        ("vocab_size", json!("many"), "llama"),
        ("tie_word_embeddings", json!("yes"), "llama"),
        ("layer_types", json!(["linear_attention"]), "qwen3"),
        (
            "layer_types",
            json!(["full_attention", "full_attention"]),
            "gemma2",
        ),
        ("layer_types", json!(["sliding_attention"]), "qwen2"),
        ("sliding_window", json!(0), "mistral"),
        ("sliding_window", Value::Null, "gemma2"),
        ("attn_logit_softcapping", json!(50.0), "gemma3_text"),
        ("final_logit_softcapping", json!(30.0), "llama"),
        ("use_bidirectional_attention", json!(true), "gemma3_text"),
        ("attention_bias", json!(true), "mistral"),
        ("mlp_bias", json!(true), "qwen3"),
        ("eos_token_id", json!([1, "x"]), "llama"),
    ]);
    assert!(matches!(
        parse(&json!([])),
        Err(WeightsError::Malformed { .. })
    ));
}

#[test]
fn rotations_that_we_cannot_compute_are_refused_by_key() {
    assert_refused(&[
        (
            "rope_scaling.rope_type",
            json!({"rope_type": "yarn", "factor": 4.0}),
            "qwen2",
        ),
        (
            "rope_scaling.type",
            json!({"type": "dynamic", "factor": 2.0}),
            "llama",
        ),
        ("rope_scaling.factor", json!({"type": "linear"}), "llama"),
        (
            "rope_scaling.factor",
            json!({"type": "linear", "factor": 0.0}),
            "llama",
        ),
        ("rope_scaling", json!(7), "llama"),
        (
            "rope_parameters.partial_rotary_factor",
            json!({"partial_rotary_factor": 0.5}),
            "llama",
        ),
        (
            "rope_parameters.full_attention",
            json!({"full_attention": {}}),
            "qwen3",
        ),
        (
            "rope_parameters",
            json!({"rope_theta": 1e4, "rope_type": "default"}),
            "gemma3_text",
        ),
        ("rope_theta", json!(-1.0), "llama"),
    ]);
}
