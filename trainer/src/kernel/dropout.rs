//! Dropout whose mask is a function of its key, so that it needs no state and can be replayed.

use super::simd::vectorized;

/// Scrambles a 64-bit word (SplitMix64, Steele, Lea and Flood 2014).
#[inline(always)]
pub(crate) fn mix(word: u64) -> u64 {
    let mut z = word.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// `y = x * keep / (1 - p)` with a mask drawn from one key a row; `x` has `keys.len()` rows.
///
/// Element `i` of a row is kept where the scrambled `(key, i)` falls below `1 - p`. The backward
/// pass is the same call on the gradient.
pub(crate) fn apply(y: &mut [f32], x: &[f32], keys: &[u64], p: f64) {
    if keys.is_empty() {
        return;
    }
    let width = x.len() / keys.len();
    let threshold = ((1.0 - p) * 4_294_967_296.0) as u64;
    let factor = (1.0 / (1.0 - p)) as f32;
    vectorized(
        #[inline(always)]
        || {
            for ((y, x), &key) in y
                .chunks_exact_mut(width)
                .zip(x.chunks_exact(width))
                .zip(keys)
            {
                for (i, (y, &x)) in y.iter_mut().zip(x).enumerate() {
                    let draw = mix(key ^ (i as u64).wrapping_mul(0xD6E8_FEB8_6659_FD93)) >> 32;
                    *y = if draw < threshold { x * factor } else { 0.0 };
                }
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_stated_share_and_the_mean() {
        let x = vec![1.0; 64 * 1000];
        let keys: Vec<u64> = (0..64).map(mix).collect();
        let mut y = vec![0.0; x.len()];
        apply(&mut y, &x, &keys, 0.25);
        let kept = y.iter().filter(|&&v| v > 0.0).count() as f64 / y.len() as f64;
        let mean = y.iter().map(|&v| f64::from(v)).sum::<f64>() / y.len() as f64;
        assert!((kept - 0.75).abs() < 0.01, "kept {kept}");
        assert!((mean - 1.0).abs() < 0.01, "mean {mean}");
    }
}
