//! The learning rate of each optimizer step, as HF's `get_scheduler` has it.
//!
//! Steps count from 0 here: with warm-up the first rate is nought, as in HF.

use schliff_spec::job::{Schedule, Training, Warmup};

/// A schedule with its lengths resolved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearningRate {
    /// Shape.
    pub schedule: Schedule,
    /// Peak.
    pub peak: f64,
    /// Steps of warm-up.
    pub warmup_steps: usize,
    /// Steps in all.
    pub steps: usize,
    /// Floor as a share of the peak.
    pub min_ratio: f64,
    /// Steps of `wsd`'s decay.
    pub decay_steps: usize,
}

impl LearningRate {
    /// Resolves a job's schedule over `steps` steps.
    pub fn new(training: &Training, steps: usize) -> Self {
        let warmup_steps = match training.warmup {
            Warmup::Steps(steps) => steps,
            Warmup::Share(share) => (share * steps as f64).ceil() as usize,
        };
        Self {
            schedule: training.schedule,
            peak: training.lr,
            warmup_steps,
            steps,
            min_ratio: training.min_lr_ratio,
            decay_steps: (training.decay_share * steps as f64).ceil() as usize,
        }
    }

    /// The rate of step `step`, from 0.
    pub fn at(&self, step: usize) -> f64 {
        self.peak * self.factor(step)
    }

    fn factor(&self, step: usize) -> f64 {
        let (at, warmup) = (step as f64, self.warmup_steps as f64);
        if step < self.warmup_steps {
            let risen = at / warmup.max(1.0);
            // HF's wsd warms up from its floor, every other shape from nought.
            return match self.schedule {
                Schedule::Wsd => risen * (1.0 - self.min_ratio) + self.min_ratio,
                _ => risen,
            };
        }
        let rest = (self.steps.saturating_sub(self.warmup_steps)).max(1) as f64;
        let progress = ((at - warmup) / rest).min(1.0);
        let half_cosine = |progress: f64| 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
        match self.schedule {
            Schedule::Constant => 1.0,
            Schedule::Linear => (1.0 - progress).max(0.0),
            Schedule::Cosine => half_cosine(progress).max(0.0),
            Schedule::CosineMinLr => {
                (half_cosine(progress) * (1.0 - self.min_ratio) + self.min_ratio).max(0.0)
            }
            Schedule::Wsd => {
                let stable_end = self.steps.saturating_sub(self.decay_steps);
                if step < stable_end {
                    return 1.0;
                }
                let decay = (at - stable_end as f64) / (self.decay_steps.max(1) as f64);
                half_cosine(decay.min(1.0)) * (1.0 - self.min_ratio) + self.min_ratio
            }
            Schedule::InverseSqrt => {
                // HF's default time scale: the warm-up's length, or 10,000 steps without one.
                let scale = if self.warmup_steps == 0 {
                    10_000.0
                } else {
                    warmup
                };
                1.0 / ((at + scale - warmup) / scale).sqrt()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_agrees_with_hf_get_scheduler() {
        let fixture: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/fixtures/schedules.json"))
                .expect("json");
        let cases = fixture["cases"].as_array().expect("cases");
        let mut compared = 0;
        for case in cases
            .iter()
            .filter(|case| case["settings"]["decay_type"] != "linear")
        {
            let settings = &case["settings"];
            let ratio = |name: &str| settings[name].as_f64();
            let steps = case["total_steps"].as_u64().expect("steps") as usize;
            let rate = LearningRate {
                schedule: serde_json::from_value(case["schedule"].clone()).expect("schedule"),
                peak: 1.0,
                warmup_steps: case["warmup_steps"].as_u64().expect("warm-up") as usize,
                steps,
                min_ratio: ratio("min_lr_rate")
                    .or(ratio("min_lr_ratio"))
                    .unwrap_or(0.0),
                decay_steps: settings["num_decay_steps"].as_u64().unwrap_or(0) as usize,
            };
            let expected = case["factor"].as_array().expect("factors");
            for (step, expected) in expected.iter().enumerate() {
                let (found, expected) = (rate.at(step), expected.as_f64().expect("factor"));
                assert!(
                    (found - expected).abs() < 1e-12,
                    "{case} at {step}: {found}"
                );
                compared += 1;
            }
        }
        assert!(compared > 300, "only {compared} rates compared");
    }
}
