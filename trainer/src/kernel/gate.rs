//! Gated activation of the feed-forward: `act(gate) * up`, gate and up side by side in one row.

use super::simd::{sigmoid, tanh, vectorized};
use schliff_weights::config::Activation;

/// `sqrt(2 / pi)` and the cubic coefficient of GELU's tanh approximation (Hendrycks and Gimpel).
pub(crate) const GELU: (f32, f32) = (0.797_884_6, 0.044_715);

/// `y[t] = act(gu[t, ..f]) * gu[t, f..]` for rows of width `2 f`.
pub(crate) fn forward(y: &mut [f32], gate_up: &[f32], f: usize, activation: Activation) {
    vectorized(
        #[inline(always)]
        || {
            for (y, row) in y.chunks_exact_mut(f).zip(gate_up.chunks_exact(2 * f)) {
                let (gate, up) = row.split_at(f);
                match activation {
                    Activation::Silu => {
                        for ((y, &g), &u) in y.iter_mut().zip(gate).zip(up) {
                            *y = g * sigmoid(g) * u;
                        }
                    }
                    Activation::GeluTanh => {
                        for ((y, &g), &u) in y.iter_mut().zip(gate).zip(up) {
                            *y = gelu(g).0 * u;
                        }
                    }
                }
            }
        },
    );
}

/// Gradient with respect to gate and up, from that of the product.
pub(crate) fn backward(
    d_gate_up: &mut [f32],
    dy: &[f32],
    gate_up: &[f32],
    f: usize,
    activation: Activation,
) {
    vectorized(
        #[inline(always)]
        || {
            let rows = d_gate_up
                .chunks_exact_mut(2 * f)
                .zip(gate_up.chunks_exact(2 * f));
            for ((d_row, row), dy) in rows.zip(dy.chunks_exact(f)) {
                let (gate, up) = row.split_at(f);
                let (d_gate, d_up) = d_row.split_at_mut(f);
                let columns = d_gate.iter_mut().zip(d_up).zip(gate).zip(up).zip(dy);
                match activation {
                    Activation::Silu => {
                        for ((((dg, du), &g), &u), &dy) in columns {
                            let s = sigmoid(g);
                            *du = dy * g * s;
                            *dg = dy * u * s * (1.0 + g * (1.0 - s));
                        }
                    }
                    Activation::GeluTanh => {
                        for ((((dg, du), &g), &u), &dy) in columns {
                            let (value, slope) = gelu(g);
                            *du = dy * value;
                            *dg = dy * u * slope;
                        }
                    }
                }
            }
        },
    );
}

/// GELU (tanh form) and its derivative.
#[inline(always)]
fn gelu(x: f32) -> (f32, f32) {
    let (root, cubic) = GELU;
    let t = tanh(root * (x + cubic * x * x * x));
    let inner_slope = root * (1.0 + 3.0 * cubic * x * x);
    (
        0.5 * x * (1.0 + t),
        0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * inner_slope,
    )
}
