//! Held-out measures, taken by all ranks together.

use schliff_spec::event::{Doing, Event, Measures};

use super::{Run, lost};
use crate::evaluation::{Evaluator, exact_matches, measures};
use crate::failure::Failure;
use crate::model::decode::Stop;
use crate::training::step::State;

impl Run<'_> {
    /// Held-out measures of the base, or of the adapter of a state; `None` where the job has no
    /// held-out data, an end was asked for, or the loss is not a number, which is told.
    pub(super) fn measure(
        &mut self,
        state: Option<&State>,
        step: usize,
    ) -> Result<Option<Measures>, Failure> {
        let Some(held_out) = self.open.eval.as_ref() else {
            return Ok(None);
        };
        self.reporter.pulse().turn_to(Doing::Measuring);
        let what = match state {
            None => "the base without the adapter",
            Some(_) => "the adapter",
        };
        self.reporter.stage(&format!("measuring {what}"));
        let adapter = state.map(|state| self.stepper.adapter(&state.masters));
        let evaluator = Evaluator {
            network: self.stepper.network,
            adapter: adapter.as_ref(),
            workers: self.stepper.workers,
        };
        let total = held_out.samples.len();
        let reporter = self.reporter;
        let sum = evaluator.loss(&held_out.samples, self.group, |done| {
            reporter.progress(done, total);
            reporter.pulse().turn_to(Doing::Measuring);
            !reporter.interrupt().is_raised()
        });
        let Some(sum) = sum.map_err(lost)? else {
            return Ok(None);
        };
        let mut measures = measures(sum, &held_out.samples);
        if !measures.loss.is_finite() {
            let told = format!("held-out loss of {what} is not a number");
            reporter.warning(told);
            return Ok(None);
        }
        let Some(exact_match) = self.exact_match(evaluator)? else {
            return Ok(None);
        };
        let questions = self.open.questions.len();
        if questions > 0 {
            measures.exact_match = Some(exact_match);
            measures.exact_match_samples = questions;
        }
        let measured = measures.clone();
        reporter.event(&Event::Evaluation {
            step,
            measures: measured,
        });
        Ok(Some(measures))
    }

    /// Share of right answers, each rank asking its share of the questions; `None` where they were
    /// cut short, since answers cut short would count as wrong ones.
    fn exact_match(&mut self, evaluator: Evaluator<'_>) -> Result<Option<f64>, Failure> {
        let questions = &self.open.questions;
        let Some(tokenizer) = &self.open.base.tokenizer else {
            return Ok(Some(0.0));
        };
        if questions.is_empty() {
            return Ok(Some(0.0));
        }
        self.reporter
            .stage(&format!("answering {} questions", questions.len()));
        let tokens = self.open.base.stop_tokens();
        let stop = Stop {
            tokens: &tokens,
            max_new_tokens: self.open.job.evaluation.max_new_tokens,
        };
        let (rank, world_size) = (self.group.rank(), self.group.world_size());
        let from = |rank: usize| rank * questions.len() / world_size;
        let own = &questions[from(rank)..from(rank + 1)];
        let go_on = || {
            self.reporter.pulse().turn_to(Doing::Measuring);
            !self.reporter.interrupt().is_raised()
        };
        let right = exact_matches(&evaluator, own, tokenizer, &stop, go_on);
        let counts = self.group.gather([right as u64, go_on().into()]);
        let counts = counts.map_err(lost)?;
        let is_whole = counts.iter().all(|[_, goes_on]| *goes_on != 0);
        let right: u64 = counts.iter().map(|[right, _]| right).sum();
        Ok(is_whole.then(|| right as f64 / questions.len() as f64))
    }
}
