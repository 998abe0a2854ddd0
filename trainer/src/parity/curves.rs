//! Training curves: losses, gradient norms and final factors of torch and PEFT.

use std::path::Path;

use schliff_data::sample::Sample;
use schliff_spec::job::Schedule;
use schliff_weights::{BaseWeights, read_adapter};
use serde_json::Value;

use super::{fixture, json, numbers, sample};
use crate::adapter::layout::{Kind, Layout};
use crate::adapter::peft::{layout_of, masters_of};
use crate::model::load::network;
use crate::process::pulse::Pulse;
use crate::tensor::device::Device;
use crate::training::group::Group;
use crate::training::leaves::Workers;
use crate::training::optimizer::AdamW;
use crate::training::schedule::LearningRate;
use crate::training::step::{State, StepSettings, Stepper};

/// The settings of a fixture's `training` section.
pub(super) fn settings(training: &Value) -> StepSettings {
    let number = |key: &str| training[key].as_f64().expect("a number");
    let whole = |key: &str| training[key].as_u64().unwrap_or(0) as usize;
    let schedule: Schedule =
        serde_json::from_value(training["schedule"].clone()).expect("schedule");
    StepSettings {
        optimizer: AdamW {
            beta1: number("beta1"),
            beta2: number("beta2"),
            eps: number("eps"),
            weight_decay: number("weight_decay"),
        },
        learning_rate: LearningRate {
            schedule,
            peak: number("lr"),
            warmup_steps: whole("warmup_steps"),
            steps: whole("steps"),
            min_ratio: 0.0,
            decay_steps: 0,
        },
        lr_b_ratio: number("lr_b_ratio"),
        clip_norm: training["clip_norm"].as_f64(),
        dropout: 0.0,
        seed: 0,
        checkpointing: false,
    }
}

/// How a curve is computed; none of it may show in the numbers.
#[derive(Clone, Copy)]
struct Way {
    micro_batch: usize,
    threads: usize,
    checkpointing: bool,
}

fn data() -> Vec<Sample> {
    let text = std::fs::read_to_string(fixture("curves/data.jsonl")).expect("data");
    let rows = text.lines().enumerate().map(|(id, line)| {
        let row: Value = serde_json::from_str(line).expect("JSON");
        sample(id as u64, &row["input_ids"], &row["labels"])
    });
    rows.collect()
}

fn assert_close(found: f64, expected: f64, what: &str) {
    let error = (found - expected).abs() / expected.abs().max(1e-3);
    assert!(error < 1e-3, "{what}: {found} against {expected}");
}

/// Runs a fixture's curve, compares it, and gives back the final masters.
fn run(folder: &Path, way: Way) -> Vec<f32> {
    let curve = json(&folder.join("curve.json"));
    let base = BaseWeights::open_hf(&fixture(curve["base"].as_str().expect("base"))).expect("base");
    let initial = read_adapter(&folder.join("init")).expect("initial factors");
    let layout = layout_of(&initial.config, base.config()).expect("layout");
    let network = network(&base, 64, &Device::host()).expect("weights");
    let workers = Workers::new(way.threads).expect("threads");
    let mut settings = settings(&curve["training"]);
    settings.checkpointing = way.checkpointing;
    let pulse = Pulse::default();
    let stepper = Stepper {
        network: &network,
        layout: &layout,
        workers: &workers,
        settings,
        pulse: &pulse,
    };
    let mut state = State::new(masters_of(&layout, &initial).expect("factors"), None);
    let samples = data();
    let batch = curve["training"]["batch_samples"].as_u64().expect("batch") as usize;
    compare_first_gradient(&curve, &layout, &stepper, &state, &samples[..batch]);
    let rows = numbers(&curve["loss"])
        .into_iter()
        .zip(numbers(&curve["grad_norm"]));
    for (step, (loss, grad_norm)) in rows.enumerate() {
        let chosen: Vec<&Sample> = samples
            .iter()
            .cycle()
            .skip(step * batch)
            .take(batch)
            .collect();
        let micro: Vec<Vec<&Sample>> = chosen.chunks(way.micro_batch).map(<[_]>::to_vec).collect();
        let report = stepper
            .step(&mut state, &micro, &mut Group::alone())
            .expect("step");
        let name = folder.display();
        assert_close(report.loss, loss, &format!("{name} loss of step {step}"));
        assert_close(
            report.grad_norm.expect("finite"),
            grad_norm,
            &format!("{name} norm of step {step}"),
        );
        let trained = curve["trained_tokens"][step].as_u64();
        assert_eq!(Some(report.trained_tokens), trained);
        let rate = curve["lr"][step].as_f64().expect("rate");
        assert!((report.lr - rate).abs() < 1e-12);
    }
    state.masters
}

fn compare_first_gradient(
    curve: &Value,
    layout: &Layout,
    stepper: &Stepper<'_>,
    state: &State,
    samples: &[Sample],
) {
    let Some(expected) = curve["first_grad_norms"].as_object() else {
        return;
    };
    let trained: usize = samples.iter().map(Sample::trained_tokens).sum();
    let batch = [samples.iter().collect()];
    let (_, gradient) = stepper
        .part(state, &batch, 1.0 / trained as f32, (0, 1))
        .expect("gradient");
    let mut compared = 0;
    for parameter in &layout.parameters {
        let suffix = match parameter.kind {
            Kind::A => ".lora_A.weight",
            Kind::B => ".lora_B.weight",
            Kind::Magnitude => ".lora_magnitude_vector",
            Kind::Saved => "",
        };
        let name = format!("base_model.model.{}{suffix}", parameter.name);
        let Some(expected) = expected.get(&name).and_then(Value::as_f64) else {
            continue;
        };
        let squares = gradient[parameter.range()]
            .iter()
            .map(|&g| f64::from(g) * f64::from(g));
        assert_close(squares.sum::<f64>().sqrt(), expected, &name);
        compared += 1;
    }
    assert_eq!(
        compared,
        expected.len(),
        "every stated gradient is compared"
    );
}

const ONE_BY_EIGHT: Way = Way {
    micro_batch: 8,
    threads: 1,
    checkpointing: false,
};

fn all_curves() -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(fixture("curves")).expect("fixtures");
    let mut folders: Vec<_> = entries.map(|entry| entry.expect("entry").path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    folders
}

#[test]
fn every_curve_agrees_with_torch_and_peft() {
    let folders = all_curves();
    assert!(folders.len() >= 14);
    for folder in folders {
        run(&folder, ONE_BY_EIGHT);
    }
}

#[test]
fn accumulation_gives_the_curve_of_one_large_batch() {
    for folder in all_curves() {
        run(
            &folder,
            Way {
                micro_batch: 1,
                ..ONE_BY_EIGHT
            },
        );
    }
}

#[test]
fn threads_and_activation_checkpointing_change_no_bit() {
    for name in [
        "curves/llama-lora",
        "curves/llama-dora",
        "curves/gemma3-lora",
    ] {
        let folder = fixture(name);
        let plain = run(
            &folder,
            Way {
                micro_batch: 2,
                ..ONE_BY_EIGHT
            },
        );
        for (threads, checkpointing) in [(2, false), (3, true), (1, true)] {
            let other = run(
                &folder,
                Way {
                    micro_batch: 2,
                    threads,
                    checkpointing,
                },
            );
            assert!(
                plain == other,
                "{name}: {threads} threads, checkpointing {checkpointing}"
            );
        }
    }
}
