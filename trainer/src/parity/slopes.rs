//! Gradients against finite differences, where no reference has the same dropout mask.

use schliff_collective::NOTHING;
use schliff_data::sample::Sample;
use schliff_weights::BaseWeights;
use schliff_weights::adapter::AdapterConfig;

use super::{fixture, sample};
use crate::adapter::layout::Layout;
use crate::adapter::peft::{layout_of, seeded_masters};
use crate::kernel::dropout::mix;
use crate::model::holding::Holding;
use crate::model::load::held_network;
use crate::model::network::Network;
use crate::process::pulse::Pulse;
use crate::tensor::device::Device;
use crate::training::group::LossAndGradient;
use crate::training::leaves::Workers;
use crate::training::step::{State, StepSettings, Stepper};
use crate::training::tree::fold_ranks;

fn samples() -> Vec<Sample> {
    let row = |n: u64| serde_json::json!((0..n).map(|i| mix(n ^ i) % 150).collect::<Vec<_>>());
    [7, 13, 5].map(|n| sample(n, &row(n), &row(n))).to_vec()
}

/// A small job without an optimizer: masters, and the loss and gradient at any point.
pub(super) struct Bowl {
    layout: Layout,
    network: Network,
    workers: Workers,
    pulse: Pulse,
    pub(super) samples: Vec<Sample>,
    pub(super) masters: Vec<f32>,
}

impl Bowl {
    fn new(base: &str, config: &AdapterConfig) -> Self {
        Self::on(&Device::host(), base, config)
    }

    pub(super) fn on(device: &Device, base: &str, config: &AdapterConfig) -> Self {
        Self::held((base, Holding::default()), device, config)
    }

    /// With the base in some other form than 32 bits.
    pub(super) fn held(
        (base, holding): (&str, Holding),
        device: &Device,
        config: &AdapterConfig,
    ) -> Self {
        let base = BaseWeights::open_hf(&fixture(base)).expect("base");
        let layout = layout_of(config, base.config()).expect("layout");
        let mut masters = seeded_masters(&layout, &base, 3).expect("masters");
        // B starts at nought, where half of all gradients vanish.
        fill_b(&layout, &mut masters);
        Self {
            network: held_network(&base, 64, holding, (device, 1)).expect("weights"),
            workers: Workers::new(1).expect("threads"),
            pulse: Pulse::default(),
            samples: samples(),
            layout,
            masters,
        }
    }

    fn loss_and_gradient(&self, masters: Vec<f32>, dropout: f64) -> (f64, Vec<f32>) {
        let stepper = self.stepper(settings(dropout));
        let batch = [self.samples.iter().collect::<Vec<_>>()];
        stepper
            .part(&State::new(masters, None), &batch, 1.0, (0, 1))
            .expect("gradient")
    }

    pub(super) fn stepper(&self, settings: StepSettings) -> Stepper<'_> {
        Stepper {
            network: &self.network,
            layout: &self.layout,
            workers: &self.workers,
            settings,
            pulse: &self.pulse,
        }
    }

    /// The gradient as `world_size` ranks compute and sum it.
    fn gradient_of(&self, samples: &[Sample], world_size: usize) -> Vec<f32> {
        let state = State::new(self.masters.clone(), None);
        self.sum_of((&state, 0.1), samples, (settings(0.1), world_size))
            .1
    }

    /// Loss and gradient of `scale` times it, as `world_size` ranks compute and sum them.
    pub(super) fn sum_of(
        &self,
        (state, scale): (&State, f32),
        samples: &[Sample],
        (settings, world_size): (StepSettings, usize),
    ) -> LossAndGradient {
        let stepper = self.stepper(settings);
        let batches: Vec<Vec<&Sample>> = samples.chunks(5).map(|b| b.iter().collect()).collect();
        let parts = (0..world_size).map(|rank| {
            let part = stepper.part(state, &batches, scale, (rank, world_size));
            part.unwrap_or_else(|| (-0.0, vec![NOTHING; self.layout.len]))
        });
        let sum = fold_ranks(
            parts.collect(),
            |(loss, mut a): LossAndGradient, (other, b)| {
                a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
                (loss + other, a)
            },
        );
        sum.expect("a rank")
    }

    /// Compares the slope along the gradient's own direction with a central difference.
    fn compare_slope(&self, dropout: f64) {
        let (_, gradient) = self.loss_and_gradient(self.masters.clone(), dropout);
        let norm = gradient
            .iter()
            .map(|&g| f64::from(g).powi(2))
            .sum::<f64>()
            .sqrt();
        let step = 2e-3;
        let loss = |sign: f64| {
            let moved = self.masters.iter().zip(&gradient);
            let moved =
                moved.map(|(&m, &g)| (f64::from(m) + sign * step * f64::from(g) / norm) as f32);
            self.loss_and_gradient(moved.collect(), dropout).0
        };
        let slope = (loss(1.0) - loss(-1.0)) / (2.0 * step);
        assert!(
            (slope - norm).abs() / norm < 1e-2,
            "slope {slope} against {norm}"
        );
    }
}

