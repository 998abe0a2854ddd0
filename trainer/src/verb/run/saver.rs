//! Checkpoints of a run: when one is due, how the state gets to the writer, and where a run begins.
//!
//! Taking one copies the state into memory that is used again; everything after that, encoding
//! included, happens in the background, and only for states that no newer one overtakes.

mod form;
mod tally;

use std::sync::Arc;
use std::time::{Duration, Instant};

use schliff_registry::checkpoint::{
    self, BackOff, Buffers, Flushed, Snapshot, Writer, WriterSettings,
};
use schliff_registry::{JobDigest, Store, StoreError};
use schliff_spec::event::Event;
use schliff_spec::exit::ExitCode;
use schliff_spec::job::CheckpointEvery;
use schliff_spec::request::Start;
use serde_json::Value;

use self::form::Form;
use self::tally::Tally;
use super::begin::{Cursor, Found};
use super::{Order, Totals, identity};
use crate::failure::Failure;
use crate::process::report::Reporter;
use crate::training::snapshot::append_bytes;
use crate::training::step::State;
use crate::verb::job::OpenJob;

/// Folder of checkpoints where the job names no place.
const FOLDER: &str = "checkpoints";
/// Longest wait for the store at the end of a run: site's grace periods are a few minutes.
const FLUSH_LIMIT: Duration = Duration::from_secs(100);

/// Checkpoints out and in.
pub(super) struct Saver {
    store: Store,
    writer: Writer,
    job: JobDigest,
    form: Arc<Form>,
    masters: Buffers<f32>,
    moments: Buffers<u8>,
    every: CheckpointEvery,
    last: Instant,
    last_step: Option<usize>,
    tally: Tally,
}

impl Saver {
    /// Opens the store that the job names, or the folder beside its result.
    pub(super) fn open(
        order: Order<'_>,
        open: &OpenJob<'_>,
        reporter: &Reporter,
    ) -> Result<Self, Failure> {
        let settings = &order.job.checkpoint;
        let uri = match &settings.uri {
            Some(uri) => uri.clone(),
            None => order.out.join(FOLDER).display().to_string(),
        };
        let store = open_store(&uri)?;
        let job = order.job.clone().with_absolute_paths();
        let resolved = serde_json::to_vec(&job.map_err(Failure::job)?).map_err(Failure::job)?;
        let (news, tally) = (reporter.clone(), Tally::default());
        let heard = tally.clone();
        let writer = Writer::start(
            &store,
            WriterSettings {
                keep: settings.keep,
                generation: order.place.generation,
                back_off: BackOff::default(),
            },
            move |fate| {
                heard.heard(&fate);
                news.event(&Event::Checkpoint(fate));
            },
        );
        Ok(Self {
            store,
            writer: writer.map_err(Failure::job)?,
            job: identity::digest(open).map_err(Failure::usage)?,
            form: Arc::new(Form {
                layout: open.layout.clone(),
                config: open.config.clone(),
                resolved,
            }),
            masters: Buffers::default(),
            moments: Buffers::default(),
            every: settings.every,
            last: Instant::now(),
            last_step: None,
            tally,
        })
    }

    pub(super) fn uri(&self) -> &str {
        self.store.uri()
    }

    /// Newest step that is safe.
    pub(super) fn committed(&self) -> Option<u64> {
        self.writer.committed()
    }

    pub(super) fn is_due(&self, step: usize) -> bool {
        let is_time = match self.every {
            CheckpointEvery::Steps(every) => step.is_multiple_of(every),
            CheckpointEvery::Seconds(every_s) => self.last.elapsed().as_secs() >= every_s,
        };
        is_time && step > 0 && self.last_step != Some(step)
    }

    /// What checkpoints cost so far, and what became of them.
    pub(super) fn figures(&self) -> Value {
        self.tally.figures()
    }

