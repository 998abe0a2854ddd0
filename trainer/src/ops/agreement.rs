//! Every operation on a device against the kernel of the host, element by element: tests only.

use schliff_weights::config::{Activation, Rope as RopeConfig, RopeScaling};

use super::attention::Saved;
use super::key_values::KeyValues;
use super::rope::Rope;
use super::{Columns, attention, columns, rows};
use crate::adapter::layout::{Gradients, Layout};
use crate::frozen::Frozen;
use crate::kernel::attention::AttentionShape;
use crate::kernel::dropout::mix;
use crate::kernel::rope::{RopeTable, Turn};
use crate::kernel::rounding::Rounding;
use crate::model::head::Head;
use crate::ops;
use crate::tensor::Matrix;
use crate::tensor::device::Device;
use crate::tensor::indices::{Indices, Segments};

/// Largest difference, as a share of the largest element.
const TOLERANCE: f32 = 1e-5;

/// Numbers between -1 and 1 that look like chance and depend on `seed`.
fn matrix(rows: usize, cols: usize, seed: u64) -> Matrix {
    let unit = |i: usize| (mix(seed ^ mix(i as u64)) >> 40) as f32 / (1_u64 << 23) as f32 - 1.0;
    Matrix::new(rows, cols, (0..rows * cols).map(unit).collect())
}

/// Runs `work` on the host and on the device and compares all that it gives.
#[track_caller]
fn agree<const N: usize>(inputs: [Matrix; N], work: impl Fn(&[Matrix; N]) -> Vec<Matrix>) {
    let device = Device::under_test();
    let on_host = work(&inputs);
    let on_device = work(&inputs.map(|matrix| matrix.moved_to(&device)));
    assert_eq!(on_host.len(), on_device.len());
    for (at, (host, device)) in on_host.iter().zip(&on_device).enumerate() {
        assert_eq!((host.rows(), host.cols()), (device.rows(), device.cols()));
        assert!(host.is_on_host() && !device.is_on_host(), "result {at}");
        compare(&host.to_vec(), &device.to_vec(), at);
    }
}

#[track_caller]
fn compare(host: &[f32], device: &[f32], at: usize) {
    assert_eq!(host.len(), device.len());
    let largest = host.iter().fold(0.0_f32, |largest, v| largest.max(v.abs()));
    for (i, (a, b)) in host.iter().zip(device).enumerate() {
        let difference = (a - b).abs();
        let close = difference <= TOLERANCE * largest;
        assert!(
            close,
            "result {at}, element {i}: {a} on the host, {b} on the device"
        );
    }
}

#[test]
fn products_and_their_gradients() {
    let inputs = [
        matrix(7, 12, 1),
        matrix(5, 12, 2),
        matrix(7, 9, 3),
        matrix(7, 12, 4),
    ];
    agree(inputs, |[x, w, y, dx]| {
        let dy = Columns {
            matrix: y,
            range: 2..7,
        };
        vec![
            ops::linear(x, w),
            ops::add_linear(y.clone(), 2..7, x, w, 0.5),
            ops::add_linear(ops::linear(x, w), 0..5, x, w, -2.0),
            ops::add_linear_input_gradient(dx.clone(), &dy, w, 0.25),
            ops::linear_weight_gradient(&dy, x, 3.0),
        ]
    });
}

#[test]
fn columns_are_changed_in_place() {
    let inputs = [
        matrix(6, 10, 1),
        matrix(6, 4, 2),
        matrix(1, 4, 3),
        matrix(1, 10, 4),
    ];
    agree(inputs, |[y, x, factor, bias]| {
        let some = Columns {
            matrix: y,
            range: 3..7,
        };
        vec![
            columns::copy(&some),
            columns::set(y.clone(), 3..7, x),
            columns::set_scaled(y.clone(), 3..7, x, factor),
            columns::set_scaled(x.clone(), 0..4, x, factor),
            columns::add_scaled(y.clone(), 3..7, x, factor),
            columns::subtract(y.clone(), 3..7, x),
            columns::add_bias(y.clone(), bias),
            columns::add(y.clone(), y),
            columns::scale(y.clone(), 1.5),
            columns::shift(y.clone(), 1.0),
            columns::magnitude_gradient(x, &columns::copy(&some), factor),
        ]
    });
}

#[test]
fn norms_and_their_gradients() {
    for heads in [1, 3] {
        let inputs = [
            matrix(5, 16 * heads, 1),
            matrix(1, 16, 2),
            matrix(5, 16 * heads, 3),
            matrix(5, 16 * heads, 4),
        ];
        agree(inputs, |[x, w, dy, dx]| {
            let (y, inverse_rms) = ops::rms_norm(x, w, 1e-5);
            vec![
                y,
                ops::rms_norm_replay(x, w, &inverse_rms),
                ops::add_rms_norm_gradient(dx.clone(), dy, x, w, &inverse_rms),
                ops::rms_norm_weight_gradient(dy, x, &inverse_rms),
                inverse_rms,
            ]
        });
    }
}

#[test]
fn row_norms_of_a_branch() {
    let inputs = [matrix(9, 12, 1), matrix(4, 12, 2), matrix(9, 4, 3)];
    agree(inputs, |[weight, a, b]| {
        let squares = rows::row_squares(weight);
        let norms = rows::branch_row_norms(weight, &squares, (a, b), 1.25);
        vec![rows::quotient(&squares, &norms), squares, norms]
    });
}

