//! Rotary position embedding, in the half-split layout of HF models.

use super::simd::vectorized;
use schliff_weights::config::{Rope, RopeScaling};

/// Cosines and sines by position: two `[positions, head_dim / 2]` tables.
pub(crate) struct RopeTable {
    cos: Vec<f32>,
    sin: Vec<f32>,
    half: usize,
}

impl RopeTable {
    /// Tables for positions `0..positions`.
    ///
    /// Frequencies are computed in `f32` as transformers does, so that long positions round alike.
    pub(crate) fn new(rope: &Rope, head_dim: usize, positions: usize) -> Self {
        let half = head_dim / 2;
        let frequencies: Vec<f32> = (0..half)
            .map(|i| {
                let exponent = (2 * i) as f32 / head_dim as f32;
                stretch(1.0 / (rope.theta as f32).powf(exponent), &rope.scaling)
            })
            .collect();
        let angles = (0..positions).flat_map(|p| frequencies.iter().map(move |f| p as f32 * f));
        let (cos, sin) = angles.map(|angle| (angle.cos(), angle.sin())).unzip();
        Self { cos, sin, half }
    }

    /// Cosines, sines, and their number a position.
    pub(crate) fn into_parts(self) -> (Vec<f32>, Vec<f32>, usize) {
        (self.cos, self.sin, self.half)
    }

    fn row(&self, position: usize) -> (&[f32], &[f32]) {
        let range = position * self.half..(position + 1) * self.half;
        (&self.cos[range.clone()], &self.sin[range])
    }
}

/// Llama 3's interpolation by wavelength, as in transformers' `_compute_llama3_parameters`.
fn stretch(frequency: f32, scaling: &RopeScaling) -> f32 {
    match *scaling {
        RopeScaling::None => frequency,
        RopeScaling::Linear { factor } => frequency / factor as f32,
        RopeScaling::Llama3 {
            factor,
            low_freq_factor,
            high_freq_factor,
            original_max_positions,
        } => {
            let original = original_max_positions as f32;
            let (low, high) = (low_freq_factor as f32, high_freq_factor as f32);
            let wavelength = 2.0 * std::f32::consts::PI / frequency;
            if wavelength < original / high {
                frequency
            } else if wavelength > original / low {
                frequency / factor as f32
            } else {
                let smooth = (original / wavelength - low) / (high - low);
                (1.0 - smooth) * frequency / factor as f32 + smooth * frequency
            }
        }
    }
}

/// Which way [`rotate`] turns.
#[derive(Clone, Copy)]
pub(crate) enum Turn {
    /// The forward pass.
    Forward,
    /// Its inverse, which is also its backward pass.
    Back,
}

impl Turn {
    /// The sign of the sines.
    pub(crate) fn sign(self) -> f32 {
        match self {
            Self::Forward => 1.0,
            Self::Back => -1.0,
        }
    }
}

/// Rotates the first `heads` heads of each row in place; rows are `stride` apart.
pub(crate) fn rotate(
    x: &mut [f32],
    stride: usize,
    heads: usize,
    (table, positions): (&RopeTable, &[usize]),
    turn: Turn,
) {
    let sign = turn.sign();
    vectorized(
        #[inline(always)]
        || {
            for (row, &position) in x.chunks_exact_mut(stride).zip(positions) {
                let (cos, sin) = table.row(position);
                for head in row.chunks_exact_mut(2 * table.half).take(heads) {
                    let (low, high) = head.split_at_mut(table.half);
                    for (((a, b), &c), &s) in low.iter_mut().zip(high).zip(cos).zip(sin) {
                        let (x, y) = (*a, *b);
                        *a = x * c - sign * y * s;
                        *b = y * c + sign * x * s;
                    }
                }
            }
        },
    );
}
