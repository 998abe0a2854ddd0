//! Adapter folders against PEFT.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use schliff_weights::adapter::{TargetModules, matches_saved};
use schliff_weights::{
    Adapter, AdapterConfig, BaseWeights, Factors, ModelConfig, WeightsError, expected_tensors,
    matches_target, read_adapter, write_adapter,
};
use serde_json::{Value, json};

use crate::{copy_of, edit_json, fixture, read_json};

const ALL: [&str; 4] = ["lora", "rslora-patterns", "dora-saved", "half"];
const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";

fn folder(name: &str) -> std::path::PathBuf {
    fixture("adapters").join(name)
}

#[test]
fn modules_ranks_and_scalings_are_those_of_peft() {
    for name in ALL {
        let adapter = read_adapter(&folder(name)).unwrap();
        let expected = read_json(&folder(name).join("expected.json"));
        let adapted = expected["adapted"].as_object().unwrap();
        assert_eq!(adapter.modules.len(), adapted.len(), "{name}");
        for module in expected["modules"].as_array().unwrap() {
            let module = module.as_str().unwrap();
            assert_eq!(
                adapter.config.targets(module),
                adapted.contains_key(module),
                "{module}"
            );
        }
        for (module, peft) in adapted {
            assert_eq!(
                adapter.modules[module].r as u64, peft["r"],
                "{name} {module}"
            );
            assert_eq!(
                json!(adapter.config.rank_of(module)),
                peft["r"],
                "{name} {module}"
            );
            let (ours, theirs) = (adapter.config.scaling(module), peft["scaling"].as_f64());
            assert!(
                (ours - theirs.unwrap()).abs() < 1e-12,
                "{name} {module} {ours} {theirs:?}"
            );
        }
    }
}

