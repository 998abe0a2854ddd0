//! Checkpoints of a run: what is in them, when one is due, and how one is read back.
//!
//! A checkpoint holds the adapter as PEFT reads it (which is the masters, in 32 bits), the moments,
//! the cursor and the resolved job. Taking one copies the state; everything after that happens in
//! the background.

use std::path::Path;
use std::time::{Duration, Instant};

use schliff_registry::checkpoint::{
    self, BackOff, Checkpoint, Flushed, Part, Snapshot, Writer, WriterSettings,
};
use schliff_registry::{JobDigest, Store, StoreError};
use schliff_spec::event::Event;
use schliff_spec::exit::ExitCode;
use schliff_spec::job::CheckpointEvery;
use schliff_spec::request::Start;
use schliff_weights::{AdapterFiles, decode_adapter, encode_adapter};

use super::begin::{Cursor, Found};
use super::{Order, Totals, identity};
use crate::adapter::peft::{export, masters_of};
use crate::failure::Failure;
use crate::process::report::Reporter;
use crate::training::snapshot::{from_bytes, to_bytes};
use crate::training::step::State;
use crate::verb::job::OpenJob;

/// `adapter_model.safetensors` of a PEFT folder.
const ADAPTER: &str = "adapter_model";
/// `adapter_config.json` of a PEFT folder.
const ADAPTER_CONFIG: &str = "adapter_config";
/// First, then second moments, as little-endian 32-bit floats in the layout's order.
const MOMENTS: &str = "moments";
/// The resolved job as JSON, as the trainer receives it.
const JOB: &str = "job";
/// Folder of checkpoints where the job names no place.
const FOLDER: &str = "checkpoints";
/// Longest wait for the store at the end of a run: site's grace periods are a few minutes.
const FLUSH_LIMIT: Duration = Duration::from_secs(100);

/// Checkpoints out and in.
pub(super) struct Saver {
    store: Store,
    writer: Writer,
    job: JobDigest,
    resolved: Vec<u8>,
    every: CheckpointEvery,
    last: Instant,
    last_step: Option<usize>,
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
        let news = reporter.clone();
        let writer = Writer::start(
            &store,
            WriterSettings {
                keep: settings.keep,
                generation: order.place.generation,
                back_off: BackOff::default(),
            },
            move |fate| news.event(&Event::Checkpoint(fate)),
        );
        Ok(Self {
            store,
            writer: writer.map_err(Failure::job)?,
            job: identity::digest(open).map_err(Failure::usage)?,
            resolved,
            every: settings.every,
            last: Instant::now(),
            last_step: None,
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
        let adapter = export(&open.layout, &state.masters, &open.config);
        let files = encode_adapter(&adapter).map_err(Failure::job)?;
        let cursor = Cursor {
            step: state.step,
            steps: open.plan.steps(),
            updates: state.moments.updates,
            seed: open.job.training.seed,
            parameters: open.layout.len,
            loss_scale: state.loss_scale,
            totals: totals.clone(),
        };
        let moments = to_bytes(&[&state.moments.first, &state.moments.second]);
        let part = |name, bytes: Vec<u8>| Part {
            name,
            bytes: bytes.into(),
        };
        self.writer.offer(Snapshot {
            step: state.step as u64,
            job: self.job,
            state: serde_json::to_value(cursor).map_err(Failure::job)?,
            parts: vec![
                part(ADAPTER, files.weights),
                part(ADAPTER_CONFIG, files.config),
                part(MOMENTS, moments),
                part(JOB, self.resolved.clone()),
            ],
        });
        self.last = Instant::now();
        self.last_step = Some(state.step);
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
        read(&checkpoint, open, skipped).map(Some)
    }
}

/// The state in a checkpoint whose digests are right.
fn read(
    checkpoint: &Checkpoint,
    open: &OpenJob<'_>,
    skipped: Vec<String>,
) -> Result<Found, Failure> {
    let step = checkpoint.manifest.step;
    let misfit = |what: &str| {
        let told = format!("the checkpoint of step {step} does not fit this job: {what}");
        Failure::words(ExitCode::Usage, told)
    };
    let part = |name: &str| {
        let bytes = checkpoint.parts.get(name);
        bytes.ok_or_else(|| misfit(&format!("it has no {name}")))
    };
    let cursor: Cursor = serde_json::from_value(checkpoint.manifest.state.clone())
        .map_err(|error| misfit(&error.to_string()))?;
    let files = AdapterFiles {
        weights: part(ADAPTER)?.to_vec(),
        config: part(ADAPTER_CONFIG)?.to_vec(),
    };
    let origin = format!("checkpoint of step {step}");
    let adapter = decode_adapter(Path::new(&origin), &files).map_err(Failure::usage)?;
    let masters = masters_of(&open.layout, &adapter).map_err(Failure::usage)?;
    let [first, second] = from_bytes(part(MOMENTS)?, open.layout.len)
        .ok_or_else(|| misfit("its moments are of other parameters"))?;
    Ok(Found {
        cursor,
        masters,
        first,
        second,
        skipped,
    })
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
