//! Training in half precision against the same training in 32 bits.

use schliff_data::sample::Sample;
use schliff_spec::job::{Precision, Quantization};

use super::sample;
use super::slopes::{Bowl, config, settings};
use crate::kernel::dropout::mix;
use crate::model::holding::Holding;
use crate::tensor::device::Device;
use crate::training::group::Group;
use crate::training::loss_scale::LossScale;
use crate::training::step::{State, StepSettings};

const BASE: &str = "tiny/llama";
/// Steps that a tiny model needs to fall well below its first loss.
const STEPS: usize = 20;

fn bowl(precision: Precision) -> Bowl {
    let holding = Holding {
        precision,
        quantization: Quantization::None,
    };
    Bowl::held((BASE, holding), &Device::host(), &config())
}

/// Settings under which the samples are learnt in a few steps.
fn fast() -> StepSettings {
    let mut settings = settings(0.0);
    settings.learning_rate.peak = 5e-3;
    settings.clip_norm = Some(1.0);
    settings
}

/// The state after so many steps, and the losses on the way.
fn train(bowl: &Bowl, state: &mut State, steps: usize) -> Vec<f64> {
    let stepper = bowl.stepper(fast());
    let batch = [bowl.samples.iter().collect::<Vec<&Sample>>()];
    let losses = (0..steps).map(|_| {
        let report = stepper.step(state, &batch, &mut Group::alone());
        report.expect("a step").loss
    });
    losses.collect()
}

fn distance(found: &[f32], wanted: &[f32]) -> f64 {
    let pairs = || found.iter().zip(wanted);
    let off: f64 = pairs().map(|(a, b)| f64::from(a - b).powi(2)).sum();
    let size: f64 = wanted.iter().map(|b| f64::from(*b).powi(2)).sum();
    (off / size).sqrt()
}

#[test]
fn half_precision_comes_to_the_loss_of_32_bits() {
    let plain = bowl(Precision::F32);
    let mut state = State::new(plain.masters.clone(), None);
    let wanted = train(&plain, &mut state, STEPS);
    let (first, last) = (wanted[0], wanted[STEPS - 1]);
    assert!(last < 0.8 * first, "nothing is learnt: {first} to {last}");
    for (precision, scale) in [
        (Precision::Bf16Mixed, None),
        (Precision::Fp16Mixed, Some(LossScale::default())),
    ] {
        let half = bowl(precision);
        let mut state = State::new(half.masters.clone(), scale);
        let found = train(&half, &mut state, STEPS);
        let off = (found[STEPS - 1] - last).abs() / last;
        assert!(
            off < 0.01,
            "{precision:?}: {} against {last}",
            found[STEPS - 1]
        );
        assert!(found != wanted, "{precision:?} rounds nothing");
        assert_eq!(state.moments.updates, STEPS as u64, "no step is skipped");
    }
}

#[test]
fn a_loss_scale_shows_in_no_bit_of_32_bit_gradients() {
    let bowl = bowl(Precision::F32);
    let state = State::new(bowl.masters.clone(), None);
    let scale = LossScale::default();
    let gradient = |scale: f32| bowl.sum_of((&state, scale), &bowl.samples, (fast(), 1)).1;
    let mut scaled = gradient(scale.factor() / 25.0);
    scale.unscale(&mut scaled);
    assert!(scaled == gradient(1.0 / 25.0));
}

/// A step of many tokens gives each of them little weight.
#[test]
fn small_gradients_live_by_the_loss_scale() {
    let (plain, half) = (bowl(Precision::F32), bowl(Precision::Fp16Mixed));
    let state = State::new(plain.masters.clone(), None);
    let weight = 1e-8;
    let gradient = |bowl: &Bowl, scale: f32| {
        bowl.sum_of((&state, scale * weight), &bowl.samples, (fast(), 1))
            .1
    };
    let wanted = gradient(&plain, 1.0);
    let scale = LossScale::default();
    let mut scaled = gradient(&half, scale.factor());
    scale.unscale(&mut scaled);
    let (with, without) = (
        distance(&scaled, &wanted),
        distance(&gradient(&half, 1.0), &wanted),
    );
    assert!(with < 5e-3, "{with}");
    assert!(without > 0.1, "f16 holds them anyway: {without}");
}

