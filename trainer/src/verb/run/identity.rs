//! What makes two runs the same job, to the bit.
//!
//! Two jobs are the same where their adapters must be: the base's bytes, the samples as tokens, the
//! adapter's and the optimizer's settings. Names, paths, cadences and the number of ranks do not
//! count, so a job goes on elsewhere and in other hands.

use schliff_data::sample::Sample;
use schliff_registry::JobDigest;
use schliff_weights::WeightsError;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::verb::job::OpenJob;

/// The digest of all that decides the adapter's bits.
pub(super) fn digest(open: &OpenJob<'_>) -> Result<JobDigest, WeightsError> {
    let mut adapter = open.job.adapter.clone();
    let init = adapter.init.take();
    let init = match init {
        None => None,
        Some(_) => Some(hex(&Sha256::digest(floats(open)?))),
    };
    let own = json!({
        "version": 1,
        "base": open.base.weights.digest()?,
        "quantization": open.job.model.quantization,
        "adapter": adapter,
        "init": init,
        "samples": samples_digest(&open.train.samples),
        "packing": open.job.data.packing,
        "shuffle": open.job.data.shuffle,
        "training": open.job.training,
    });
    Ok(JobDigest::of(own.to_string().as_bytes()))
}

/// The initial factors that `adapter.init` brings, as bytes.
fn floats(open: &OpenJob<'_>) -> Result<Vec<u8>, WeightsError> {
    let Some(folder) = &open.job.adapter.init else {
        return Ok(Vec::new());
    };
    let adapter = schliff_weights::read_adapter(folder)?;
    schliff_weights::encode_adapter(&adapter).map(|files| files.weights)
}

fn samples_digest(samples: &[Sample]) -> String {
    let mut hasher = Sha256::new();
    let mut bytes = Vec::new();
    for sample in samples {
        bytes.clear();
        bytes.extend(sample.id.to_le_bytes());
        bytes.extend((sample.input_ids.len() as u64).to_le_bytes());
        for (token, label) in sample.input_ids.iter().zip(&sample.labels) {
            bytes.extend(token.to_le_bytes());
            bytes.extend(label.to_le_bytes());
        }
        hasher.update(&bytes);
    }
    hex(&hasher.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