#[test]
fn gates_and_their_gradients() {
    for activation in [Activation::Silu, Activation::GeluTanh] {
        let large = columns::scale(matrix(4, 12, 3), 30.0);
        agree(
            [matrix(4, 12, 1), matrix(4, 6, 2), large],
            |[gate_up, dy, large]| {
                vec![
                    ops::gate(gate_up, activation),
                    ops::gate_gradient(dy, gate_up, activation),
                    ops::gate(large, activation),
                    ops::gate_gradient(dy, large, activation),
                ]
            },
        );
    }
}

#[test]
fn rotation_there_and_back() {
    let config = RopeConfig {
        theta: 10_000.0,
        scaling: RopeScaling::None,
    };
    let positions: Indices = [0, 1, 2, 0, 1, 40].into_iter().collect();
    agree([matrix(6, 40, 1)], |[x]| {
        let rope = Rope::new(RopeTable::new(&config, 8, 64), x.device());
        // Three heads turn, two stay; then all five turn.
        vec![
            rope.rotate(x.clone(), 3, &positions, Turn::Forward),
            rope.rotate(x.clone(), 5, &positions, Turn::Back),
        ]
    });
}

#[test]
fn rows_by_number() {
    let numbers: Indices = [3, 0, 4].into_iter().collect();
    agree([matrix(6, 5, 1), matrix(3, 5, 2)], |[table, x]| {
        vec![rows::gather(table, &numbers), rows::scatter(x, &numbers, 6)]
    });
}

#[test]
fn gathered_rows_give_their_gradients_back_even_to_one_row_several_times() {
    let numbers: Indices = [2, 0, 2, 2, 1].into_iter().collect();
    let x = matrix(5, 4, 1);
    let mut host = vec![0.0; 3 * 4];
    rows::add_rows(&mut host, &x, &numbers, 1.0);
    let device = rows::scatter(&x.moved_to(&Device::under_test()), &numbers, 3);
    compare(&host, &device.to_vec(), 0);
}

#[test]
fn dropout_has_one_mask_everywhere() {
    let keys: Vec<u64> = (0..9).map(mix).collect();
    for (p, cols) in [(0.1, 33), (0.5, 64), (0.9, 7)] {
        agree([matrix(9, cols, 1)], |[x]| vec![rows::dropout(x, &keys, p)]);
    }
}

fn shapes() -> Vec<AttentionShape> {
    let plain = AttentionShape {
        heads: 6,
        kv_heads: 2,
        head_dim: 8,
        scale: 0.35,
        softcap: None,
        window: None,
    };
    vec![
        plain,
        AttentionShape {
            softcap: Some(5.0),
            ..plain
        },
        AttentionShape {
            window: Some(4),
            kv_heads: 6,
            ..plain
        },
    ]
}

#[test]
fn attention_and_its_gradient() {
    let segments: Segments = [0..5, 5..6, 6..19].into_iter().collect();
    for shape in shapes() {
        let inputs = [
            columns::scale(matrix(19, shape.qkv_width(), 1), 2.0),
            matrix(19, shape.out_width(), 2),
        ];
        agree(inputs, |[qkv, d_out]| {
            let (out, lse) = attention::forward(qkv, &segments, &shape);
            let saved = Saved {
                qkv,
                out: &out,
                lse: &lse,
                d_out,
            };
            let d_qkv = attention::backward(saved, &segments, &shape);
            vec![out, lse, d_qkv]
        });
    }
}

#[test]
fn cached_keys_and_values() {
    for shape in shapes() {
        let inputs = [
            matrix(6, shape.qkv_width(), 1),
            matrix(2, shape.qkv_width(), 2),
        ];
        agree(inputs, |[before, next]| {
            let mut long = KeyValues::new(before, &shape);
            let mut short = KeyValues::new(&before.row_view(0..2), &shape);
            let mut caches = [&mut long, &mut short];
            let first = KeyValues::attend(&mut caches, next, &shape);
            vec![first, KeyValues::attend(&mut caches, next, &shape)]
        });
    }
}

#[test]
fn heads_losses_and_gradients() {
    for softcap in [None, Some(3.0)] {
        let labels: Indices = [3, 0, 16, 3].into_iter().collect();
        let shape = vec![("head".to_owned(), (17, 8))];
        let layout = Layout::new(Vec::new(), shape).expect("a layout");
        let head = |weight: &Matrix| Head {
            weight: Frozen::plain(weight.clone(), false),
            trained: Some(0),
            softcap,
            rounding: Rounding::None,
        };
        let (hidden, weight) = (matrix(4, 8, 1), matrix(17, 8, 2));
        let run = |hidden: &Matrix, weight: &Matrix| {
            let (head, labels) = (head(weight), labels.clone());
            let mut gradients = Gradients::zeros(&layout);
            let (losses, d_hidden) = head.losses_and_gradient(hidden, &labels, 0.5, &mut gradients);
            [
                vec![losses.sum() as f32],
                head.losses(hidden, &labels),
                d_hidden.to_vec(),
                gradients.into_flat(),
                head.likeliest(hidden)
                    .into_iter()
                    .map(|token| token as f32)
                    .collect(),
            ]
        };
        let host = run(&hidden, &weight);
        let device = Device::under_test();
        let device = run(&hidden.moved_to(&device), &weight.moved_to(&device));
        for (at, (host, device)) in host.iter().zip(&device).enumerate() {
            compare(host, device, at);
        }
    }
}