#[test]
fn saved_modules_are_those_of_peft() {
    let adapter = read_adapter(&folder("dora-saved")).unwrap();
    let expected = read_json(&folder("dora-saved").join("expected.json"));
    let saved: Vec<&str> = expected["saved"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    for module in expected["modules"].as_array().unwrap() {
        let module = module.as_str().unwrap();
        let ours = matches_saved(&adapter.config.modules_to_save, module);
        assert_eq!(ours, saved.contains(&module), "{module}");
    }
    let mut expected: Vec<String> = saved.iter().map(|name| format!("{name}.weight")).collect();
    expected.sort();
    assert!(adapter.saved.keys().eq(&expected));
    assert_eq!(adapter.saved["lm_head.weight"].shape, [20, 16]);
}

/// What we write of what we read is PEFT's own folder again: the weights byte for byte, the
/// settings value for value in the same layout.
#[test]
fn writing_gives_pefts_folder_again() {
    for name in ["lora", "rslora-patterns", "dora-saved"] {
        let adapter = read_adapter(&folder(name)).unwrap();
        let out = tempfile::tempdir().unwrap();
        let dir = out.path().join("new/adapter");
        write_adapter(&dir, &adapter).unwrap();
        let ours = fs::read(dir.join(WEIGHTS)).unwrap();
        assert!(
            ours == fs::read(folder(name).join(WEIGHTS)).unwrap(),
            "{name}: weights differ"
        );

        let mut peft = read_json(&folder(name).join(CONFIG));
        for key in ["target_modules", "modules_to_save"] {
            if let Some(names) = peft[key].as_array_mut() {
                names.sort_by_key(Value::to_string);
            }
        }
        let expected = serde_json::to_string_pretty(&peft).unwrap();
        assert_eq!(
            fs::read_to_string(dir.join(CONFIG)).unwrap(),
            expected,
            "{name}"
        );
        assert_eq!(read_adapter(&dir).unwrap().modules, adapter.modules);
        let card = fs::read_to_string(dir.join("README.md")).unwrap();
        assert!(
            card.starts_with("---\nbase_model: \"example/tiny\"\nlibrary_name: peft\n"),
            "{card}"
        );
    }
}

#[test]
fn half_precision_is_widened() {
    let adapter = read_adapter(&folder("half")).unwrap();
    let factors = &adapter.modules["model.layers.0.self_attn.o_proj"];
    assert_eq!((factors.r, factors.inputs, factors.outputs), (1, 16, 16));
    let is_bf16 = |number: &f32| number.to_bits() & 0xFFFF == 0;
    assert!(factors.a.iter().all(is_bf16) && factors.a.iter().any(|number| *number != 0.0));
}

#[test]
fn magnitudes_are_read() {
    let adapter = read_adapter(&folder("dora-saved")).unwrap();
    let factors = &adapter.modules["model.layers.0.mlp.down_proj"];
    assert_eq!((factors.inputs, factors.outputs), (24, 16));
    assert_eq!(factors.magnitude.as_ref().unwrap().len(), 16);
    assert_eq!(adapter.config.init_lora_weights, "gaussian");
}

/// PEFT would compute something else, so nothing is guessed.
#[test]
fn unsupported_settings_are_refused_by_key() {
    for (key, value) in [
        ("peft_type", json!("LOHA")),
        ("peft_type", Value::Null),
        ("task_type", json!("SEQ_CLS")),
        ("bias", json!("all")),
        ("lora_bias", json!(true)),
        ("layers_to_transform", json!([0])),
        ("layers_to_transform", json!(1)),
        ("layer_replication", json!([[0, 1]])),
        ("trainable_token_indices", json!([3])),
        ("target_parameters", json!(["x"])),
        ("use_qalora", json!(true)),
        ("init_lora_weights", json!("pissa")),
        ("some_future_switch", json!(true)),
        ("target_modules", Value::Null),
        ("target_modules", json!("(")),
        ("target_modules", json!(r"(?!vision).*")),
        ("target_modules", json!([1])),
        ("r", json!(0)),
        ("r", json!(-1)),
        ("rank_pattern.(", json!({"(": 1})),
        ("rank_pattern", json!({"x": "y"})),
        ("lora_dropout", json!(1.5)),
        ("use_dora", json!("yes")),
    ] {
        let copy = copy_of("adapters/lora");
        let top = key.split('.').next().unwrap();
        edit_json(&copy.path().join(CONFIG), |config| {
            config[top] = value.clone()
        });
        match read_adapter(copy.path()) {
            Err(WeightsError::Setting {
                key: found, path, ..
            }) => {
                assert_eq!(found, key, "{value}");
                assert!(path.ends_with(CONFIG));
            }
            other => panic!("{key} = {value}: {other:?}"),
        }
    }
}

#[test]
fn weights_that_do_not_fit_the_settings_are_refused_by_tensor() {
    for (key, value) in [
        ("r", json!(3)),
        ("use_dora", json!(true)),
        ("target_modules", json!(["q_proj"])),
        ("exclude_modules", json!(["k_proj"])),
        ("modules_to_save", json!(["mlp"])),
        ("rank_pattern", json!({"q_proj": 1})),
    ] {
        let copy = copy_of("adapters/lora");
        edit_json(&copy.path().join(CONFIG), |config| {
            config[key] = value.clone()
        });
        let found = read_adapter(copy.path());
        assert!(
            matches!(found, Err(WeightsError::Tensor { .. })),
            "{key} = {value}: {found:?}"
        );
    }
    let copy = copy_of("adapters/dora-saved");
    edit_json(&copy.path().join(CONFIG), |config| {
        config["use_dora"] = false.into()
    });
    assert!(matches!(
        read_adapter(copy.path()),
        Err(WeightsError::Tensor { .. })
    ));
}

#[test]
fn a_folder_without_its_parts() {
    let copy = copy_of("adapters/lora");
    fs::rename(
        copy.path().join(WEIGHTS),
        copy.path().join("adapter_model.bin"),
    )
    .unwrap();
    let error = read_adapter(copy.path()).unwrap_err().to_string();
    assert!(error.contains("pickled"), "{error}");
    fs::remove_file(copy.path().join("adapter_model.bin")).unwrap();
    assert!(matches!(
        read_adapter(copy.path()),
        Err(WeightsError::Io { .. })
    ));
    fs::write(copy.path().join(CONFIG), "{").unwrap();
    assert!(matches!(
        read_adapter(copy.path()),
        Err(WeightsError::Malformed { .. })
    ));
    assert!(matches!(
        read_adapter(&folder("none")),
        Err(WeightsError::Io { .. })
    ));
}

#[test]
fn selections_follow_pefts_rules() {
    let list = TargetModules::List(vec!["q_proj".into(), "mlp.up_proj".into()]);
    for (module, expected) in [
        ("model.layers.0.self_attn.q_proj", true),
        ("q_proj", true),
        ("model.layers.0.self_attn.xq_proj", false),
        ("model.layers.0.mlp.up_proj", true),
        ("model.layers.0.up_proj", false),
    ] {
        assert_eq!(matches_target(&list, module), expected, "{module}");
    }
    let pattern = TargetModules::from_text(r"model\.layers\.1\..*|x").unwrap();
    assert!(matches_target(&pattern, "model.layers.1.mlp.up_proj"));
    assert!(!matches_target(&pattern, "a.model.layers.1.mlp.up_proj"));
    assert!(!matches_target(&pattern, "xy"));
    let all = TargetModules::from_text("All-Linear").unwrap();
    assert_eq!(all, TargetModules::AllLinear);
    assert!(matches_target(&all, "model.layers.0.mlp.down_proj"));
    assert!(!matches_target(&all, "lm_head") && !matches_target(&all, "model.embed_tokens"));
}

#[test]
fn nothing_is_written_from_nonsense() {
    let factors = Factors {
        a: vec![0.0; 3],
        b: vec![0.0; 4],
        r: 2,
        inputs: 2,
        outputs: 2,
        magnitude: None,
    };
    let modules = BTreeMap::from([("q_proj".to_owned(), factors)]);
    let config = AdapterConfig::default();
    let mut adapter = Adapter {
        config,
        modules,
        saved: BTreeMap::new(),
    };
    let out = tempfile::tempdir().unwrap();
    let dir = out.path().join("adapter");
    assert!(matches!(
        write_adapter(&dir, &adapter),
        Err(WeightsError::Tensor { .. })
    ));
    adapter.config.r = 0;
    assert!(matches!(
        write_adapter(&dir, &adapter),
        Err(WeightsError::Setting { .. })
    ));
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);
}

