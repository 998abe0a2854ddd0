//! No bytes whatever make the readers panic or ask for more memory than the file explains.

use std::fs;

use proptest::prelude::*;
use schliff_weights::gguf::GgufFile;
use schliff_weights::{BaseWeights, read_adapter};

use crate::{copy_of, fixture};

/// Overwrites, each at a share of the file's length, and a cut.
#[derive(Clone, Debug)]
struct Damage {
    writes: Vec<(f64, Vec<u8>)>,
    cut: f64,
}

fn damage() -> impl Strategy<Value = Damage> {
    // Numbers that counts and offsets break on, besides any bytes.
    let number = prop_oneof![
        Just(u64::MAX),
        Just(u64::MAX / 2),
        Just(1 << 40),
        Just(1 << 32),
        Just(0),
        any::<u64>()
    ];
    let bytes = prop_oneof![
        number.prop_map(|number| number.to_le_bytes().to_vec()),
        proptest::collection::vec(any::<u8>(), 1..6)
    ];
    let writes = proptest::collection::vec((0.0..1.0, bytes), 0..4);
    let cut = prop_oneof![3 => Just(1.0), 1 => 0.0..1.0_f64];
    (writes, cut).prop_map(|(writes, cut)| Damage { writes, cut })
}

impl Damage {
    /// Positions are shares of the first `reach` bytes, where the header is.
    fn apply(&self, bytes: &mut Vec<u8>, reach: usize) {
        for (share, new) in &self.writes {
            let at = (share * reach as f64) as usize;
            let end = (at + new.len()).min(bytes.len());
            bytes[at..end].copy_from_slice(&new[..end - at]);
        }
        bytes.truncate((self.cut * bytes.len() as f64) as usize);
    }
}

fn read_all(model: &BaseWeights) {
    for name in model.names() {
        let numbers = model.read_f32(name).unwrap();
        assert_eq!(
            numbers.len(),
            model.shape(name).unwrap().iter().product::<usize>()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn damaged_gguf(damage in damage(), family in 0..6_usize) {
        let family = ["llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3"][family];
        let mut bytes = fs::read(fixture("models").join(family).join("model.gguf")).unwrap();
        // The header of these files is about this long; tensors follow.
        damage.apply(&mut bytes, 4000);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.gguf");
        fs::write(&path, bytes).unwrap();
        if let Ok(model) = BaseWeights::open_gguf(&path) {
            read_all(&model);
        }
        if let Ok(gguf) = GgufFile::open(&path) {
            for name in gguf.tensors().keys() {
                prop_assert!(gguf.decode(name).is_some());
            }
        }
    }

    #[test]
    fn damaged_safetensors(damage in damage()) {
        let folder = copy_of("models/qwen2");
        let path = folder.path().join("model.safetensors");
        let mut bytes = fs::read(&path).unwrap();
        damage.apply(&mut bytes, 3000);
        fs::write(&path, bytes).unwrap();
        if let Ok(model) = BaseWeights::open_hf(folder.path()) {
            read_all(&model);
        }
    }

    #[test]
    fn damaged_adapter(weights in damage(), settings in damage()) {
        let folder = copy_of("adapters/rslora-patterns");
        for (name, damage) in
            [("adapter_model.safetensors", weights), ("adapter_config.json", settings)]
        {
            let path = folder.path().join(name);
            let mut bytes = fs::read(&path).unwrap();
            let reach = bytes.len();
            damage.apply(&mut bytes, reach);
            fs::write(&path, bytes).unwrap();
        }
        let _ = read_adapter(folder.path());
    }

    /// Any tree of JSON under the keys that configurations have.
    #[test]
    fn strange_configurations(
        key in "(rope_scaling|rope_parameters|layer_types|num_hidden_layers|hidden_size|eos_token_id|model_type|head_dim|sliding_window)",
        value in "(null|-1|0|1e300|9007199254740993|\"x\"|\\[\\]|\\[null\\]|\\{\"rope_type\":\"llama3\"\\}|\\{\"full_attention\":3\\}|true)",
    ) {
        for family in ["llama", "qwen3", "gemma3"] {
            let text = fs::read(fixture("models").join(family).join("config.json")).unwrap();
            let mut config: serde_json::Value = serde_json::from_slice(&text).unwrap();
            config[&key] = serde_json::from_str(&value).unwrap();
            let path = std::path::Path::new("config.json");
            if let Ok(parsed) = schliff_weights::ModelConfig::from_hf(&config, path) {
                prop_assert!(!schliff_weights::expected_tensors(&parsed).is_empty());
            }
        }
    }
}
