//! Model folders that we write, read back.

use std::fs;
use std::path::Path;

use safetensors::{Dtype, SafeTensors};
use schliff_weights::merged::{NamedTensor, WrittenModel};
use schliff_weights::{BaseWeights, FloatType, HfModel, TensorProblem, WeightsError};

use crate::{copy_of, fixture, read_json};

fn tensors(base: &BaseWeights) -> Vec<NamedTensor> {
    let named = |name: &str| {
        let shape = base.shape(name).unwrap().to_vec();
        (name.to_owned(), shape, base.read_f32(name).unwrap())
    };
    base.names().map(named).collect()
}

fn plan(base: &BaseWeights, dtype: FloatType) -> HfModel<'_> {
    HfModel {
        config: base.hf_config(),
        dtype,
        max_shard_bytes: u64::MAX,
        companions_from: None,
        files: Vec::new(),
    }
}

fn write(
    dir: &Path,
    model: &HfModel,
    tensors: Vec<NamedTensor>,
) -> Result<WrittenModel, WeightsError> {
    schliff_weights::write_hf_model(dir, model, tensors.into_iter().map(Ok))
}

fn assert_same(written: &Path, base: &BaseWeights) {
    let again = BaseWeights::open_hf(written).unwrap();
    assert_eq!(again.config(), base.config());
    assert!(again.names().eq(base.names()));
    for name in base.names() {
        assert_eq!(
            again.read_f32(name).unwrap(),
            base.read_f32(name).unwrap(),
            "{name}"
        );
    }
}

#[test]
fn a_folder_saved_by_transformers_is_written_again_byte_for_byte() {
    let source = fixture("models/llama");
    let base = BaseWeights::open_hf(&source).unwrap();
    let out = tempfile::tempdir().unwrap();
    let dir = out.path().join("merged");
    let written = write(&dir, &plan(&base, FloatType::BF16), tensors(&base)).unwrap();
    assert_eq!(
        (written.shards, written.parameters),
        (1, base.parameter_count())
    );
    assert_eq!(written.bytes, 2 * written.parameters);
    let ours = fs::read(dir.join("model.safetensors")).unwrap();
    assert!(ours == fs::read(source.join("model.safetensors")).unwrap());
    assert_eq!(read_json(&dir.join("config.json")), *base.hf_config());
    assert!(!dir.join("model.safetensors.index.json").exists());
}

#[test]
fn shards_and_index_read_back_in_any_order_of_tensors() {
    let base = BaseWeights::open_hf(&fixture("models/gemma3")).unwrap();
    let out = tempfile::tempdir().unwrap();
    let model = HfModel {
        max_shard_bytes: 6000,
        ..plan(&base, FloatType::F32)
    };
    let mut reversed = tensors(&base);
    reversed.reverse();
    let written = write(&out.path().join("m"), &model, reversed).unwrap();
    assert!(written.shards > 3, "{written:?}");
    assert_same(&out.path().join("m"), &base);
    let index = read_json(&out.path().join("m/model.safetensors.index.json"));
    assert_eq!(index["metadata"]["total_size"], written.bytes);
    assert_eq!(
        read_json(&out.path().join("m/config.json"))["dtype"],
        "float32"
    );
    let first = format!("model-00001-of-{:05}.safetensors", written.shards);
    let bytes = fs::read(out.path().join("m").join(first)).unwrap();
    assert!(
        SafeTensors::deserialize(&bytes)
            .unwrap()
            .iter()
            .all(|(_, t)| t.dtype() == Dtype::F32)
    );
}

#[test]
fn a_gguf_becomes_a_hf_folder() {
    for family in ["mistral", "qwen2", "gemma2"] {
        let base =
            BaseWeights::open_gguf(&fixture("models").join(family).join("model.gguf")).unwrap();
        let out = tempfile::tempdir().unwrap();
        let dir = out.path().join(family);
        write(&dir, &plan(&base, FloatType::F32), tensors(&base)).unwrap();
        assert_same(&dir, &base);
    }
}

