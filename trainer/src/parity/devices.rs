//! Whole steps on a device against the same steps on the host.

use schliff_data::sample::Sample;
use schliff_spec::job::Precision;
use schliff_weights::adapter::AdapterConfig;

use super::slopes::{Bowl, config, settings};
use crate::model::batch::Leaf;
use crate::model::decode::{Stop, generate};
use crate::model::holding::Holding;
use crate::model::projection::Context;
use crate::tensor::device::Device;
use crate::training::group::Group;
use crate::training::loss_scale::LossScale;
use crate::training::step::{State, StepSettings};

/// Steps of a comparison.
const STEPS: usize = 4;

/// Loss and gradient norm of a few steps, and the trained values after them.
fn train(
    device: &Device,
    base: &str,
    config: &AdapterConfig,
    way: StepSettings,
) -> (Vec<f64>, Vec<f32>) {
    let bowl = Bowl::on(device, base, config);
    let stepper = bowl.stepper(way);
    let mut state = State::new(bowl.masters.clone(), None);
    let batch: Vec<Vec<&Sample>> = vec![bowl.samples.iter().collect()];
    let figures = (0..STEPS).flat_map(|_| {
        let report = stepper
            .step(&mut state, &batch, &mut Group::alone())
            .expect("a step");
        [report.loss, report.grad_norm.expect("finite")]
    });
    let figures = figures.collect();
    (figures, state.masters)
}

/// Trains on both and compares losses and norms to 1e-4, and every trained value.
fn agree(base: &str, config: &AdapterConfig, way: &StepSettings) {
    let (host, host_masters) = train(&Device::host(), base, config, way.clone());
    let (device, device_masters) = train(&Device::under_test(), base, config, way.clone());
    for (a, b) in host.iter().zip(&device) {
        assert!(
            (a - b).abs() <= 1e-4 * a.abs(),
            "{base}: {host:?} against {device:?}"
        );
    }
    let largest = host_masters
        .iter()
        .fold(0.0_f32, |largest, m| largest.max(m.abs()));
    let differences = host_masters
        .iter()
        .zip(&device_masters)
        .map(|(a, b)| (a - b).abs());
    // Adam divides by the gradient's own size, so that an element whose gradient is rounding
    // moves by chance; most do not.
    let strayed = differences.filter(|&d| d > 1e-3 * largest).count();
    assert!(
        strayed * 100 <= host_masters.len(),
        "{base}: {strayed} of {}",
        host_masters.len()
    );
}

/// Halves are held as halves, and train as the host's do. The device's products come back rounded to
/// them, which the host's do not.
#[test]
fn halves_train_alike() {
    let device = Device::under_test();
    for precision in [Precision::Bf16Mixed, Precision::Fp16Mixed] {
        let holding = Holding {
            precision,
            ..Holding::default()
        };
        if !device.has(holding.rounding()) {
            eprintln!("SKIPPED: this device has no arithmetic for {holding}");
            continue;
        }
        let run = |device: &Device| {
            let bowl = Bowl::held(("tiny/llama", holding), device, &config());
            let stepper = bowl.stepper(settings(0.0));
            let scale = (precision == Precision::Fp16Mixed).then(LossScale::default);
            let mut state = State::new(bowl.masters.clone(), scale);
            let batch: Vec<Vec<&Sample>> = vec![bowl.samples.iter().collect()];
            let mut step = || stepper.step(&mut state, &batch, &mut Group::alone());
            let losses: Vec<f64> = (0..8).map(|_| step().expect("a step").loss).collect();
            (losses, stepper.network.frozen_bytes())
        };
        let (host, device) = (run(&Device::host()), run(&device));
        assert_eq!(host.1, device.1, "bytes of the base as {holding}");
        for (a, b) in host.0.iter().zip(&device.0) {
            let close = (a - b).abs() <= 1e-2 * a.abs();
            assert!(close, "{holding}: {:?} against {:?}", host.0, device.0);
        }
    }
}

#[test]
fn every_family_trains_alike() {
    let families = [
        "llama",
        "llama-sharded",
        "llama3-rope-bias",
        "qwen2",
        "qwen3",
        "gemma2",
        "gemma3",
        "mistral",
    ];
    for family in families {
        agree(&format!("tiny/{family}"), &config(), &settings(0.0));
    }
}

#[test]
fn every_way_of_training_is_alike() {
    let dora = AdapterConfig {
        use_dora: true,
        ..config()
    };
    let saved = |module: &str| AdapterConfig {
        modules_to_save: vec![module.to_owned()],
        ..config()
    };
    let checkpointing = StepSettings {
        checkpointing: true,
        ..settings(0.1)
    };
    agree("tiny/llama", &config(), &checkpointing);
    agree("tiny/qwen2", &dora, &settings(0.0));
    agree("tiny/qwen2", &dora, &settings(0.2));
    for module in ["embed_tokens", "lm_head", "norm"] {
        agree("tiny/gemma2", &saved(module), &settings(0.0));
    }
}

#[test]
fn losses_and_answers_are_alike() {
    let run = |device: &Device| {
        let bowl = Bowl::on(device, "tiny/gemma3", &config());
        let stepper = bowl.stepper(settings(0.0));
        let adapter = stepper.adapter(&bowl.masters);
        let leaf = Leaf::new(&bowl.samples);
        let losses = stepper.network.losses(&Context {
            leaf: &leaf,
            adapter: Some(&adapter),
            dropout: None,
        });
        let prompts = [vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10], vec![7]];
        let stop = Stop {
            tokens: &[],
            max_new_tokens: 12,
        };
        let answers = generate(stepper.network, Some(&adapter), &prompts, &stop, |_, _| {
            true
        });
        (losses, answers)
    };
    let (host, device) = (run(&Device::host()), run(&Device::under_test()));
    assert_eq!(host.1, device.1);
    for (a, b) in host.0.iter().zip(&device.0) {
        assert!(
            (a - b).abs() <= 1e-4 * a.abs(),
            "{a} on the host, {b} on the device"
        );
    }
}
