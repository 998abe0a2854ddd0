//! The `[training]` section and what cannot be combined in it.

use crate::job::{BatchSize, Duration, Schedule, Training, Warmup};
use crate::problem::Fault;
use crate::reader::Reader;

/// Tokens of a step and of a micro-batch when nothing is said.
const BATCH_TOKENS: usize = 8192;
const MICRO_BATCH_TOKENS: usize = 2048;

const EPOCHS: &str = "training.epochs";
const STEPS: &str = "training.steps";
const TOKENS: &str = "training.batch_tokens";
const MICRO_TOKENS: &str = "training.micro_batch_tokens";
const SAMPLES: &str = "training.batch_samples";
const MICRO_SAMPLES: &str = "training.micro_batch_samples";
const WARMUP: &str = "training.warmup";
const WARMUP_STEPS: &str = "training.warmup_steps";

impl Reader<'_> {
    pub(super) fn training(&mut self) -> Option<Training> {
        let duration = self.duration();
        let batch = self.batch();
        let schedule = self.choice("training.schedule");
        let warmup = self.warmup(duration);
        if let Some(schedule) = schedule {
            self.check_schedule(schedule, warmup);
        }
        let clip_norm = self.number("training.clip_norm")?;
        Some(Training {
            duration: duration?,
            batch: batch?,
            lr: self.number("training.lr")?,
            schedule: schedule?,
            warmup: warmup?,
            min_lr_ratio: self.number("training.min_lr_ratio")?,
            decay_share: self.number("training.decay_share")?,
            weight_decay: self.number("training.weight_decay")?,
            beta1: self.number("training.beta1")?,
            beta2: self.number("training.beta2")?,
            eps: self.number("training.eps")?,
            clip_norm: Some(clip_norm).filter(|&norm| norm > 0.0),
            seed: self.whole_u64("training.seed")?,
            precision: self.choice("training.precision")?,
            activation_checkpointing: self.flag("training.activation_checkpointing")?,
        })
    }

    fn duration(&mut self) -> Option<Duration> {
        match (self.number(EPOCHS), self.whole(STEPS)) {
            (Some(_), Some(_)) => {
                self.exclude(STEPS, EPOCHS);
                None
            }
            (None, Some(steps)) => Some(Duration::Steps(steps)),
            (epochs, None) => Some(Duration::Epochs(epochs.unwrap_or(1.0))),
        }
    }

    fn batch(&mut self) -> Option<BatchSize> {
        let by_tokens = [TOKENS, MICRO_TOKENS]
            .into_iter()
            .find(|path| self.is_given(path));
        let by_samples = [SAMPLES, MICRO_SAMPLES]
            .into_iter()
            .find(|path| self.is_given(path));
        match (by_tokens, by_samples) {
            (Some(tokens), Some(samples)) => {
                self.exclude(samples, tokens);
                None
            }
            (None, Some(_)) => self.sample_batch(),
            (_, None) => self.token_batch(),
        }
    }

    fn sample_batch(&mut self) -> Option<BatchSize> {
        let micro_batch = self.whole(MICRO_SAMPLES);
        let Some(batch) = self.whole(SAMPLES) else {
            if !self.settings.was_written(SAMPLES) {
                let fault = Fault::new("needs batch_samples, the samples of a whole step");
                self.refuse(MICRO_SAMPLES, fault);
            }
            return None;
        };
        let micro_batch = micro_batch.unwrap_or(batch);
        if !batch.is_multiple_of(micro_batch) {
            let message = format!("{micro_batch} does not divide batch_samples = {batch}");
            let fault = Fault::new(message).expected(format!("a divisor of {batch}"));
            self.refuse(MICRO_SAMPLES, fault);
            return None;
        }
        Some(BatchSize::Samples { batch, micro_batch })
    }

    /// A micro-batch must hold the longest sample, since samples are never torn apart.
    fn token_batch(&mut self) -> Option<BatchSize> {
        let max_tokens = self.whole("data.max_tokens")?;
        let given = self.whole(TOKENS);
        let preset = given.unwrap_or(MICRO_BATCH_TOKENS.max(max_tokens));
        let micro_batch = self.whole(MICRO_TOKENS).unwrap_or(preset);
        let batch = given.unwrap_or(BATCH_TOKENS.max(micro_batch));
        let blamed = if self.is_given(MICRO_TOKENS) {
            MICRO_TOKENS
        } else {
            TOKENS
        };
        if micro_batch > batch {
            let message = format!("{micro_batch} is more than batch_tokens = {batch}");
            self.refuse(blamed, Fault::new(message));
        }
        if micro_batch < max_tokens {
            let message =
                format!("{micro_batch} cannot hold a sample of data.max_tokens = {max_tokens}");
            let fault = Fault::new(message).expected(format!("{max_tokens} or more"));
            self.refuse(blamed, fault.hint("or lower data.max_tokens"));
        }
        Some(BatchSize::Tokens { batch, micro_batch })
    }

    fn warmup(&mut self, duration: Option<Duration>) -> Option<Warmup> {
        let steps = match (self.number(WARMUP), self.whole(WARMUP_STEPS)) {
            (Some(_), Some(_)) => {
                self.exclude(WARMUP_STEPS, WARMUP);
                return None;
            }
            (share, None) => return Some(Warmup::Share(share.unwrap_or(0.03))),
            (None, Some(steps)) => steps,
        };
        if let Some(Duration::Steps(all)) = duration.filter(|_| steps > 0)
            && steps >= all
        {
            let message = format!("the job ends after {all} steps, before the warm-up does");
            self.warn(WARMUP_STEPS, Fault::new(message));
        }
        Some(Warmup::Steps(steps))
    }

    fn check_schedule(&mut self, schedule: Schedule, warmup: Option<Warmup>) {
        let has_floor = matches!(schedule, Schedule::CosineMinLr | Schedule::Wsd);
        let has_decay = schedule == Schedule::Wsd;
        for (path, has_effect) in [
            ("training.min_lr_ratio", has_floor),
            ("training.decay_share", has_decay),
        ] {
            if self.is_given(path) && !has_effect {
                let message = "has no effect with this schedule";
                self.warn(path, Fault::new(message));
            }
        }
        let decay = self.number("training.decay_share").filter(|_| has_decay);
        if let (Some(Warmup::Share(warmup)), Some(decay)) = (warmup, decay)
            && warmup + decay > 1.0
        {
            let message = format!("warm-up {warmup} and decay {decay} are more than the whole");
            self.refuse("training.decay_share", Fault::new(message));
        }
    }

    pub(super) fn exclude(&mut self, path: &str, rival: &str) {
        let rival = rival.rsplit('.').next().unwrap_or(rival);
        let fault = Fault::new(format!("cannot be set together with {rival}"));
        self.refuse(path, fault.hint("keep one of the two"));
    }
}
