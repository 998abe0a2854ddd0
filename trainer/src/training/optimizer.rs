//! AdamW as torch computes it, over the flat buffer, and the global-norm clip.

use std::ops::Range;

/// AdamW's settings (Loshchilov and Hutter 2019; names and defaults as in `torch.optim.AdamW`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// First-moment decay.
    pub beta1: f64,
    /// Second-moment decay.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
}

/// Both moments, laid out as the parameters are, and the number of updates made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments {
    /// Running mean of gradients.
    pub first: Vec<f32>,
    /// Running mean of their squares.
    pub second: Vec<f32>,
    /// Updates made.
    pub updates: u64,
}

impl Moments {
    /// Moments of `len` parameters before the first update.
    pub fn zeros(len: usize) -> Self {
        Self {
            first: vec![0.0; len],
            second: vec![0.0; len],
            updates: 0,
        }
    }
}

impl AdamW {
    /// One update of `masters` by `gradients`; each range has its own learning rate.
    ///
    /// Scalars are `f64` and elements `f32`, as in torch's single-tensor form.
    pub fn update(
        &self,
        masters: &mut [f32],
        gradients: &[f32],
        moments: &mut Moments,
        rates: &[(Range<usize>, f64)],
    ) {
        moments.updates += 1;
        let updates = moments.updates as f64;
        let correction1 = 1.0 - self.beta1.powf(updates);
        let correction2_root = (1.0 - self.beta2.powf(updates)).sqrt();
        for (range, lr) in rates {
            let step = Step {
                keep: (1.0 - lr * self.weight_decay) as f32,
                pull: (1.0 - self.beta1) as f32,
                decay2: self.beta2 as f32,
                gain2: (1.0 - self.beta2) as f32,
                root: correction2_root as f32,
                eps: self.eps as f32,
                size: (lr / correction1) as f32,
            };
            step.apply(
                &mut masters[range.clone()],
                &gradients[range.clone()],
                &mut moments.first[range.clone()],
                &mut moments.second[range.clone()],
            );
        }
    }
}

/// The scalars of one update, rounded once.
struct Step {
    keep: f32,
    pull: f32,
    decay2: f32,
    gain2: f32,
    root: f32,
    eps: f32,
    size: f32,
}

impl Step {
    fn apply(&self, masters: &mut [f32], gradients: &[f32], first: &mut [f32], second: &mut [f32]) {
        let elements = masters.iter_mut().zip(gradients).zip(first).zip(second);
        for (((p, &g), m), v) in elements {
            *p *= self.keep;
            *m += self.pull * (g - *m);
            *v = *v * self.decay2 + self.gain2 * g * g;
            *p -= self.size * *m / (v.sqrt() / self.root + self.eps);
        }
    }
}

/// Euclidean norm of all gradients together, summed in `f64`.
pub fn global_norm(gradients: &[f32]) -> f64 {
    gradients
        .iter()
        .map(|&g| f64::from(g) * f64::from(g))
        .sum::<f64>()
        .sqrt()
}

/// Scales gradients down to `limit` where their norm is above it, as `clip_grad_norm_` does.
pub fn clip(gradients: &mut [f32], norm: f64, limit: f64) {
    let factor = limit / (norm + 1e-6);
    if factor < 1.0 {
        gradients.iter_mut().for_each(|g| *g *= factor as f32);
    }
}
