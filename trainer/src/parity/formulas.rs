//! AdamW, the clip, and cross-entropy, number by number.

use serde_json::Value;

use super::{fixture, json, numbers};
use crate::kernel::cross_entropy::{Gradients, Head};
use crate::kernel::rounding::Rounding;
use crate::kernel::weight::Weight;
use crate::training::optimizer::{AdamW, Moments, clip, global_norm};

fn cases(name: &str) -> Vec<Value> {
    let cases = json(&fixture(name))["cases"]
        .as_array()
        .expect("cases")
        .clone();
    assert!(!cases.is_empty());
    cases
}

fn floats(value: &Value) -> Vec<f32> {
    numbers(value).into_iter().map(|v| v as f32).collect()
}

/// Rows of a nested list, one after the other.
fn flat(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .expect("rows")
        .iter()
        .flat_map(numbers)
        .collect()
}

#[test]
fn adamw_is_torchs() {
    for case in cases("adamw.json") {
        let number = |key: &str| case[key].as_f64().expect("a number");
        let adamw = AdamW {
            beta1: number("beta1"),
            beta2: number("beta2"),
            eps: number("eps"),
            weight_decay: number("weight_decay"),
        };
        let mut masters = floats(&case["initial"]);
        let mut moments = Moments::zeros(masters.len());
        let rates = [(0..masters.len(), number("lr"))];
        let steps = case["gradients"].as_array().expect("gradients");
        for (gradient, expected) in steps
            .iter()
            .zip(case["after_each_step"].as_array().expect("steps"))
        {
            adamw.update(&mut masters, &floats(gradient), &mut moments, &rates);
            for (found, expected) in masters.iter().zip(numbers(expected)) {
                let error = (f64::from(*found) - expected).abs();
                assert!(
                    error <= 2e-7 * expected.abs().max(1.0),
                    "{found} against {expected}"
                );
            }
        }
        let moments = [
            (&moments.first, "final_first_moment"),
            (&moments.second, "final_second_moment"),
        ];
        for (found, key) in moments {
            for (found, expected) in found.iter().zip(numbers(&case[key])) {
                let error = (f64::from(*found) - expected).abs();
                assert!(
                    error <= 1e-5 * expected.abs(),
                    "{key}: {found} against {expected}"
                );
            }
        }
    }
}

#[test]
fn the_clip_is_torchs() {
    for case in cases("clip.json") {
        let mut gradients: Vec<f32> = flat(&case["gradients"])
            .into_iter()
            .map(|g| g as f32)
            .collect();
        let norm = global_norm(&gradients);
        assert!((norm - case["total_norm"].as_f64().expect("norm")).abs() < 1e-6);
        clip(
            &mut gradients,
            norm,
            case["max_norm"].as_f64().expect("limit"),
        );
        for (found, expected) in gradients.iter().zip(flat(&case["clipped"])) {
            assert!((f64::from(*found) - expected).abs() < 1e-6);
        }
    }
}

#[test]
fn chunked_cross_entropy_agrees_with_f64() {
    for case in cases("cross_entropy.json") {
        let labels = numbers(&case["labels"]);
        let rows = case["hidden"].as_array().expect("rows");
        let kept: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] >= 0.0).collect();
        let hidden: Vec<f32> = kept.iter().flat_map(|&i| floats(&rows[i])).collect();
        let labels: Vec<usize> = kept.iter().map(|&i| labels[i] as usize).collect();
        let weight: Vec<f32> = flat(&case["head"]).into_iter().map(|w| w as f32).collect();
        let width = hidden.len() / labels.len();
        let softcap = case["softcap"].as_f64().map(|cap| cap as f32);
        let head = Head {
            weight: Weight::plain(&weight, None, width),
            rounding: Rounding::None,
            softcap,
        };
        let mut d_hidden = vec![0.0; hidden.len()];
        let mut d_weight = vec![0.0; weight.len()];
        let targets = Gradients {
            d_hidden: &mut d_hidden,
            d_weight: Some(&mut d_weight),
        };
        let loss = head.loss_and_gradient(&hidden, &labels, 1.0, targets);
        let expected = case["loss_sum"].as_f64().expect("loss");
        assert!(
            (loss - expected).abs() <= 1e-6 * expected,
            "{loss} against {expected}"
        );
        let losses: f64 = head
            .losses(&hidden, &labels)
            .iter()
            .map(|&l| f64::from(l))
            .sum();
        assert!((losses - expected).abs() <= 1e-6 * expected);
        // An f32 logit of size z is off by about z * 2^-24, and so is the gradient.
        let tolerance = 1e-6_f64.max(loss / labels.len() as f64 * 6e-8);
        let rows = case["hidden_gradient"].as_array().expect("rows");
        let expected: Vec<f64> = kept.iter().flat_map(|&i| numbers(&rows[i])).collect();
        compare(&d_hidden, &expected, tolerance);
        compare(&d_weight, &flat(&case["head_gradient"]), tolerance);
    }
}

/// Largest difference, as a share of the largest value.
fn compare(found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().fold(0.0_f64, |scale, v| scale.max(v.abs()));
    for (found, expected) in found.iter().zip(expected) {
        let error = (f64::from(*found) - expected).abs();
        assert!(error <= tolerance * scale, "{found} against {expected}");
    }
}
