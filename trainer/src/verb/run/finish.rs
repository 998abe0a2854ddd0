//! The end of a run: what is saved, what is told, and with which exit code.

use std::time::Instant;

use schliff_spec::event::{Doing, Measures};
use schliff_spec::exit::ExitCode;
use schliff_weights::adapter::write_noted_adapter;
use serde_json::{Value, json};

use super::leader::Leader;
use super::{End, Run};
use crate::adapter::notes::notes_of;
use crate::adapter::peft::export;
use crate::failure::Failure;
use crate::model::holding::Holding;
use crate::process::interrupt::Wish;
use crate::process::memory::peak_rss_bytes;
use crate::training::step::State;

/// What of the work is safe.
struct Kept {
    /// The adapter is in the out folder; `None` where nothing was trained.
    adapter: Option<Result<(), Failure>>,
    /// The last state is committed.
    checkpoint: bool,
}

impl Run<'_> {
    /// Saves what there is, and says how it ended.
    pub(super) fn finish(
        mut self,
        state: &State,
        end: End,
        started: Instant,
    ) -> Result<Value, Failure> {
        let kept = self.keep(state)?;
        let (measured, end) = match end {
            End::Done => match self.measure(Some(state), state.step) {
                Ok(measured) => (measured, End::Done),
                Err(failure) => (None, End::Failed(failure)),
            },
            end => (None, end),
        };
        let stopped = !matches!(end, End::Done) || self.reporter.interrupt().is_raised();
        let Some(leader) = &self.leader else {
            return self.ended(state, end, true).map(|()| Value::Null);
        };
        let summary = self.summary(state, measured, stopped, (leader, started));
        let ended = self.ended(state, end, kept.checkpoint);
        let folder = leader.output.adapter();
        let ended = match kept.adapter {
            None => ended.map_err(|failure| failure.hint("nothing was trained, nothing is saved")),
            Some(Ok(())) => ended.map_err(|failure| failure.saved(folder)),
            Some(Err(unsaved)) => return Err(unsaved),
        };
        leader.output.summary(&summary).map_err(Failure::job)?;
        ended.map(|()| summary)
    }

    /// Writes the adapter and commits the last state, before anything else can go wrong.
    fn keep(&mut self, state: &State) -> Result<Kept, Failure> {
        self.reporter.pulse().turn_to(Doing::Measuring);
        let Some(leader) = &mut self.leader else {
            return Ok(Kept {
                adapter: None,
                checkpoint: true,
            });
        };
        if state.step == 0 {
            // Nothing was trained: an earlier adapter in the folder is worth more than this one.
            return Ok(Kept {
                adapter: None,
                checkpoint: false,
            });
        }
        let adapter = export(&self.open.layout, &state.masters, &self.open.config);
        let notes = notes_of(Holding::of(self.open.job));
        let written = write_noted_adapter(&leader.output.adapter(), &adapter, notes.as_deref());
        let written = written.map_err(Failure::job);
        // A state whose next step failed is the last good one, and worth keeping, too.
        leader.save(self.open, state, &self.totals)?;
        let checkpoint = leader.saver.flush(self.reporter);
        Ok(Kept {
            adapter: Some(written),
            checkpoint,
        })
    }

    fn ended(&self, state: &State, end: End, committed: bool) -> Result<(), Failure> {
        let (step, steps) = (state.step, self.open.plan.steps());
        let resume = || match &self.leader {
            Some(leader) => format!("--resume {} goes on", leader.saver.uri()),
            None => String::new(),
        };
        match end {
            End::Failed(failure) => Err(failure),
            End::Asked(Wish::MoreToDo) if committed => Err(Failure::words(
                ExitCode::MoreToDo,
                format!("stopped as asked after step {step} of {steps}; there is more to do"),
            )
            .hint(resume())),
            End::Asked(_) => Err(Failure::words(
                ExitCode::Interrupted,
                format!("interrupted after step {step} of {steps}"),
            )
            .hint(resume())),
            End::Done if self.reporter.interrupt().is_raised() => Err(Failure::words(
                ExitCode::Interrupted,
                "interrupted while measuring; training is complete",
            )),
            End::Done => Ok(()),
        }
    }

    fn summary(
        &self,
        state: &State,
        measured: Option<Measures>,
        stopped: bool,
        (leader, started): (&Leader, Instant),
    ) -> Value {
        let (totals, pace) = (&self.totals, self.pace);
        json!({
            "name": self.open.job.name,
            "steps": state.step,
            "steps_planned": self.open.plan.steps(),
            "steps_skipped": totals.skipped,
            "tokens": totals.tokens,
            "train_loss_last": totals.last_loss,
            "tokens_per_s": pace.tokens as f64 / pace.seconds.max(1e-9),
            "training_seconds": pace.seconds,
            "seconds": started.elapsed().as_secs_f64(),
            "peak_rss_bytes": peak_rss_bytes(),
            "baseline": totals.baseline,
            "final": measured,
            "adapter": leader.output.adapter(),
            "trainable_parameters": self.open.layout.len,
            "base_parameters": self.open.base.weights.parameter_count(),
            "world_size": self.group.world_size(),
            "resumed_from_step": self.resumed_from,
            "checkpoints": leader.saver.uri(),
            "committed_step": leader.saver.committed(),
            "checkpointing": leader.saver.figures(),
            "interrupted": stopped,
        })
    }
}
