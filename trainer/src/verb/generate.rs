//! `generate`: a greedy continuation, to try a result.

use std::path::Path;
use std::time::Instant;

use schliff_data::template::Message;
use schliff_spec::exit::ExitCode;
use schliff_spec::job::{BaseModel, DataFormat};
use serde_json::{Value, json};

use super::job::words_of;
use super::tuned::{open_tuned, tuned_network};
use crate::base::Base;
use crate::failure::Failure;
use crate::model::decode::{Stop, generate as decode};
use crate::process::report::Reporter;
use crate::workers;

/// What is to be continued.
pub(super) struct Prompt<'a> {
    pub(super) text: &'a str,
    /// As it is, without the chat template.
    pub(super) raw: bool,
}

/// Continues a prompt.
pub(super) fn generate(
    model: &BaseModel,
    adapter: Option<&Path>,
    prompt: &Prompt<'_>,
    max_new_tokens: usize,
    reporter: &Reporter,
) -> Result<Value, Failure> {
    let (base, tuned) = open_tuned(model, adapter, reporter)?;
    let ids = encode(&base, prompt)?;
    let (context, wanted) = (
        base.weights.config().max_positions,
        ids.len() + max_new_tokens,
    );
    if ids.is_empty() || wanted > context {
        let told = format!(
            "{} prompt tokens and {max_new_tokens} new ones; the model's context is {context}",
            ids.len()
        );
        return Err(Failure::words(ExitCode::Usage, told));
    }
    reporter.stage("loading the base model");
    let network = tuned_network(&base, tuned.as_ref(), wanted)?;
    let workers = workers()?;
    let adapter = tuned
        .as_ref()
        .map(|tuned| network.adapter(&tuned.layout, &tuned.masters));
    reporter.stage("generating");
    let begun = Instant::now();
    let tokens = base.stop_tokens();
    let stop = Stop {
        tokens: &tokens,
        max_new_tokens,
    };
    let mut generated = 0;
    let interrupt = reporter.interrupt().clone();
    let answers = workers.together(|| {
        decode(&network, adapter.as_ref(), &[ids], &stop, |_, _| {
            generated += 1;
            !interrupt.is_raised()
        })
    });
    let seconds = begun.elapsed().as_secs_f64();
    let answer = answers.into_iter().next().unwrap_or_default();
    let words = words_of(&base, DataFormat::Text)?;
    let text = words
        .map(|words| words.decode(&answer, true))
        .transpose()
        .map_err(Failure::job)?;
    Ok(json!({
        "text": text.unwrap_or_default(),
        "tokens": generated,
        "tokens_per_s": generated as f64 / seconds.max(1e-9),
    }))
}

fn encode(base: &Base, prompt: &Prompt<'_>) -> Result<Vec<u32>, Failure> {
    let Some(words) = words_of(base, DataFormat::Text)? else {
        return Ok(Vec::new());
    };
    let Some(template) = base.template.as_ref().filter(|_| !prompt.raw) else {
        return words.encode(prompt.text, true).map_err(Failure::usage);
    };
    let messages = [Message::new("user", prompt.text)];
    let text = template
        .render(&messages, None, true)
        .map_err(Failure::usage)?;
    words.encode(&text, false).map_err(Failure::usage)
}
