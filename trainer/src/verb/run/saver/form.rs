//! What a checkpoint is made of, and how it is read back.
//!
//! It holds the adapter as PEFT reads it (which is the masters, in 32 bits), the moments, the cursor
//! and the resolved job.

use std::path::Path;

use schliff_registry::checkpoint::{Checkpoint, Lease, Part};
use schliff_spec::exit::ExitCode;
use schliff_weights::adapter::AdapterConfig;
use schliff_weights::{AdapterFiles, decode_adapter, encode_adapter};

use crate::adapter::layout::Layout;
use crate::adapter::peft::{export, masters_of};
use crate::failure::Failure;
use crate::training::snapshot::from_bytes;
use crate::verb::job::OpenJob;
use crate::verb::run::begin::{Cursor, Found};

/// `adapter_model.safetensors` of a PEFT folder.
const ADAPTER: &str = "adapter_model";
/// `adapter_config.json` of a PEFT folder.
const ADAPTER_CONFIG: &str = "adapter_config";
/// First, then second moments, as little-endian 32-bit floats in the layout's order.
const MOMENTS: &str = "moments";
/// The resolved job as JSON, as the trainer receives it.
const JOB: &str = "job";

/// What every checkpoint of a run shares.
pub(super) struct Form {
    pub(super) layout: Layout,
    pub(super) config: AdapterConfig,
    pub(super) resolved: Vec<u8>,
}

impl Form {
    /// The parts of the state that these masters and moments are.
    pub(super) fn parts(&self, masters: &[f32], moments: Lease<u8>) -> Result<Vec<Part>, String> {
        let adapter = export(&self.layout, masters, &self.config);
        let files = encode_adapter(&adapter).map_err(|error| error.to_string())?;
        let part = |name, bytes| Part { name, bytes };
        // In this order in every version: the list is part of what two writers compare.
        Ok(vec![
            part(ADAPTER, files.weights.into()),
            part(ADAPTER_CONFIG, files.config.into()),
            part(MOMENTS, moments.into_bytes()),
            part(JOB, self.resolved.clone().into()),
        ])
    }
}

/// The state in a checkpoint whose digests are right.
pub(super) fn read(
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
