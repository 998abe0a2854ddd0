//! `data`: the data doctor.

use schliff_data::doctor::preview;
use schliff_spec::job::Job;
use serde_json::{Value, json};

use super::job::{open_base, read_data};
use crate::failure::Failure;
use crate::process::report::Reporter;

/// Counts over a job's training and held-out data, and a look at the first samples.
pub(super) fn data(job: &Job, samples: usize, reporter: &Reporter) -> Result<Value, Failure> {
    let base = open_base(job, reporter)?;
    reporter.stage("reading the data");
    let train = read_data(job, &base, &job.data.train, reporter)?;
    let eval = match job.data.eval.is_empty() {
        true => None,
        false => Some(read_data(job, &base, &job.data.eval, reporter)?.report),
    };
    let mut shown = Vec::new();
    for sample in train.samples.iter().take(samples) {
        let Some(tokenizer) = &base.tokenizer else {
            break;
        };
        let tokens = preview(sample, tokenizer).map_err(Failure::job)?;
        let file = job
            .data
            .train
            .get(sample.origin.file)
            .map(|file| file.display().to_string());
        let origin = format!("{}:{}", file.unwrap_or_default(), sample.origin.line);
        shown.push(json!({ "origin": origin, "tokens": tokens }));
    }
    Ok(json!({ "report": train.report, "eval_report": eval, "samples": shown }))
}