#[test]
fn a_step_whose_gradient_overflows_is_skipped_and_the_next_has_half_the_scale() {
    let bowl = bowl(Precision::Fp16Mixed);
    let stepper = bowl.stepper(fast());
    let batch = [bowl.samples.iter().collect::<Vec<&Sample>>()];
    let first = 2.0_f32.powi(24);
    let mut state = State::new(bowl.masters.clone(), Some(LossScale::starting_at(first)));
    let mut skipped = 0;
    for step in 0..12 {
        let before = state.clone();
        let report = stepper.step(&mut state, &batch, &mut Group::alone());
        let report = report.expect("a step");
        assert_eq!(state.step, step + 1, "its samples are used up");
        assert_eq!(report.loss_scale, before.loss_scale.map(LossScale::factor));
        assert!(report.loss.is_finite());
        match report.grad_norm {
            Some(norm) => {
                assert!(norm.is_finite());
                assert_eq!(state.moments.updates, before.moments.updates + 1);
            }
            None => {
                skipped += 1;
                assert!(state.masters == before.masters && state.moments == before.moments);
                let halved = before.loss_scale.map(|scale| scale.factor() / 2.0);
                assert_eq!(state.loss_scale.map(LossScale::factor), halved);
            }
        }
    }
    assert!((1..12).contains(&skipped), "{skipped} of 12 skipped");
    assert_eq!(state.moments.updates, 12 - skipped);
}

#[test]
fn a_gradient_that_no_scale_mends_ends_the_run() {
    let bowl = bowl(Precision::Fp16Mixed);
    let stepper = bowl.stepper(fast());
    let mut state = State::new(bowl.masters.clone(), Some(LossScale::starting_at(4.0)));
    let broken = || (1.0, vec![f32::NAN; bowl.masters.len()]);
    for _ in 0..2 {
        let report = stepper
            .update(&mut state, broken(), 1)
            .expect("a skipped step");
        assert_eq!(report.grad_norm, None);
    }
    let before = state.clone();
    let error = stepper
        .update(&mut state, broken(), 1)
        .expect_err("scale 1");
    assert!(error.to_string().contains("gradient norm"), "{error}");
    assert!(state == before);
}

/// Every rank has the same sum, and so the same opinion of it.
#[test]
fn any_number_of_ranks_skips_the_same_steps_and_has_the_same_bits() {
    let bowl = bowl(Precision::Fp16Mixed);
    let stepper = bowl.stepper(fast());
    let row = |n: u64| serde_json::json!((0..n).map(|i| mix(n ^ i) % 150).collect::<Vec<_>>());
    let samples: Vec<Sample> = (0..23)
        .map(|n| sample(n, &row(20 + 7 * n % 40), &row(20 + 7 * n % 40)))
        .collect();
    let trained: usize = samples.iter().map(Sample::trained_tokens).sum();
    let train = |world_size: usize| {
        let scale = LossScale::starting_at(2.0_f32.powi(27));
        let mut state = State::new(bowl.masters.clone(), Some(scale));
        let skipped = (0..8).map(|_| {
            let factor = state.loss_scale.map_or(1.0, LossScale::factor) / trained as f32;
            let sum = bowl.sum_of((&state, factor), &samples, (fast(), world_size));
            let report = stepper.update(&mut state, sum, trained).expect("a step");
            report.grad_norm.is_none()
        });
        let skipped: Vec<bool> = skipped.collect();
        (skipped, state)
    };
    let (skipped, state) = train(1);
    assert!(
        skipped.contains(&true) && skipped.contains(&false),
        "{skipped:?}"
    );
    for world_size in [2, 4] {
        let (theirs, found) = train(world_size);
        assert_eq!(theirs, skipped, "{world_size} ranks");
        assert!(found == state, "{world_size} ranks");
    }
}
