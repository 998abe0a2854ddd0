//! The same model as HF folder and as GGUF, family by family: same configuration, same weights.

use schliff_weights::config::{Family, ModelConfig, RopeScaling};
use schliff_weights::{BaseFormat, BaseWeights, expected_tensors};

use crate::{copy_of, edit_json, fixture};

const FAMILIES: [(&str, Family); 6] = [
    ("llama", Family::Llama),
    ("mistral", Family::Mistral),
    ("qwen2", Family::Qwen2),
    ("qwen3", Family::Qwen3),
    ("gemma2", Family::Gemma2),
    ("gemma3", Family::Gemma3),
];

fn both(family: &str) -> (BaseWeights, BaseWeights) {
    let folder = fixture("models").join(family);
    let hf = BaseWeights::open_hf(&folder).unwrap();
    (
        hf,
        BaseWeights::open_gguf(&folder.join("model.gguf")).unwrap(),
    )
}

#[test]
fn gguf_and_hf_hold_the_same_weights() {
    for (name, _) in FAMILIES {
        let (hf, gguf) = both(name);
        assert!(hf.names().eq(gguf.names()), "{name}");
        assert_eq!(hf.parameter_count(), gguf.parameter_count(), "{name}");
        for tensor in hf.names() {
            assert_eq!(hf.shape(tensor), gguf.shape(tensor), "{name} {tensor}");
            let (from_hf, from_gguf) =
                (hf.read_f32(tensor).unwrap(), gguf.read_f32(tensor).unwrap());
            // One was added to Gemma's norms in f32, which rounds.
            let exact = !(name.starts_with("gemma") && tensor.ends_with("norm.weight"));
            let tolerance = if exact { 0.0 } else { 2e-7 };
            let worst = from_hf.iter().zip(&from_gguf).map(|(a, b)| (a - b).abs());
            let worst = worst.fold(0.0, f32::max);
            assert!(worst <= tolerance, "{name} {tensor} differs by {worst}");
        }
    }
}

#[test]
fn gguf_and_hf_give_the_same_configuration() {
    for (name, family) in FAMILIES {
        let (hf, gguf) = both(name);
        assert_eq!(hf.config().family, family);
        // The GGUF of the fixture has its own tokenizer.
        let expected = ModelConfig {
            bos_token_id: Some(1),
            eos_token_ids: vec![2],
            ..hf.config().clone()
        };
        assert_eq!(*gguf.config(), expected, "{name}");
    }
}

#[test]
fn llama_3_scaling_is_found_again_in_gguf() {
    let (hf, gguf) = both("llama");
    let scaling = gguf.config().layers[0].rope.scaling;
    assert_eq!(scaling, hf.config().layers[0].rope.scaling);
    assert!(
        matches!(scaling, RopeScaling::Llama3 { factor: 32.0, .. }),
        "{scaling:?}"
    );
}

#[test]
fn a_synthesised_config_reads_back_to_the_same() {
    for (name, _) in FAMILIES {
        let (_, gguf) = both(name);
        let again = ModelConfig::from_hf(gguf.hf_config(), gguf.path()).unwrap();
        assert_eq!(again, *gguf.config(), "{name}");
        assert_eq!(gguf.hf_config()["torch_dtype"], "float32");
        // transformers 5 refuses 8.0 here.
        let scalar = &gguf.hf_config()["query_pre_attn_scalar"];
        assert!(scalar.is_null() || *scalar == 8_u64, "{scalar}");
    }
}

#[test]
fn names_follow_the_expected_tensors() {
    let (hf, _) = both("qwen2");
    let expected = expected_tensors(hf.config());
    assert!(
        hf.names()
            .eq(expected.iter().map(|(name, _)| name.as_str()))
    );
    assert!(hf.config().tie_embeddings && hf.shape("lm_head.weight").is_none());
    assert_eq!(
        hf.shape("model.layers.1.self_attn.k_proj.bias"),
        Some(&[8][..])
    );
    assert_eq!(hf.format(), BaseFormat::HfDirectory);
}

#[test]
fn some_rows_are_those_of_the_whole() {
    let (_, gguf) = both("llama");
    for name in [
        "model.layers.0.self_attn.q_proj.weight",
        "model.embed_tokens.weight",
    ] {
        let width = gguf.shape(name).unwrap()[1];
        let whole = gguf.read_f32(name).unwrap();
        let some = gguf.read_rows_f32(name, 3..9).unwrap();
        assert_eq!(some, whole[3 * width..9 * width]);
    }
    let bias = "model.layers.0.self_attn.q_proj.bias";
    assert_eq!(
        gguf.read_rows_f32(bias, 5..7).unwrap(),
        gguf.read_f32(bias).unwrap()[5..7]
    );
    assert!(gguf.read_rows_f32(bias, 0..0).unwrap().is_empty());
    assert!(gguf.read_f32("no.such.tensor").is_err());
}

