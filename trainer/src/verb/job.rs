//! What `run`, `check` and `data` share: a job opened up, everything checked before work begins.

use schliff_data::dataset::{self, Dataset, Question, Vocabulary};
use schliff_data::plan::{Plan, Recipe};
use schliff_data::sample::Sample;
use schliff_data::tokenizer::Tokenizer;
use schliff_spec::exit::ExitCode;
use schliff_spec::job::{DataFormat, Job, Precision, Quantization};
use schliff_weights::adapter::AdapterConfig;
use schliff_weights::read_adapter;

use crate::adapter::layout::Layout;
use crate::adapter::peft::{AdapterError, config_of, layout_of, masters_of, seeded_masters};
use crate::base::{Base, Replacements};
use crate::failure::Failure;
use crate::model::holding::Holding;
use crate::model::load::held_network;
use crate::model::network::Network;
use crate::process::report::Reporter;
use crate::tensor::device::Device;
use crate::training::leaves::cut;
use crate::training::loss_scale::LossScale;
use crate::training::optimizer::AdamW;
use crate::training::schedule::LearningRate;
use crate::training::step::{State, StepSettings};

/// A job with its files read and checked.
pub(super) struct OpenJob<'a> {
    pub(super) job: &'a Job,
    pub(super) base: Base,
    pub(super) train: Dataset,
    pub(super) eval: Option<Dataset>,
    pub(super) questions: Vec<Question>,
    pub(super) plan: Plan,
    pub(super) config: AdapterConfig,
    pub(super) layout: Layout,
}

impl<'a> OpenJob<'a> {
    /// Opens and checks everything that a job names.
    pub(super) fn open(job: &'a Job, reporter: &Reporter) -> Result<Self, Failure> {
        let base = open_base(job, reporter)?;
        let config = config_of(&job.adapter).map_err(Failure::usage)?;
        let mut config = config;
        config.base_model_name_or_path = Some(base.weights.path().display().to_string());
        let layout = layout_of(&config, base.weights.config()).map_err(Failure::usage)?;
        reporter.stage("reading the data");
        let train = read_data(job, &base, &job.data.train, reporter)?;
        let eval = match job.data.eval.is_empty() {
            true => None,
            false => Some(read_data(job, &base, &job.data.eval, reporter)?),
        };
        let questions = questions(job, &base)?;
        let recipe = Recipe {
            batch: job.training.batch,
            duration: job.training.duration,
            shuffle: job.data.shuffle,
            packing: job.data.packing,
            seed: job.training.seed,
        };
        let plan = Plan::new(train.lengths(), recipe).map_err(Failure::usage)?;
        Ok(Self {
            job,
            base,
            train,
            eval,
            questions,
            plan,
            config,
            layout,
        })
    }

    /// Masters before the first step.
    fn initial_masters(&self) -> Result<Vec<f32>, Failure> {
        let Some(folder) = &self.job.adapter.init else {
            let seed = self.job.training.seed;
            return seeded_masters(&self.layout, &self.base.weights, seed).map_err(Failure::usage);
        };
        let adapter = read_adapter(folder).map_err(Failure::usage)?;
        let differs = |key: &str, folder: String, job: String| {
            let problem = format!("{key} is {folder} in adapter.init, {job} in the job");
            AdapterError::Misfit {
                module: "adapter".to_owned(),
                problem,
            }
        };
        let (init, own) = (&adapter.config, &self.config);
        if init.use_dora != own.use_dora {
            let error = differs("DoRA", init.use_dora.to_string(), own.use_dora.to_string());
            return Err(Failure::usage(error));
        }
        masters_of(&self.layout, &adapter).map_err(Failure::usage)
    }

    /// The state before the first step.
    pub(super) fn initial_state(&self) -> Result<State, Failure> {
        Ok(State::new(self.initial_masters()?, self.first_loss_scale()))
    }

    /// The loss scale before the first step; half precision alone has one.
    pub(super) fn first_loss_scale(&self) -> Option<LossScale> {
        (self.job.training.precision == Precision::Fp16Mixed).then(LossScale::default)
    }

    /// Samples of a step, micro-batch by micro-batch; the same on every rank.
    pub(super) fn micro_batches(&self, step: usize) -> Vec<Vec<&Sample>> {
        let samples = &self.train.samples;
        let batches = self.plan.step(step).into_iter();
        batches
            .map(|batch| batch.samples.iter().map(|&i| &samples[i]).collect())
            .collect()
    }

    /// Logical micro-batches of a step, of which each rank needs one: the leaves of the sum.
    pub(super) fn micro_batches_a_step(&self) -> usize {
        let leaves = self.micro_batches(0);
        leaves.iter().map(|batch| cut(batch).len()).sum()
    }

