//! Losses of small random models of every family, bare and with PEFT's adapters on them.

use std::path::Path;

use schliff_weights::BaseWeights;

use super::{Tuned, fixture, json, numbers, sample};

/// A PEFT setting that is refused with its name, because it would change the numbers.
const REFUSED: &str = "llama-sharded-layers";

fn compare(base: &Path, adapter: Option<&Path>, expected: &Path) {
    let base = BaseWeights::open_hf(base).expect("base model");
    let tuned = Tuned::open(&base, adapter);
    let expected = json(expected);
    let cases = expected["cases"].as_array().expect("cases");
    assert!(!cases.is_empty());
    for case in cases {
        let sample = sample(0, &case["input_ids"], &case["input_ids"]);
        let found = tuned.losses(&sample);
        let nll = numbers(&case["nll"]);
        assert_eq!(found.len(), nll.len());
        for (i, (&found, &nll)) in found.iter().zip(&nll).enumerate() {
            let error = (f64::from(found) - nll).abs();
            assert!(error < 2e-4, "{adapter:?} token {i}: {found} against {nll}");
        }
        let mean = found.iter().map(|&v| f64::from(v)).sum::<f64>() / found.len() as f64;
        let expected = case["mean_nll"].as_f64().expect("mean");
        assert!(
            (mean - expected).abs() < 1e-4,
            "{adapter:?}: {mean} against {expected}"
        );
    }
}

fn folders(under: &str) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(fixture(under)).expect("fixtures");
    let mut found: Vec<_> = entries.map(|entry| entry.expect("entry").path()).collect();
    found.retain(|path| path.is_dir());
    found.sort();
    found
}

#[test]
fn every_family_agrees_with_transformers() {
    let models = folders("tiny");
    assert!(models.len() >= 8);
    for model in models {
        compare(&model, None, &model.join("expected.json"));
    }
}

#[test]
fn every_adapter_agrees_with_peft() {
    let adapters = folders("adapters");
    assert!(adapters.len() >= 16);
    for adapter in adapters {
        if adapter.ends_with(REFUSED) {
            let error = schliff_weights::read_adapter(&adapter).expect_err("refused");
            assert!(error.to_string().contains("layers_to_transform"), "{error}");
            continue;
        }
        let expected = adapter.join("expected.json");
        let base = json(&expected)["base"].as_str().map(fixture).expect("base");
        compare(&base, Some(&adapter), &expected);
    }
}
