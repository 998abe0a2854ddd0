//! `rope_freqs.weight`: per-frequency divisors, from which Llama 3's four numbers are found again.
//!
//! llama.cpp's converter writes the divisors that follow from `rope_scaling` and throws the
//! settings away. All published Llama 3 models use low 1, high 4 and 8192 original positions,
//! and the factor is the largest divisor; the divisors are computed again from that guess, and
//! anything that does not agree is refused rather than approximated.

use std::f64::consts::TAU;

const LOW: f64 = 1.0;
const HIGH: f64 = 4.0;
/// Context of Llama 3 before stretching, in positions.
pub(super) const ORIGINAL_POSITIONS: u32 = 8192;
/// The converter computes in f32.
const TOLERANCE: f64 = 1e-5;

/// Llama 3's settings that give exactly these divisors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Llama3Settings {
    pub(super) factor: f64,
    pub(super) low_freq_factor: f64,
    pub(super) high_freq_factor: f64,
    pub(super) original_positions: u32,
}

/// `None` when the divisors are not Llama 3's.
pub(super) fn recover(divisors: &[f32], theta: f64) -> Option<Llama3Settings> {
    let factor = divisors.iter().copied().fold(f32::NAN, f32::max);
    let settings = Llama3Settings {
        factor: f64::from(factor),
        low_freq_factor: LOW,
        high_freq_factor: HIGH,
        original_positions: ORIGINAL_POSITIONS,
    };
    let agrees = divisors.iter().enumerate().all(|(i, found)| {
        let exponent = 2.0 * i as f64 / (2.0 * divisors.len() as f64);
        let expected = divisor(&settings, TAU * theta.powf(exponent));
        (f64::from(*found) - expected).abs() <= TOLERANCE * expected
    });
    (agrees && factor >= 1.0).then_some(settings)
}

/// What the frequency of a wavelength (in positions) is divided by.
fn divisor(settings: &Llama3Settings, wavelength: f64) -> f64 {
    let original = f64::from(settings.original_positions);
    if wavelength < original / settings.high_freq_factor {
        return 1.0;
    }
    if wavelength > original / settings.low_freq_factor {
        return settings.factor;
    }
    let smooth = (original / wavelength - settings.low_freq_factor)
        / (settings.high_freq_factor - settings.low_freq_factor);
    1.0 / ((1.0 - smooth) / settings.factor + smooth)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Llama 3.2 1B (theta 500000, head 64), by transformers' `_compute_llama3_parameters`.
    #[test]
    fn llama_3_2_is_recovered() {
        let json = include_str!("../../tests/fixtures/llama32_divisors.json");
        let divisors: Vec<f32> = serde_json::from_str(json).unwrap();
        let between = divisors
            .iter()
            .filter(|divisor| (1.01..31.9).contains(*divisor))
            .count();
        assert!(between > 2, "the smooth part is not covered");
        let expected = Llama3Settings {
            factor: 32.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_positions: 8192,
        };
        assert_eq!(recover(&divisors, 500_000.0), Some(expected));
        assert_eq!(recover(&divisors, 10_000.0), None);
    }

    #[test]
    fn other_divisors_are_not_taken_for_llama_3() {
        assert_eq!(recover(&[1.0, 2.0, 3.0, 4.0], 10_000.0), None);
        assert_eq!(recover(&[f32::NAN; 4], 10_000.0), None);
        assert_eq!(recover(&[], 10_000.0), None);
        assert_eq!(recover(&[0.0, -1.0], 10_000.0), None);
    }
}
