//! Broken files: one clear error each, naming file and tensor or key.

use std::fs;
use std::path::Path;

use schliff_weights::gguf::GgufFile;
use schliff_weights::{BaseWeights, TensorProblem, WeightsError};

use crate::{copy_of, edit_json, fixture};

const SMALL: &str = "models/mistral/model.gguf";
/// Where the version, the two counts and the first key lie in every GGUF.
const VERSION: usize = 4;
const TENSOR_COUNT: usize = 8;
const KEY_COUNT: usize = 16;
const FIRST_KEY_LENGTH: usize = 24;

/// Opens a GGUF whose bytes were changed.
fn open_changed(change: impl FnOnce(&mut Vec<u8>)) -> Result<BaseWeights, WeightsError> {
    let mut bytes = fs::read(fixture(SMALL)).unwrap();
    change(&mut bytes);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.gguf");
    fs::write(&path, bytes).unwrap();
    BaseWeights::open_gguf(&path)
}

fn message(opened: Result<BaseWeights, WeightsError>) -> String {
    let message = opened.unwrap_err().to_string();
    assert!(message.contains("changed.gguf"), "{message}");
    message
}

/// Position just behind the first place where `needle` stands.
fn behind(bytes: &[u8], needle: &str) -> usize {
    let found = bytes
        .windows(needle.len())
        .position(|window| window == needle.as_bytes());
    found.unwrap() + needle.len()
}

fn put<const N: usize>(bytes: &mut [u8], at: usize, new: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&new);
}

#[test]
fn headers_that_are_no_gguf() {
    let text = message(open_changed(|bytes| bytes[0] = b'X'));
    assert!(text.contains("not a GGUF file"), "{text}");
    let text = message(open_changed(|bytes| {
        put(bytes, VERSION, 1_u32.to_le_bytes())
    }));
    assert!(text.contains("version 1"), "{text}");
    let text = message(open_changed(|bytes| {
        put(bytes, VERSION, 3_u32.to_be_bytes())
    }));
    assert!(text.contains("big-endian"), "{text}");
    let text = message(open_changed(Vec::clear));
    assert!(text.contains("truncated"), "{text}");
    assert!(open_changed(|bytes| put(bytes, VERSION, 2_u32.to_le_bytes())).is_ok());
}

#[test]
fn counts_and_lengths_beyond_the_file() {
    for at in [TENSOR_COUNT, KEY_COUNT, FIRST_KEY_LENGTH] {
        for count in [u64::MAX, 1 << 40, 1 << 62] {
            let text = message(open_changed(|bytes| put(bytes, at, count.to_le_bytes())));
            assert!(text.contains(&count.to_string()), "{text}");
        }
    }
}

#[test]
fn metadata_that_is_not_what_it_says() {
    let key = "general.architecture";
    let text = message(open_changed(|bytes| {
        let at = behind(bytes, key);
        put(bytes, at, 77_u32.to_le_bytes());
    }));
    assert!(text.contains(key) && text.contains("77"), "{text}");
    let text = message(open_changed(|bytes| {
        let at = behind(bytes, key) + 12;
        bytes[at] = 0xFF;
    }));
    assert!(text.contains(key) && text.contains("UTF-8"), "{text}");
    let text = message(open_changed(|bytes| {
        let at = behind(bytes, key) + 12;
        put(bytes, at, *b"rwkv7");
    }));
    assert!(text.contains(key) && text.contains("rwkv7"), "{text}");
    let text = message(open_changed(|bytes| {
        let at = behind(bytes, "llama.attention.head_count") + 4;
        put(bytes, at, 0_u32.to_le_bytes());
    }));
    assert!(text.contains("llama.attention.head_count"), "{text}");
}

#[test]
fn every_truncation_is_an_error() {
    let whole = fs::read(fixture(SMALL)).unwrap();
    // All of the header, and the data in strides.
    let data = whole.len() - 16_000;
    for length in (0..data).step_by(7).chain((data..whole.len()).step_by(997)) {
        assert!(
            open_changed(|bytes| bytes.truncate(length)).is_err(),
            "{length} bytes"
        );
    }
    let text = message(open_changed(|bytes| bytes.truncate(whole.len() - 1000)));
    assert!(
        text.contains("tensor") && text.contains("truncated"),
        "{text}"
    );
}

/// In the tensor table a name is followed by: dimension count (4 bytes), dimensions (8 each),
/// type (4), offset (8).
#[test]
fn tensors_that_cannot_be() {
    let name = "blk.1.ffn_up.weight";
    let (first, kind, offset) = (4, 20, 24);
    let change = |at: usize, new: u64, width: usize| {
        message(open_changed(|bytes| {
            let at = behind(bytes, name) + at;
            bytes[at..at + width].copy_from_slice(&new.to_le_bytes()[..width]);
        }))
    };
    for (text, expected) in [
        (change(0, 5, 4), "5 dimensions"),
        (change(first, u64::MAX, 8), "overflow"),
        (change(first, 1 << 40, 8), "truncated"),
        (change(first, 8, 8), "shape [24, 8], expected [24, 16]"),
        (change(kind, 99, 4), "ggml type 99"),
        (change(kind, 2, 4), "no whole number of Q4_0 blocks"),
        (change(offset, 1, 8), "not aligned"),
        (change(offset, 0, 8), "overlap"),
        (change(offset, u64::MAX - 31, 8), "truncated"),
    ] {
        assert!(text.contains(expected), "{text}");
    }
    for text in [
        change(first, 8, 8),
        change(kind, 99, 4),
        change(offset, 1, 8),
    ] {
        assert!(text.contains(name), "{text}");
    }
}

