//! Root-mean-square norm and its backward pass, row by row.

use super::simd::{dot, sum, vectorized};

/// `y = x / rms(x) * w` for each row of width `w.len()`; returns `1 / rms(x)` of every row.
///
/// Zhang and Sennrich 2019, with epsilon inside the root as transformers has it.
pub(crate) fn forward(y: &mut [f32], x: &[f32], w: &[f32], eps: f32) -> Vec<f32> {
    let width = w.len();
    vectorized(
        #[inline(always)]
        || {
            x.chunks_exact(width)
                .zip(y.chunks_exact_mut(width))
                .map(|(x, y)| {
                    let mean_square = sum(width, |i| x[i] * x[i]) / width as f32;
                    let inverse_rms = 1.0 / (mean_square + eps).sqrt();
                    scale_row(y, x, w, inverse_rms);
                    inverse_rms
                })
                .collect()
        },
    )
}

/// The forward pass again, from the saved `1 / rms(x)`.
pub(crate) fn replay(y: &mut [f32], x: &[f32], w: &[f32], inverse_rms: &[f32]) {
    let width = w.len();
    vectorized(
        #[inline(always)]
        || {
            for ((x, y), &r) in x
                .chunks_exact(width)
                .zip(y.chunks_exact_mut(width))
                .zip(inverse_rms)
            {
                scale_row(y, x, w, r);
            }
        },
    );
}

#[inline(always)]
fn scale_row(y: &mut [f32], x: &[f32], w: &[f32], factor: f32) {
    for ((y, &x), &w) in y.iter_mut().zip(x).zip(w) {
        *y = x * factor * w;
    }
}

/// Adds the gradient with respect to `x` into `dx`.
///
/// With `g = dy * w` and `r = 1 / rms(x)`: `dx = r * (g - x * r^2 * mean(g * x))`.
pub(crate) fn backward(dx: &mut [f32], dy: &[f32], x: &[f32], w: &[f32], inverse_rms: &[f32]) {
    let width = w.len();
    vectorized(
        #[inline(always)]
        || {
            for (((dx, dy), x), &r) in dx
                .chunks_exact_mut(width)
                .zip(dy.chunks_exact(width))
                .zip(x.chunks_exact(width))
                .zip(inverse_rms)
            {
                let mean = sum(width, |i| dy[i] * w[i] * x[i]) / width as f32;
                let pull = r * r * r * mean;
                for (((dx, &dy), &x), &w) in dx.iter_mut().zip(dy).zip(x).zip(w) {
                    *dx += r * dy * w - x * pull;
                }
            }
        },
    );
}

/// Gradient with respect to `w`, summed over the rows.
pub(crate) fn weight_gradient(
    dy: &[f32],
    x: &[f32],
    inverse_rms: &[f32],
    width: usize,
) -> Vec<f32> {
    let mut dw = vec![0.0; width];
    vectorized(
        #[inline(always)]
        || {
            for ((dy, x), &r) in dy
                .chunks_exact(width)
                .zip(x.chunks_exact(width))
                .zip(inverse_rms)
            {
                for ((dw, &dy), &x) in dw.iter_mut().zip(dy).zip(x) {
                    *dw += dy * x * r;
                }
            }
        },
    );
    dw
}

/// Sum of squares of each row of width `width`.
pub(crate) fn row_squares(x: &[f32], width: usize) -> Vec<f32> {
    vectorized(
        #[inline(always)]
        || x.chunks_exact(width).map(|row| dot(row, row)).collect(),
    )
}