#[test]
fn adapters_fit_their_base_and_no_other() {
    let base = |family: &str| BaseWeights::open_hf(&fixture("models").join(family)).unwrap();
    for name in ALL {
        let adapter = read_adapter(&folder(name)).unwrap();
        adapter
            .check_fits(&folder(name), base("mistral").config())
            .unwrap();
        assert!(
            adapter
                .check_fits(&folder(name), base("gemma2").config())
                .is_err(),
            "{name}"
        );
    }
    let mut adapter = read_adapter(&folder("dora-saved")).unwrap();
    adapter.modules.remove("model.layers.1.self_attn.k_proj");
    let error = adapter
        .check_fits(&folder("dora-saved"), base("mistral").config())
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("layers.1.self_attn.k_proj.lora_A.weight: missing"),
        "{error}"
    );
    adapter.saved.get_mut("lm_head.weight").unwrap().shape = vec![21, 16];
    let error = adapter
        .check_fits(&folder("dora-saved"), base("mistral").config())
        .unwrap_err();
    assert!(
        error.to_string().contains("lm_head.weight: shape [21, 16]"),
        "{error}"
    );
}

/// SmolLM2-135M, rank 8, all linear modules: the size of the file that PEFT writes.
#[test]
fn an_adapter_of_smollm2_has_pefts_size() {
    let json = read_json(&fixture("configs/smollm2-v4.json"));
    let base = ModelConfig::from_hf(&json, Path::new("config.json")).unwrap();
    let config = AdapterConfig::default();
    let mut modules = BTreeMap::new();
    for (name, shape) in expected_tensors(&base) {
        let module = name.strip_suffix(".weight").unwrap();
        if config.targets(module) {
            let (outputs, inputs) = (shape[0], shape[1]);
            let (a, b) = (vec![0.0; 8 * inputs], vec![0.0; outputs * 8]);
            let factors = Factors {
                a,
                b,
                r: 8,
                inputs,
                outputs,
                magnitude: None,
            };
            modules.insert(module.to_owned(), factors);
        }
    }
    let adapter = Adapter {
        config,
        modules,
        saved: BTreeMap::new(),
    };
    assert_eq!(
        (adapter.modules.len(), adapter.parameter_count()),
        (210, 2_442_240)
    );
    adapter.check_fits(Path::new("adapter"), &base).unwrap();
    let out = tempfile::tempdir().unwrap();
    write_adapter(&out.path().join("adapter"), &adapter).unwrap();
    let written = fs::metadata(out.path().join("adapter").join(WEIGHTS)).unwrap();
    assert_eq!(written.len(), 9_823_216);
}