pub(super) fn settings(dropout: f64) -> StepSettings {
    use crate::training::optimizer::AdamW;
    use crate::training::schedule::LearningRate;
    StepSettings {
        optimizer: AdamW {
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
        },
        learning_rate: LearningRate {
            schedule: schliff_spec::job::Schedule::Constant,
            peak: 1e-3,
            warmup_steps: 0,
            steps: 1,
            min_ratio: 0.0,
            decay_steps: 0,
        },
        lr_b_ratio: 1.0,
        clip_norm: None,
        dropout,
        seed: 11,
        checkpointing: false,
    }
}

fn fill_b(layout: &Layout, masters: &mut [f32]) {
    use crate::adapter::layout::Kind;
    for parameter in layout.parameters.iter().filter(|p| p.kind == Kind::B) {
        for (i, value) in masters[parameter.range()].iter_mut().enumerate() {
            *value = (mix(i as u64 ^ parameter.offset as u64) % 1000) as f32 * 1e-4 - 0.05;
        }
    }
}

pub(super) fn config() -> AdapterConfig {
    AdapterConfig {
        r: 4,
        lora_alpha: 8.0,
        ..AdapterConfig::default()
    }
}

#[test]
fn dropout_gradients_are_those_of_the_loss_they_belong_to() {
    Bowl::new("tiny/llama", &config()).compare_slope(0.3);
}

#[test]
fn any_number_of_ranks_gives_the_same_bits() {
    let bowl = Bowl::new("tiny/llama", &config());
    let row = |n: u64| serde_json::json!((0..n).map(|i| mix(n ^ i) % 150).collect::<Vec<_>>());
    for rows in [1, 3, 23] {
        let samples: Vec<Sample> = (0..rows)
            .map(|n| sample(n, &row(20 + 7 * n % 40), &row(20 + 7 * n % 40)))
            .collect();
        let bits = |world_size| {
            let gradient = bowl.gradient_of(&samples, world_size);
            gradient.iter().map(|g| g.to_bits()).collect::<Vec<_>>()
        };
        let one = bits(1);
        for world_size in [2, 4, 8] {
            assert!(one == bits(world_size), "{rows} rows on {world_size} ranks");
        }
    }
}

#[test]
fn dropout_that_drops_nothing_changes_nothing() {
    // DoRA under dropout takes a path of its own; its norm counts as a constant, so that a
    // difference quotient cannot judge it, but the path without dropout can.
    for use_dora in [false, true] {
        let bowl = Bowl::new(
            "tiny/qwen2",
            &AdapterConfig {
                use_dora,
                ..config()
            },
        );
        let (loss, plain) = bowl.loss_and_gradient(bowl.masters.clone(), 0.0);
        let (other, dropped) = bowl.loss_and_gradient(bowl.masters.clone(), 1e-12);
        assert!((loss - other).abs() < 1e-4 * loss, "{loss} against {other}");
        let scale = plain.iter().fold(0.0_f32, |scale, g| scale.max(g.abs()));
        for (a, b) in plain.iter().zip(&dropped) {
            assert!((a - b).abs() < 1e-4 * scale, "{a} against {b}");
        }
    }
}

#[test]
fn trained_embeddings_head_and_norms_get_their_gradients() {
    for saved in ["embed_tokens", "lm_head", "norm"] {
        for base in ["tiny/llama", "tiny/gemma2", "tiny/qwen3"] {
            let modules_to_save = vec![saved.to_owned()];
            Bowl::new(
                base,
                &AdapterConfig {
                    modules_to_save,
                    ..config()
                },
            )
            .compare_slope(0.0);
        }
    }
}
