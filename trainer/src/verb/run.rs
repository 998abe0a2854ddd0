//! `run`: baseline, training, held-out measures, the adapter.

use std::path::Path;
use std::time::Instant;

use schliff_data::sample::Sample;
use schliff_spec::event::{Event, Measures, StepMetrics};
use schliff_spec::exit::ExitCode;
use schliff_spec::job::Job;
use schliff_weights::write_adapter;
use serde_json::{Value, json};

use super::job::OpenJob;
use super::output::Output;
use crate::adapter::factors::Adapter;
use crate::adapter::peft::export;
use crate::evaluation::{Evaluator, exact_match, measures};
use crate::failure::Failure;
use crate::model::decode::Stop;
use crate::model::load::network;
use crate::model::network::Network;
use crate::process::memory::peak_rss_bytes;
use crate::process::report::Reporter;
use crate::training::leaves::Workers;
use crate::training::packing;
use crate::training::step::{State, StepReport, Stepper};
use crate::{device, workers};

/// How training came to its end.
enum End {
    Done,
    Interrupted,
    Failed(Failure),
}

/// Numbers for the summary.
#[derive(Default)]
struct Totals {
    tokens: u64,
    training_seconds: f64,
    last_loss: Option<f64>,
}

/// Trains a job into `out`.
pub(super) fn run(job: &Job, out: &Path, reporter: &Reporter) -> Result<Value, Failure> {
    let started = Instant::now();
    let open = OpenJob::open(job, reporter)?;
    let masters = open.initial_masters()?;
    let output = Output::create(out).map_err(Failure::usage)?;
    reporter.stage("loading the base model");
    let network =
        network(&open.base.weights, open.positions(), &device(0)?).map_err(Failure::usage)?;
    let workers = workers()?;
    let stepper = Stepper {
        network: &network,
        layout: &open.layout,
        workers: &workers,
        settings: open.step_settings(),
    };
    let mut run = Run {
        open: &open,
        stepper,
        reporter,
        output,
        totals: Totals::default(),
    };
    run.check_packing(&masters)?;
    let baseline = run.measure(None, 0);
    let mut state = State::new(masters);
    let end = run.train(&mut state);
    run.finish(&state, (baseline, end), started)
}

struct Run<'a> {
    open: &'a OpenJob<'a>,
    stepper: Stepper<'a>,
    reporter: &'a Reporter,
    output: Output,
    totals: Totals,
}

