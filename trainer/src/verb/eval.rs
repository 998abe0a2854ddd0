//! `eval`: negative log-likelihood of a text or of a data file.

use std::path::Path;

use schliff_data::dataset::{self, Dataset};
use schliff_data::sample::{Origin, Sample};
use schliff_spec::exit::ExitCode;
use schliff_spec::job::{BaseModel, Data, DataFormat, LossOn, Overflow};
use schliff_spec::request::EvalInput;
use serde_json::{Value, json};

use super::job::words_of;
use super::tuned::{open_tuned, tuned_network};
use crate::base::Base;
use crate::evaluation::{Evaluator, measures};
use crate::failure::Failure;
use crate::process::report::Reporter;
use crate::training::group::Group;
use crate::workers;

/// Measures a base model, with or without an adapter.
pub(super) fn eval(
    model: &BaseModel,
    adapter: Option<&Path>,
    input: &EvalInput,
    reporter: &Reporter,
) -> Result<Value, Failure> {
    let (base, tuned) = open_tuned(model, adapter, reporter)?;
    let samples = samples(&base, input)?;
    let longest = samples
        .iter()
        .map(|sample| sample.input_ids.len())
        .max()
        .unwrap_or(0);
    let context = base.weights.config().max_positions;
    if longest > context {
        let told = format!("the text has {longest} tokens, the model's context is {context}");
        return Err(Failure::words(ExitCode::Usage, told));
    }
    reporter.stage("loading the base model");
    let network = tuned_network(&base, tuned.as_ref(), longest)?;
    let workers = workers()?;
    reporter.stage("measuring");
    let adapter = tuned
        .as_ref()
        .map(|tuned| network.adapter(&tuned.layout, &tuned.masters));
    let evaluator = Evaluator {
        network: &network,
        adapter: adapter.as_ref(),
        workers: &workers,
    };
    let sum = evaluator.loss(&samples, &mut Group::alone(), |done| {
        reporter.progress(done, samples.len());
        !reporter.interrupt().is_raised()
    });
    let sum = sum
        .map_err(Failure::job)?
        .ok_or_else(|| Failure::words(ExitCode::Interrupted, "interrupted"))?;
    if !sum.loss.is_finite() {
        let told = "the loss is not a number: the model or the adapter holds broken values";
        return Err(Failure::words(ExitCode::JobFailed, told));
    }
    let tokens: usize = samples.iter().map(|sample| sample.input_ids.len()).sum();
    let measures = measures(sum, &samples);
    Ok(json!({
        "tokens": tokens,
        "nll": measures.loss,
        "perplexity": measures.perplexity,
        "bits_per_byte": measures.bits_per_byte,
        "predicted_tokens": sum.tokens,
        "samples": samples.len(),
    }))
}

fn samples(base: &Base, input: &EvalInput) -> Result<Vec<Sample>, Failure> {
    match input {
        EvalInput::Text(text) => {
            let words = words_of(base, DataFormat::Text)?;
            let ids = words.map(|words| words.encode(text, true)).transpose();
            let ids = ids.map_err(Failure::usage)?.unwrap_or_default();
            if ids.len() < 2 {
                let told = "the text has fewer than two tokens: there is nothing to predict";
                return Err(Failure::words(ExitCode::Usage, told));
            }
            Ok(vec![Sample {
                id: 0,
                labels: ids.iter().map(|&id| i64::from(id)).collect(),
                input_ids: ids,
                trained_bytes: Some(text.len()),
                origin: Origin { file: 0, line: 1 },
            }])
        }
        EvalInput::File { path, format } => Ok(file(base, path, *format)?.samples),
    }
}

fn file(base: &Base, path: &Path, format: DataFormat) -> Result<Dataset, Failure> {
    let config = base.weights.config();
    let data = Data {
        train: Vec::new(),
        eval: vec![path.to_owned()],
        format,
        max_tokens: config.max_positions,
        overflow: Overflow::Truncate,
        packing: false,
        shuffle: false,
        loss_on: match format {
            DataFormat::Text | DataFormat::Tokens => LossOn::All,
            _ => LossOn::Answer,
        },
    };
    let words = words_of(base, format)?;
    let template = base.template.as_ref();
    dataset::load(
        &data,
        &data.eval,
        words,
        template,
        base.eos,
        config.vocab_size,
    )
    .map_err(Failure::usage)
}
