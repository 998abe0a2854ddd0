//! Initial values of the trained parameters.
//!
//! A is uniform in `±1 / sqrt(in)`, as PEFT's default (Kaiming with `a = sqrt 5`); B is nought, so
//! training starts from the base model exactly. Every element is a function of (seed, module name,
//! index), whatever else is trained beside it.

use super::layout::{Kind, Layout, Parameter};
use crate::kernel::dropout::mix;

/// Seeded A, zero B. Magnitudes and modules trained in full are left nought, for the caller to
/// fill from the base.
pub(crate) fn seeded(layout: &Layout, seed: u64) -> Vec<f32> {
    let mut masters = vec![0.0; layout.len];
    for parameter in layout.parameters.iter().filter(|p| p.kind == Kind::A) {
        fill(&mut masters[parameter.range()], parameter, seed);
    }
    masters
}

fn fill(values: &mut [f32], parameter: &Parameter, seed: u64) {
    let name = parameter
        .name
        .bytes()
        .fold(mix(seed), |key, byte| mix(key ^ u64::from(byte)));
    let bound = 1.0 / (parameter.shape.1 as f64).sqrt();
    for (i, value) in values.iter_mut().enumerate() {
        let unit = (mix(name ^ i as u64) >> 11) as f64 / (1_u64 << 53) as f64;
        *value = ((2.0 * unit - 1.0) * bound) as f32;
    }
}
