//! The number format in which values enter a product: 32 bits, or rounded to one of the halves.
//!
//! Rules: to nearest, ties to even, as torch casts; a rounded value stays in an `f32`, so that
//! sums of products keep 32 bits. Absent on purpose: rounding of results.

use half::slice::HalfFloatSliceExt;

use super::simd::vectorized;

/// Number format of operands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Rounding {
    /// As they are.
    #[default]
    None,
    /// bfloat16.
    Bf16,
    /// IEEE half.
    F16,
}

impl Rounding {
    /// Rounds every value.
    pub(crate) fn apply(self, values: &mut [f32]) {
        match self {
            Self::None => {}
            Self::Bf16 => vectorized(
                #[inline(always)]
                || values.iter_mut().for_each(|value| *value = bf16(*value)),
            ),
            Self::F16 => f16(values),
        }
    }
}

/// The nearest bfloat16; NaN stays NaN.
#[inline(always)]
fn bf16(value: f32) -> f32 {
    let bits = value.to_bits();
    let nearest = bits.wrapping_add(0x7FFF + (bits >> 16 & 1)) & 0xFFFF_0000;
    // Adding could carry a NaN's mantissa into infinity or nought.
    if value.is_nan() {
        value
    } else {
        f32::from_bits(nearest)
    }
}

fn f16(values: &mut [f32]) {
    const AT_ONCE: usize = 256;
    let mut halves = [half::f16::ZERO; AT_ONCE];
    for values in values.chunks_mut(AT_ONCE) {
        let halves = &mut halves[..values.len()];
        halves.convert_from_f32_slice(values);
        halves.convert_to_f32_slice(values);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rounding_is_that_of_the_half_crate(bits in proptest::collection::vec(any::<u32>(), 1..600)) {
            let values: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
            let (mut bf16, mut f16) = (values.clone(), values.clone());
            Rounding::Bf16.apply(&mut bf16);
            Rounding::F16.apply(&mut f16);
            for ((value, bf16), f16) in values.iter().zip(bf16).zip(f16) {
                let wanted = half::bf16::from_f32(*value).to_f32();
                prop_assert!(bf16 == wanted || (bf16.is_nan() && wanted.is_nan()));
                let wanted = half::f16::from_f32(*value).to_f32();
                prop_assert!(f16 == wanted || (f16.is_nan() && wanted.is_nan()));
            }
        }
    }

    #[test]
    fn ties_go_to_the_even_neighbour() {
        let halfway = [0x3F80_8000, 0x3F81_8000].map(f32::from_bits);
        let mut values = [halfway[0], halfway[1], 65_520.0];
        Rounding::Bf16.apply(&mut values[..2]);
        Rounding::F16.apply(&mut values[2..]);
        assert_eq!(values, [1.0, 1.015_625, f32::INFINITY]);
    }
}
