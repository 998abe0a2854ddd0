//! The factor on the loss in half precision, so that small gradients are no noughts in f16.
//!
//! Rules: it moves as that of `torch.amp.GradScaler` does (torch/amp/grad_scaler.py; the rule itself
//! is `_amp_update_scale_` in aten/src/ATen/native/cuda/AmpKernels.cu): half after a gradient that
//! is not finite, double after so many finite ones in a row. Whether a gradient is finite is asked
//! of the sum over all ranks, so that all of them move alike without a word. Every factor is a
//! power of two: where nothing overflows or underflows, scaling changes no bit. Absent on purpose:
//! settings, which nobody tunes, and one scale for each parameter.

use serde::{Deserialize, Serialize};

/// Torch's first scale.
const FIRST: f32 = 65_536.0;
/// Finite gradients in a row until the scale is doubled; torch's.
const GROWTH_INTERVAL: u32 = 2_000;
/// A gradient that is not finite at this scale has not overflowed, it is broken. Torch would go on
/// for ever.
const LEAST: f32 = 1.0;

/// The scale in force, and how long it has been good.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LossScale {
    factor: f32,
    good_steps: u32,
}

impl Default for LossScale {
    fn default() -> Self {
        Self {
            factor: FIRST,
            good_steps: 0,
        }
    }
}

impl LossScale {
    /// What the loss is multiplied with.
    pub fn factor(self) -> f32 {
        self.factor
    }

    /// A scale that begins elsewhere.
    #[cfg(test)]
    pub(crate) fn starting_at(factor: f32) -> Self {
        Self {
            factor,
            ..Self::default()
        }
    }

    /// Whether a smaller scale may help against a gradient that is not finite.
    pub fn may_fall(self) -> bool {
        self.factor > LEAST
    }

    /// Takes the factor out of a gradient.
    pub fn unscale(self, gradient: &mut [f32]) {
        let inverse = 1.0 / self.factor;
        gradient.iter_mut().for_each(|g| *g *= inverse);
    }

    /// The scale of the next step, after one whose gradient was finite or not.
    #[must_use]
    pub fn after(self, is_finite: bool) -> Self {
        self.after_of(is_finite, GROWTH_INTERVAL)
    }

    fn after_of(self, is_finite: bool, growth_interval: u32) -> Self {
        let Self { factor, good_steps } = self;
        let (factor, good_steps) = match (is_finite, good_steps + 1) {
            (false, _) => (factor * 0.5, 0),
            (true, good) if good < growth_interval => (factor, good),
            // Past the largest number the scale stays where it is.
            (true, _) if (factor * 2.0).is_infinite() => (factor, 0),
            (true, _) => (factor * 2.0, 0),
        };
        Self { factor, good_steps }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_scale_moves_as_torchs() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/grad_scaler.json");
        let text = std::fs::read_to_string(path).expect("fixture");
        let fixture: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let cases = fixture["cases"].as_array().expect("cases");
        assert!(cases.len() >= 4);
        for case in cases {
            let number = |key: &str| case[key].as_f64().expect("a number");
            let interval = number("growth_interval") as u32;
            let mut scale = LossScale::starting_at(number("init_scale") as f32);
            let finite = case["finite"].as_array().expect("steps");
            let wanted = case["scale_after"].as_array().expect("scales");
            let tracker = case["growth_tracker_after"].as_array().expect("counts");
            assert!(!finite.is_empty() && finite.len() == wanted.len());
            for (step, is_finite) in finite.iter().enumerate() {
                scale = scale.after_of(is_finite.as_i64() == Some(1), interval);
                let found = f64::from(scale.factor);
                assert_eq!(Some(found), wanted[step].as_f64(), "step {step}");
                let good = u64::from(scale.good_steps);
                assert_eq!(Some(good), tracker[step].as_u64(), "step {step}");
            }
        }
        let default = &fixture["defaults"];
        assert_eq!(default["init_scale"].as_f64(), Some(FIRST.into()));
        let interval = default["growth_interval"].as_u64();
        assert_eq!(interval, Some(GROWTH_INTERVAL.into()));
    }
}