    /// Settings of every step.
    pub(super) fn step_settings(&self) -> StepSettings {
        let training = &self.job.training;
        StepSettings {
            optimizer: AdamW {
                beta1: training.beta1,
                beta2: training.beta2,
                eps: training.eps,
                weight_decay: training.weight_decay,
            },
            learning_rate: LearningRate::new(training, self.plan.steps()),
            lr_b_ratio: self.job.adapter.lr_b_ratio,
            clip_norm: training.clip_norm,
            dropout: self.job.adapter.dropout,
            seed: training.seed,
            checkpointing: training.activation_checkpointing,
        }
    }

    /// The base in the form that the job asks for; so many ranks share this machine's memory.
    pub(super) fn network(&self, device: &Device, ranks_here: usize) -> Result<Network, Failure> {
        let holding = Holding::of(self.job);
        if holding.quantization != Quantization::None && !device.is_host() {
            let told = "model.quantization is for the CPU so far";
            return Err(Failure::words(ExitCode::Usage, told)
                .hint("leave it out, or set SCHLIFF_DEVICE=flex"));
        }
        if !device.has(holding.rounding()) {
            let told = format!("this device has no arithmetic for {holding}");
            return Err(Failure::words(ExitCode::Usage, told)
                .hint("set training.precision to fp16-mixed or f32, or set SCHLIFF_DEVICE=flex"));
        }
        let place = (device, ranks_here);
        held_network(&self.base.weights, self.positions(), holding, place).map_err(Failure::usage)
    }

    /// Positions that any part of the job reaches.
    pub(super) fn positions(&self) -> usize {
        let longest = |dataset: &Dataset| dataset.report.lengths.max;
        let eval = self.eval.as_ref().map_or(0, longest);
        let answers = self
            .questions
            .iter()
            .map(|question| question.prompt_ids.len())
            .max();
        let answers = answers.map_or(0, |prompt| prompt + self.job.evaluation.max_new_tokens);
        longest(&self.train).max(eval).max(answers) + 1
    }
}

/// Opens the base model of a job and checks the context's length.
pub(super) fn open_base(job: &Job, reporter: &Reporter) -> Result<Base, Failure> {
    reporter.stage("opening the base model");
    let replacements = Replacements {
        tokenizer: job.model.tokenizer.as_deref(),
        chat_template: job.model.chat_template.as_deref(),
    };
    let base = Base::open(&job.model.base, replacements).map_err(Failure::usage)?;
    let longest = base.weights.config().max_positions;
    if job.data.max_tokens > longest {
        let told = format!(
            "data.max_tokens is {}, but the model's context is {longest} tokens",
            job.data.max_tokens
        );
        return Err(Failure::words(ExitCode::Usage, told)
            .hint(format!("set data.max_tokens to {longest} or less")));
    }
    Ok(base)
}

/// Reads data files; remarks go to the reporter.
pub(super) fn read_data(
    job: &Job,
    base: &Base,
    files: &[std::path::PathBuf],
    reporter: &Reporter,
) -> Result<Dataset, Failure> {
    let words = words_of(base, job.data.format)?;
    let rows = base.weights.config().vocab_size;
    let template = base.template.as_ref();
    let dataset =
        dataset::load(&job.data, files, words, template, base.eos, rows).map_err(Failure::usage)?;
    let report = &dataset.report;
    let remarks = [
        (report.truncated, "cut at data.max_tokens"),
        (report.dropped, "left out: longer than data.max_tokens"),
        (report.zero_mask, "left out: the cut left no token to train"),
    ];
    for (count, what) in remarks.into_iter().filter(|(count, _)| *count > 0) {
        reporter.warning(format!("{count} samples {what}"));
    }
    Ok(dataset)
}

/// The tokenizer that a format needs; data that is tokens already needs none.
pub(super) fn words_of(base: &Base, format: DataFormat) -> Result<Option<&Tokenizer>, Failure> {
    if base.tokenizer.is_none() && format != DataFormat::Tokens {
        let path = base.weights.path().display();
        let told = format!("{path} has no tokenizer, which this data format needs");
        return Err(Failure::words(ExitCode::Usage, told)
            .hint("put tokenizer.json beside the model, or set model.tokenizer"));
    }
    Ok(base.tokenizer.as_ref())
}

fn questions(job: &Job, base: &Base) -> Result<Vec<Question>, Failure> {
    let most = job.evaluation.exact_match_samples;
    let Some(tokenizer) = base.tokenizer.as_ref().filter(|_| most > 0) else {
        return Ok(Vec::new());
    };
    let vocabulary = Vocabulary {
        tokenizer: Some(tokenizer),
        template: base.template.as_ref(),
        eos: base.eos,
        size: base.weights.config().vocab_size,
    };
    dataset::prompts(&job.data, &job.data.eval, vocabulary, most).map_err(Failure::usage)
}