/// Known answers of `sha256sum`: of the one file, and of its own listing of the shards.
#[test]
fn digest_is_that_of_sha256sum() {
    let (_, gguf) = both("mistral");
    let expected = "b2e65be8c8dfaf65d5d0630ac2fcc2694fecb1146aa88f605c8565c00b432900";
    assert_eq!(gguf.digest().unwrap(), expected);
    let (sharded, _) = both("qwen3");
    let expected = "8f56de87b0fc07f56685ec96be079b66244ba3081133db38ecfedb879b27cbd6";
    assert_eq!(sharded.digest().unwrap(), expected);
}

#[test]
fn vocabulary_of_a_gguf() {
    let (hf, gguf) = both("gemma3");
    assert_eq!(hf.gguf_vocabulary(), None);
    let vocabulary = gguf.gguf_vocabulary().unwrap();
    assert_eq!(vocabulary.model, "llama");
    assert_eq!(vocabulary.tokens[..4], ["<unk>", "<s>", "</s>", "a"]);
    assert_eq!(vocabulary.token_types[..4], [2, 3, 3, 1]);
    assert_eq!(vocabulary.scores[3], -3.0);
    assert_eq!(vocabulary.add_bos, Some(true));
    assert_eq!(
        (vocabulary.bos_token_id, vocabulary.eos_token_id),
        (Some(1), Some(2))
    );
    assert_eq!(
        (vocabulary.unknown_token_id, vocabulary.padding_token_id),
        (Some(0), None)
    );
    assert_eq!(gguf.chat_template().as_deref(), Some("{{ messages }}"));
}

#[test]
fn companions_of_a_hf_folder() {
    let folder = copy_of("models/qwen2");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let open = || BaseWeights::open_hf(folder.path()).unwrap();
    assert_eq!(
        (open().tokenizer_file(), open().chat_template()),
        (None, None)
    );

    write("tokenizer.json", "{}");
    write("tokenizer_config.json", r#"{"chat_template": "old"}"#);
    write("generation_config.json", r#"{"eos_token_id": [7, 9]}"#);
    assert!(open().tokenizer_file().unwrap().ends_with("tokenizer.json"));
    assert_eq!(open().tokenizer_config().unwrap()["chat_template"], "old");
    assert_eq!(open().chat_template().as_deref(), Some("old"));
    assert_eq!(open().config().eos_token_ids, [7, 9]);

    let named = r#"{"chat_template": [{"name": "tool_use", "template": "t"},
                                      {"name": "default", "template": "d"}]}"#;
    write("tokenizer_config.json", named);
    assert_eq!(open().chat_template().as_deref(), Some("d"));
    write("chat_template.jinja", "new");
    assert_eq!(open().chat_template().as_deref(), Some("new"));
}

/// A model that says its head is tied, with tensors stored as `keep` and `copy` say.
fn tied(keep: impl Fn(&str) -> bool, head_from: Option<&str>) -> (tempfile::TempDir, BaseWeights) {
    let folder = copy_of("models/mistral");
    edit_json(&folder.path().join("config.json"), |config| {
        config["tie_word_embeddings"] = true.into();
    });
    let path = folder.path().join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let stored = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Vec<_> = stored
        .tensors()
        .into_iter()
        .filter(|(name, _)| keep(name))
        .collect();
    if let Some(source) = head_from {
        tensors.push(("lm_head.weight".to_owned(), stored.tensor(source).unwrap()));
    }
    std::fs::write(&path, safetensors::serialize(tensors, None).unwrap()).unwrap();
    let model = BaseWeights::open_hf(folder.path()).unwrap();
    (folder, model)
}

/// As transformers 5 has it: an equal head is dropped, a different one stands, and a head alone
/// is the embedding too.
#[test]
fn a_stored_head_of_a_tied_model() {
    let (_folder, different) = tied(|_| true, None);
    assert!(!different.config().tie_embeddings);
    assert_eq!(different.hf_config()["tie_word_embeddings"], false);
    assert!(different.shape("lm_head.weight").is_some());

    let embedding = "model.embed_tokens.weight";
    let (_folder, equal) = tied(|name| name != "lm_head.weight", Some(embedding));
    assert!(equal.config().tie_embeddings && equal.shape("lm_head.weight").is_none());
    assert_eq!(
        equal.read_f32(embedding).unwrap(),
        different.read_f32(embedding).unwrap()
    );

    let (_folder, alone) = tied(|name| name != embedding, None);
    assert!(alone.config().tie_embeddings);
    assert_eq!(
        alone.read_f32(embedding).unwrap(),
        different.read_f32("lm_head.weight").unwrap()
    );
}