    /// Copies the state and hands it to the background.
    pub(super) fn offer(
        &mut self,
        open: &OpenJob<'_>,
        state: &State,
        totals: &Totals,
    ) -> Result<(), Failure> {
        if self.last_step == Some(state.step) {
            return Ok(());
        }
        let begun = Instant::now();
        let cursor = Cursor {
            step: state.step,
            steps: open.plan.steps(),
            updates: state.moments.updates,
            seed: open.job.training.seed,
            parameters: open.layout.len,
            loss_scale: state.loss_scale,
            totals: totals.clone(),
        };
        let cursor = serde_json::to_value(cursor).map_err(Failure::job)?;
        let (mut masters, mut moments) = (self.masters.lease(), self.moments.lease());
        masters.extend_from_slice(&state.masters);
        append_bytes(&mut moments, &[&state.moments.first, &state.moments.second]);
        let (form, job, step) = (Arc::clone(&self.form), self.job, state.step as u64);
        self.writer.offer_draft(step, move || {
            Ok(Snapshot {
                step,
                job,
                state: cursor,
                parts: form.parts(&masters, moments)?,
            })
        });
        self.last = Instant::now();
        self.last_step = Some(state.step);
        self.tally.paused(begun.elapsed());
        Ok(())
    }

    /// Waits for the last state to be safe; says so where it is not.
    pub(super) fn flush(&self, reporter: &Reporter) -> bool {
        match self.writer.flush(FLUSH_LIMIT) {
            Flushed::All { committed } => committed.is_some(),
            Flushed::Missing { reason, .. } => {
                reporter.warning(format!(
                    "the last checkpoint is not in {}: {reason}",
                    self.uri()
                ));
                false
            }
        }
    }

    /// The checkpoint to go on from, as the start asks for it.
    pub(super) fn find(&self, open: &OpenJob<'_>, start: &Start) -> Result<Option<Found>, Failure> {
        match start {
            Start::Fresh => self.refuse_what_is_there().map(|()| None),
            Start::Replace => {
                checkpoint::remove_all(&self.store).map_err(Failure::job)?;
                Ok(None)
            }
            Start::Continue => self.newest(&self.store, open),
            Start::Resume { uri } => {
                let store = open_store(uri)?;
                let found = self.newest(&store, open)?;
                found.map(Some).ok_or_else(|| {
                    let told = format!("{uri} has no good checkpoint of this job");
                    Failure::words(ExitCode::Usage, told)
                        .hint(format!("'schliff checkpoints {uri}' says what is there"))
                })
            }
        }
    }

    fn refuse_what_is_there(&self) -> Result<(), Failure> {
        let there = checkpoint::list(&self.store, false).map_err(unreadable)?;
        let Some(newest) = there.iter().map(|listed| listed.step).max() else {
            return Ok(());
        };
        let told = format!(
            "{} holds checkpoints of an earlier run, up to step {newest}",
            self.uri()
        );
        let hint = format!(
            "--resume {} goes on from there; --force removes them",
            self.uri()
        );
        Err(Failure::words(ExitCode::Usage, told).hint(hint))
    }

    fn newest(&self, store: &Store, open: &OpenJob<'_>) -> Result<Option<Found>, Failure> {
        let found = checkpoint::newest(store, Some(&self.job)).map_err(unreadable)?;
        let skipped: Vec<String> = found.skipped.iter().map(ToString::to_string).collect();
        let Some(checkpoint) = found.checkpoint else {
            return Ok(None);
        };
        form::read(&checkpoint, open, skipped).map(Some)
    }
}

fn open_store(uri: &str) -> Result<Store, Failure> {
    Store::open(uri).map_err(|error| told(error, ExitCode::Usage))
}

fn unreadable(error: StoreError) -> Failure {
    told(error, ExitCode::JobFailed)
}

fn told(error: StoreError, exit: ExitCode) -> Failure {
    let failure = Failure::new(exit, &error);
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