#[test]
fn companions_and_given_files_are_there() {
    let source = copy_of("models/qwen2");
    fs::write(source.path().join("tokenizer.json"), "base").unwrap();
    fs::write(source.path().join("LICENSE"), "terms").unwrap();
    fs::write(source.path().join("notes.txt"), "private").unwrap();
    let base = BaseWeights::open_hf(source.path()).unwrap();
    let out = tempfile::tempdir().unwrap();
    let model = HfModel {
        companions_from: Some(source.path()),
        files: vec![
            ("README.md".into(), b"card".into()),
            ("tokenizer.json".into(), b"ours".into()),
        ],
        ..plan(&base, FloatType::F16)
    };
    let dir = out.path().join("m");
    write(&dir, &model, tensors(&base)).unwrap();
    let text = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
    assert_eq!(
        (text("tokenizer.json"), text("LICENSE")),
        ("ours".into(), "terms".into())
    );
    assert_eq!(text("README.md"), "card");
    assert!(!dir.join("notes.txt").exists());
    // The base is bf16; what f16 rounds is rounded once.
    let (again, name) = (BaseWeights::open_hf(&dir).unwrap(), "model.norm.weight");
    let rounded: Vec<f32> = base
        .read_f32(name)
        .unwrap()
        .iter()
        .map(|number| FloatType::F16.round(*number))
        .collect();
    assert_eq!(again.read_f32(name).unwrap(), rounded);
}

type Spoil = fn(&mut Vec<NamedTensor>);

#[test]
fn tensors_that_do_not_make_the_model_are_refused() {
    let base = BaseWeights::open_hf(&fixture("models/qwen2")).unwrap();
    let spoils: [(Spoil, &str); 6] = [
        (|all| all.truncate(20), "missing"),
        (
            |all| all.push(("lm_head.weight".into(), vec![1], vec![0.0])),
            "not part of",
        ),
        (|all| all.push(all[0].clone()), "given twice"),
        (|all| all[1].1.reverse(), "shape"),
        (|all| all[1].2.truncate(3), "shape"),
        (|all| all[2].2[5] = f32::NAN, "number 5 is NaN"),
    ];
    for (spoil, message) in spoils {
        let mut all = tensors(&base);
        // q_proj is square: [16, 16] reversed is itself, so take the first that is not.
        all.sort_by_key(|(_, shape, _)| shape.len() < 2 || shape[0] == shape[1]);
        spoil(&mut all);
        let out = tempfile::tempdir().unwrap();
        let error = write(&out.path().join("m"), &plan(&base, FloatType::BF16), all).unwrap_err();
        assert!(matches!(error, WeightsError::Tensor { .. }));
        assert!(error.to_string().contains(message), "{error}");
        assert_eq!(
            fs::read_dir(out.path()).unwrap().count(),
            0,
            "{message}: something is left"
        );
    }
}

#[test]
fn what_overflows_the_format_is_refused() {
    let base = BaseWeights::open_hf(&fixture("models/qwen2")).unwrap();
    let mut all = tensors(&base);
    all[0].2[0] = 70_000.0;
    let out = tempfile::tempdir().unwrap();
    let dir = out.path().join("m");
    write(&dir, &plan(&base, FloatType::BF16), all.clone()).unwrap();
    let error = write(&dir, &plan(&base, FloatType::F16), all).unwrap_err();
    assert!(
        error.to_string().contains("not finite as float16"),
        "{error}"
    );
    // The earlier folder is whole.
    assert_eq!(
        BaseWeights::open_hf(&dir)
            .unwrap()
            .read_f32("model.embed_tokens.weight")
            .unwrap()[0],
        70_144.0
    );
}

#[test]
fn a_source_that_fails_leaves_the_earlier_folder() {
    let base = BaseWeights::open_hf(&fixture("models/qwen2")).unwrap();
    let out = tempfile::tempdir().unwrap();
    let dir = out.path().join("m");
    let model = plan(&base, FloatType::F32);
    write(&dir, &model, tensors(&base)).unwrap();
    let fails = || WeightsError::Tensor {
        path: "base".into(),
        tensor: "x".into(),
        problem: TensorProblem::Missing,
    };
    let source = tensors(&base)
        .into_iter()
        .take(3)
        .map(Ok)
        .chain([Err(fails())]);
    assert!(schliff_weights::write_hf_model(&dir, &model, source).is_err());
    assert_same(&dir, &base);
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 1);
}