impl Run<'_> {
    fn network(&self) -> &Network {
        self.stepper.network
    }

    fn workers(&self) -> &Workers {
        self.stepper.workers
    }

    /// Samples of a step, micro-batch by micro-batch.
    fn micro_batches(&self, step: usize) -> Vec<Vec<&Sample>> {
        let samples = &self.open.train.samples;
        let batches = self.open.plan.step(step).into_iter();
        batches
            .map(|batch| batch.samples.iter().map(|&i| &samples[i]).collect())
            .collect()
    }

    /// Refuses to train where a sample's loss depends on its neighbours.
    fn check_packing(&self, masters: &[f32]) -> Result<(), Failure> {
        self.reporter
            .stage("checking that packed samples are isolated");
        let adapter = self.stepper.adapter(masters);
        let first = self.micro_batches(0).into_iter().next().unwrap_or_default();
        packing::check(self.network(), &adapter, &first).map_err(Failure::job)
    }

    /// Held-out measures; `None` where the job has no held-out data, an end was asked for, or the
    /// loss is not a number, which is told.
    fn measure(&self, adapter: Option<&Adapter<'_>>, step: usize) -> Option<Measures> {
        let held_out = self.open.eval.as_ref()?;
        let what = if adapter.is_none() {
            "the base without the adapter"
        } else {
            "the adapter"
        };
        self.reporter.stage(&format!("measuring {what}"));
        let evaluator = Evaluator {
            network: self.network(),
            adapter,
            workers: self.workers(),
        };
        let total = held_out.samples.len();
        let go_on = || !self.reporter.interrupt().is_raised();
        let sum = evaluator.loss(&held_out.samples, |done| {
            self.reporter.progress(done, total);
            go_on()
        })?;
        let mut measures = measures(sum, &held_out.samples);
        if !measures.loss.is_finite() {
            let told = format!("held-out loss of {what} is not a number");
            self.reporter.warning(told);
            return None;
        }
        let questions = &self.open.questions;
        if let Some(tokenizer) = self
            .open
            .base
            .tokenizer
            .as_ref()
            .filter(|_| !questions.is_empty())
        {
            self.reporter
                .stage(&format!("answering {} questions", questions.len()));
            let tokens = self.open.base.stop_tokens();
            let max_new_tokens = self.open.job.evaluation.max_new_tokens;
            let stop = Stop {
                tokens: &tokens,
                max_new_tokens,
            };
            measures.exact_match =
                Some(exact_match(&evaluator, questions, tokenizer, &stop, go_on));
            measures.exact_match_samples = questions.len();
        }
        // Answers cut short would count as wrong ones.
        go_on().then(|| {
            let measured = measures.clone();
            self.reporter.event(&Event::Evaluation {
                step,
                measures: measured,
            });
            measures
        })
    }

    fn train(&mut self, state: &mut State) -> End {
        let steps = self.open.plan.steps();
        self.reporter.stage("training");
        while state.step < steps {
            if self.reporter.interrupt().is_raised() {
                return End::Interrupted;
            }
            let begun = Instant::now();
            let report = self.stepper.step(state, &self.micro_batches(state.step));
            let report = match report {
                Ok(report) => report,
                Err(error) => {
                    return End::Failed(
                        Failure::job(error)
                            .hint("lower training.lr, or look for odd samples with 'schliff data'"),
                    );
                }
            };
            let seconds = begun.elapsed().as_secs_f64();
            if let Err(error) = self.record(state.step, steps, &report, seconds) {
                return End::Failed(error);
            }
            let every = self.open.job.evaluation.every_steps;
            if every.is_some_and(|every| state.step.is_multiple_of(every) && state.step < steps) {
                let adapter = self.stepper.adapter(&state.masters);
                self.measure(Some(&adapter), state.step);
                self.reporter.stage("training");
            }
        }
        End::Done
    }

    fn record(
        &mut self,
        step: usize,
        steps: usize,
        report: &StepReport,
        seconds: f64,
    ) -> Result<(), Failure> {
        self.totals.tokens += report.tokens;
        self.totals.training_seconds += seconds;
        self.totals.last_loss = Some(report.loss);
        let metrics = StepMetrics {
            step,
            steps,
            loss: report.loss,
            grad_norm: report.grad_norm,
            lr: report.lr,
            tokens: report.tokens,
            tokens_per_s: report.tokens as f64 / seconds.max(1e-9),
        };
        self.reporter.event(&Event::Step(metrics.clone()));
        self.output.step(&metrics).map_err(Failure::job)
    }

    /// Saves what there is, and says how it ended.
    fn finish(
        &self,
        state: &State,
        (baseline, end): (Option<Measures>, End),
        started: Instant,
    ) -> Result<Value, Failure> {
        let folder = self.output.adapter();
        let adapter = export(&self.open.layout, &state.masters, &self.open.config);
        let saved = match state.step {
            // Nothing was trained: an earlier adapter in the folder is worth more than this one.
            0 => None,
            _ => Some(write_adapter(&folder, &adapter).map_err(Failure::job)),
        };
        let finished = matches!(end, End::Done);
        let measured = finished.then(|| {
            let adapter = self.stepper.adapter(&state.masters);
            self.measure(Some(&adapter), state.step)
        });
        let summary = self.summary(state, (baseline, measured.flatten()), finished, started);
        let ended = match end {
            End::Failed(failure) => Err(failure),
            End::Interrupted => Err(Failure::words(
                ExitCode::Interrupted,
                format!(
                    "interrupted after step {} of {}",
                    state.step,
                    self.open.plan.steps()
                ),
            )),
            End::Done if self.reporter.interrupt().is_raised() => Err(Failure::words(
                ExitCode::Interrupted,
                "interrupted while measuring; training is complete",
            )),
            End::Done => Ok(()),
        };
        let ended = match saved {
            None => ended.map_err(|failure| failure.hint("nothing was trained, nothing is saved")),
            Some(Ok(())) => ended.map_err(|failure| failure.saved(folder)),
            Some(Err(unsaved)) => return Err(unsaved),
        };
        self.output.summary(&summary).map_err(Failure::job)?;
        ended.map(|()| summary)
    }

    fn summary(
        &self,
        state: &State,
        (baseline, measured): (Option<Measures>, Option<Measures>),
        finished: bool,
        started: Instant,
    ) -> Value {
        json!({
            "name": self.open.job.name,
            "steps": state.step,
            "steps_planned": self.open.plan.steps(),
            "tokens": self.totals.tokens,
            "train_loss_last": self.totals.last_loss,
            "tokens_per_s": self.totals.tokens as f64 / self.totals.training_seconds.max(1e-9),
            "training_seconds": self.totals.training_seconds,
            "seconds": started.elapsed().as_secs_f64(),
            "peak_rss_bytes": peak_rss_bytes(),
            "baseline": baseline,
            "final": measured,
            "adapter": self.output.adapter(),
            "trainable_parameters": self.open.layout.len,
            "base_parameters": self.open.base.weights.parameter_count(),
            "interrupted": !finished && self.reporter.interrupt().is_raised(),
        })
    }
}