#[test]
fn tensors_by_other_names() {
    let rename = |to: &'static str| {
        message(open_changed(|bytes| {
            let at = behind(bytes, "blk.1.ffn_up.weight");
            bytes[at - to.len()..at].copy_from_slice(to.as_bytes());
        }))
    };
    let text = rename("ffn_xx.weight");
    assert!(text.contains("blk.1.ffn_up.weight: missing"), "{text}");
    // Two of the same name.
    let text = rename("blk.0.ffn_up.weight");
    assert!(text.contains("listed twice"), "{text}");
}

#[test]
fn numbers_in_a_gguf_that_is_no_base_model_still_read() {
    let gguf = GgufFile::open(&fixture("quants.gguf")).unwrap();
    assert_eq!(gguf.decode("no such tensor"), None);
    let error = BaseWeights::open_gguf(&fixture("quants.gguf")).unwrap_err();
    assert!(matches!(error, WeightsError::Setting { .. }), "{error}");
    assert!(matches!(
        GgufFile::open(Path::new("none.gguf")),
        Err(WeightsError::Io { .. })
    ));
    assert!(GgufFile::open(&fixture("models")).is_err());
}

fn hf_error(change: impl FnOnce(&Path)) -> WeightsError {
    let folder = copy_of("models/qwen3");
    change(folder.path());
    BaseWeights::open_hf(folder.path()).unwrap_err()
}

#[test]
fn hf_folders_without_a_part() {
    let missing = |name: &'static str| {
        hf_error(move |dir| fs::remove_file(dir.join(name)).unwrap()).to_string()
    };
    assert!(missing("config.json").contains("config.json"));
    assert!(missing("model-00002-of-00004.safetensors").contains("00002"));
    assert!(missing("model.safetensors.index.json").contains("neither model.safetensors nor"));
}

#[test]
fn hf_shards_that_contradict_the_index_or_the_configuration() {
    let index = "model.safetensors.index.json";
    let error = hf_error(|dir| {
        edit_json(&dir.join(index), |index| {
            index["weight_map"]["model.norm.weight"] = "../../secret".into();
        });
    });
    assert!(
        error.to_string().contains("weight_map.model.norm.weight"),
        "{error}"
    );
    let error = hf_error(|dir| {
        edit_json(&dir.join(index), |index| {
            index["weight_map"]["model.extra.weight"] = "model-00001-of-00004.safetensors".into();
        });
    });
    assert!(
        error.to_string().contains("model.extra.weight: missing"),
        "{error}"
    );
    let error = hf_error(|dir| edit_json(&dir.join(index), |index| *index = 3.into()));
    assert!(error.to_string().contains("weight_map"), "{error}");

    let with = |key: &'static str, value: u64| {
        hf_error(move |dir| edit_json(&dir.join("config.json"), |c| c[key] = value.into()))
    };
    let WeightsError::Tensor {
        tensor,
        problem,
        path,
    } = with("intermediate_size", 32)
    else {
        panic!("not about a tensor");
    };
    assert!(tensor.starts_with("model.layers.0.mlp."), "{tensor}");
    assert!(
        path.extension().is_some_and(|kind| kind == "safetensors"),
        "{path:?}"
    );
    let (found, expected) = (vec![24, 16], vec![32, 16]);
    assert_eq!(problem, TensorProblem::Shape { found, expected });
    let fewer = hf_error(|dir| {
        edit_json(&dir.join("config.json"), |config| {
            config["num_hidden_layers"] = 1.into();
            config["layer_types"] = serde_json::Value::Null;
        });
    });
    assert!(matches!(
        fewer,
        WeightsError::Tensor {
            problem: TensorProblem::Unexpected,
            ..
        }
    ));
}

#[test]
fn hf_shards_that_are_damaged() {
    let shard = "model-00001-of-00004.safetensors";
    let damages: [fn(&mut Vec<u8>); 3] = [
        |bytes| bytes.truncate(3000),
        Vec::clear,
        |bytes| bytes[..8].fill(0xFF),
    ];
    for damage in damages {
        let error = hf_error(|dir| {
            let mut bytes = fs::read(dir.join(shard)).unwrap();
            damage(&mut bytes);
            fs::write(dir.join(shard), bytes).unwrap();
        });
        assert!(error.to_string().contains(shard), "{error}");
        assert!(matches!(error, WeightsError::Malformed { .. }), "{error}");
    }
    let error = hf_error(|dir| {
        let text = String::from_utf8_lossy(&fs::read(dir.join(shard)).unwrap()).into_owned();
        assert!(text.contains("BF16"));
        let mut bytes = fs::read(dir.join(shard)).unwrap();
        let at = behind(&bytes, "\"BF16") - 4;
        bytes[at..at + 5].copy_from_slice(b"U16\" ");
        fs::write(dir.join(shard), bytes).unwrap();
    });
    assert!(error.to_string().contains("U16 is not read"), "{error}");
}
