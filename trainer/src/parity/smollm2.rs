//! The real model: SmolLM2-135M-Instruct out of its GGUF file.
//!
//! The file is 98 MB and is not committed: `make test` fetches it and names it in
//! `SCHLIFF_TEST_SMOLLM2`. Without that variable there is nothing to compare here.

use schliff_weights::BaseWeights;
use serde_json::Value;

use super::curves::settings;
use super::{Tuned, fixture, json, numbers, sample};
use crate::adapter::layout::{Kind, Layout};
use crate::adapter::peft::{layout_of, seeded_masters};
use crate::process::pulse::Pulse;
use crate::tensor::device::Device;
use crate::training::group::Group;
use crate::training::leaves::Workers;
use crate::training::step::{State, Stepper};
use schliff_weights::adapter::AdapterConfig;

/// The file, where there is one.
pub(super) fn path() -> Option<std::path::PathBuf> {
    std::env::var_os("SCHLIFF_TEST_SMOLLM2").map(Into::into)
}

fn base() -> Option<BaseWeights> {
    Some(BaseWeights::open_gguf(&path()?).expect("the GGUF file"))
}

#[test]
fn losses_agree_with_transformers() {
    let Some(base) = base() else { return };
    let tuned = Tuned::open(&base, None);
    let expected = json(&fixture("smollm2/losses.json"));
    for text in expected["texts"].as_array().expect("texts") {
        let losses = tuned.losses(&sample(0, &text["input_ids"], &text["input_ids"]));
        let mean = losses.iter().map(|&v| f64::from(v)).sum::<f64>() / losses.len() as f64;
        let expected = text["mean_nll"].as_f64().expect("mean");
        assert!((mean - expected).abs() < 1e-4, "{}: {mean}", text["text"]);
    }
}

#[test]
fn ten_steps_agree_with_peft() {
    let Some(base) = base() else { return };
    let fixture = json(&fixture("smollm2/curves.json"));
    let sample = sample(0, &fixture["input_ids"], &fixture["input_ids"]);
    let network = crate::model::load::network(&base, 256, &Device::host()).expect("weights");
    let workers = Workers::new(2).expect("threads");
    for curve in fixture["curves"].as_array().expect("curves") {
        if curve["init"] != "seeded" {
            continue;
        }
        let config = AdapterConfig {
            r: 8,
            lora_alpha: 16.0,
            use_rslora: curve["method"] == "rslora",
            use_dora: curve["method"] == "dora",
            ..AdapterConfig::default()
        };
        let layout = layout_of(&config, base.config()).expect("layout");
        let mut masters = seeded_masters(&layout, &base, 0).expect("masters");
        draw_reference_factors(&layout, &mut masters);
        let settings = settings(&fixture["training"]);
        let pulse = Pulse::default();
        let stepper = Stepper {
            network: &network,
            layout: &layout,
            workers: &workers,
            settings,
            pulse: &pulse,
        };
        compare_curve(curve, &stepper, State::new(masters, None), &sample);
    }
}

fn compare_curve(
    curve: &Value,
    stepper: &Stepper<'_>,
    state: State,
    sample: &schliff_data::sample::Sample,
) {
    let mut state = state;
    let rows = numbers(&curve["loss"])
        .into_iter()
        .zip(numbers(&curve["grad_norm"]));
    for (step, (loss, norm)) in rows.enumerate() {
        let report = stepper
            .step(&mut state, &[vec![sample]], &mut Group::alone())
            .expect("step");
        let off = (report.loss - loss).abs() / loss;
        assert!(
            off < 1e-3,
            "{} step {step}: loss {} against {loss}",
            curve["method"],
            report.loss
        );
        let grad_norm = report.grad_norm.expect("finite");
        let off = (grad_norm - norm).abs() / norm;
        assert!(
            off < 1e-3,
            "{} step {step}: norm {} against {norm}",
            curve["method"],
            grad_norm
        );
    }
}

/// The formula of `reference/oracle/seeded_factors.py`.
fn draw_reference_factors(layout: &Layout, masters: &mut [f32]) {
    for parameter in layout.parameters.iter().filter(|p| p.kind == Kind::A) {
        let name = format!("base_model.model.{}.lora_A.weight", parameter.name);
        let hash = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
        });
        let root = (parameter.shape.1 as f64).sqrt();
        for (i, value) in masters[parameter.range()].iter_mut().enumerate() {
            let mut z = hash.wrapping_add((i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^= z >> 31;
            let unit = (z >> 40) as f64 / f64::from(1 << 24);
            *value = ((2.0 * unit - 1.0) / root) as f32;
        }
    }
}
