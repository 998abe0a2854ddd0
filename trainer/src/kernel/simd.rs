//! Vector code without intrinsics: closures compiled once for each instruction set, and the
//! transcendental functions that the standard library only has one element at a time.

use pulp::Arch;

/// Lanes of an accumulator that the compiler turns into whole vector registers.
const LANES: usize = 16;

/// Runs `body` compiled for the widest vectors of this machine.
///
/// Everything that `body` calls must be `#[inline(always)]`, or it stays scalar.
pub(crate) fn vectorized<R>(body: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(body)
}

/// Name of the instruction set that [`vectorized`] picks here.
pub(crate) fn instruction_set() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            return "avx512";
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return "avx2";
        }
    }
    "baseline"
}

/// `e^x` to about 2 ulp, branch-free. Saturates outside the range of normal numbers.
///
/// Range reduction by ln 2 and the degree-6 polynomial of Cephes' `expf`.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low mantissa bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-0.693_359_4, x);
    let r = n.mul_add(2.121_944_4e-4, r);
    let mut p = 1.987_569_1e-4_f32;
    p = p.mul_add(r, 1.398_2e-3);
    p = p.mul_add(r, 8.333_452e-3);
    p = p.mul_add(r, 4.166_579_6e-2);
    p = p.mul_add(r, 1.666_666_5e-1);
    p = p.mul_add(r, 0.5);
    let y = (p * r).mul_add(r, r) + 1.0;
    let exponent = shifted
        .to_bits()
        .wrapping_sub(ROUND.to_bits())
        .wrapping_add(127);
    y * f32::from_bits(exponent << 23)
}

/// `tanh x` by way of [`exp`].
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (exp(2.0 * x) + 1.0)
}

/// Logistic function by way of [`exp`].
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Sum of `term(i)` for `i` in `0..n`, in a fixed order of sixteen interleaved partial sums.
#[inline(always)]
pub(crate) fn sum(n: usize, term: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let whole = n - n % LANES;
    let mut i = 0;
    while i < whole {
        for (lane, acc) in lanes.iter_mut().enumerate() {
            *acc += term(i + lane);
        }
        i += LANES;
    }
    let mut total = 0.0;
    while i < n {
        total += term(i);
        i += 1;
    }
    for acc in lanes {
        total += acc;
    }
    total
}

/// Dot product of two slices of one length.
#[inline(always)]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let n = a.len().min(b.len());
    let (a, b) = (&a[..n], &b[..n]);
    sum(n, |i| a[i] * b[i])
}

/// Largest element; negative infinity for an empty slice.
#[inline(always)]
pub(crate) fn max(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let mut chunks = values.chunks_exact(LANES);
    for chunk in &mut chunks {
        for (acc, &value) in lanes.iter_mut().zip(chunk) {
            *acc = acc.max(value);
        }
    }
    let tail = chunks
        .remainder()
        .iter()
        .copied()
        .fold(f32::NEG_INFINITY, f32::max);
    lanes.into_iter().fold(tail, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transcendentals_agree_with_f64() {
        for i in -8000..8000 {
            let x = i as f32 * 0.01;
            let wide = f64::from(x);
            let relative = (f64::from(exp(x)) - wide.exp()).abs() / wide.exp();
            assert!(relative < 4e-7, "exp({x}) off by {relative}");
            assert!((f64::from(tanh(x)) - wide.tanh()).abs() < 3e-7, "tanh({x})");
            let logistic = 1.0 / (1.0 + (-wide).exp());
            assert!(
                (f64::from(sigmoid(x)) - logistic).abs() < 2e-7,
                "sigmoid({x})"
            );
        }
    }

    #[test]
    fn reductions_cover_every_length() {
        for n in 0..70 {
            let values: Vec<f32> = (0..n).map(|i| (i as f32 * 0.37).sin()).collect();
            let expected: f64 = values.iter().map(|&v| f64::from(v)).sum();
            let found = f64::from(vectorized(
                #[inline(always)]
                || sum(n, |i| values[i]),
            ));
            assert!((found - expected).abs() < 1e-5);
            let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(
                vectorized(
                    #[inline(always)]
                    || max(&values)
                ),
                largest
            );
        }
    }
}
