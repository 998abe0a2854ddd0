//! `check`: everything `run` would find out before training, and a measured guess of its cost.

use std::time::Instant;

use schliff_collective::rendezvous;
use schliff_data::sample::Sample;
use schliff_spec::job::{BatchSize, Job};
use schliff_spec::place::CollectiveKind;
use schliff_spec::world;
use serde_json::{Value, json};

use super::job::OpenJob;
use crate::failure::Failure;
use crate::model::holding::Holding;
use crate::process::memory::peak_rss_bytes;
use crate::process::report::Reporter;
use crate::training::group::Group;
use crate::training::packing;
use crate::training::step::{State, Stepper};
use crate::{device, workers};

/// Tokens of the probe, about: a second or two of work on two cores.
const PROBE_TOKENS: usize = 1024;

/// Plans a job without training it.
pub(super) fn check(
    job: &Job,
    (world_size, collective): (usize, CollectiveKind),
    reporter: &Reporter,
) -> Result<Value, Failure> {
    rendezvous::check(collective).map_err(Failure::usage)?;
    let open = OpenJob::open(job, reporter)?;
    let micro_batches = open.micro_batches_a_step();
    world::check(world_size, micro_batches).map_err(Failure::usage)?;
    let state = open.initial_state()?;
    reporter.stage("loading the base model");
    let network = open.network(&device(0)?, 1)?;
    let loaded_bytes = peak_rss_bytes();
    let workers = workers()?;
    let settings = open.step_settings();
    let stepper = Stepper {
        network: &network,
        layout: &open.layout,
        workers: &workers,
        settings,
        pulse: reporter.pulse(),
    };
    let first: Vec<&Sample> = open.train.samples.iter().take(3).collect();
    packing::check(&network, &stepper.adapter(&state.masters), &first).map_err(Failure::job)?;
    reporter.stage("measuring a short step");
    let (tokens_per_s, probe_tokens) = probe(&open, &stepper, state)?;
    let activations = peak_rss_bytes().saturating_sub(loaded_bytes);
    let tokens = open.plan.tokens_total();
    let parameters = open.base.weights.parameter_count();
    let passes = if job.training.activation_checkpointing {
        6
    } else {
        4
    };
    Ok(json!({
        "name": job.name,
        "world_size": world_size,
        "micro_batches_a_step": micro_batches,
        "samples": open.train.samples.len(),
        "eval_samples": open.eval.as_ref().map(|eval| eval.samples.len()),
        "steps": open.plan.steps(),
        "tokens": tokens,
        "trainable_parameters": open.layout.len,
        "base_parameters": parameters,
        "adapted_modules": open.layout.modules.len(),
        "adapter_bytes": open.layout.len * size_of::<f32>(),
        "frozen_bytes": network.frozen_bytes(),
        "base_held_as": Holding::of(job).to_string(),
        "memory_bytes_estimate": memory(&open, loaded_bytes, activations, probe_tokens),
        "flops": passes as f64 * parameters as f64 * tokens as f64,
        "flops_formula": format!("{passes} x base parameters x tokens"),
        "probe_tokens_per_s": tokens_per_s,
        "seconds_estimate": tokens as f64 / tokens_per_s,
        "data": open.train.report,
        "warnings": [],
    }))
}

/// Trains a copy on a few samples and times the second of two steps.
fn probe(
    open: &OpenJob<'_>,
    stepper: &Stepper<'_>,
    mut state: State,
) -> Result<(f64, usize), Failure> {
    let mut tokens = 0;
    let mut samples = Vec::new();
    for sample in &open.train.samples {
        tokens += sample.input_ids.len();
        samples.push(sample);
        if tokens >= PROBE_TOKENS {
            break;
        }
    }
    let mut seconds = 0.0;
    for _ in 0..2 {
        let begun = Instant::now();
        stepper
            .step(&mut state, &[samples.clone()], &mut Group::alone())
            .map_err(Failure::job)?;
        seconds = begun.elapsed().as_secs_f64();
    }
    Ok((tokens as f64 / f64::max(seconds, 1e-9), tokens))
}

/// Copies of all trained parameters that a run has at one time: masters, both moments and a gradient;
/// and on the way to a checkpoint masters and moments again, the adapter's tensors and its file.
const PARAMETER_COPIES: usize = 4 + 5;

/// The base as it was loaded in the job's form, whatever is trained, and the probe's activations
/// scaled to the rows that are in flight at one time.
fn memory(open: &OpenJob<'_>, loaded: u64, activations: u64, probe_tokens: usize) -> u64 {
    let micro_batch = match open.job.training.batch {
        BatchSize::Tokens { micro_batch, .. } => micro_batch as u64,
        BatchSize::Samples { micro_batch, .. } => {
            micro_batch as u64 * open.train.report.lengths.max as u64
        }
    };
    let in_flight = micro_batch.clamp(1, 2 * PROBE_TOKENS as u64);
    let parameters = (PARAMETER_COPIES * open.layout.len * size_of::<f32>()) as u64;
    loaded + parameters + activations * in_flight / (probe_tokens as u64).max(1)
}
