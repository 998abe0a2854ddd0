//! The start-up proof that samples in one row do not see each other.

use schliff_data::sample::Sample;
use thiserror::Error;

use crate::adapter::factors::Adapter;
use crate::model::batch::Leaf;
use crate::model::network::Network;
use crate::model::projection::Context;

/// Samples compared: enough to have neighbours on both sides.
const SAMPLES: usize = 3;
/// Tokens of each, at most: a leak shows at once, and the start must not wait.
const TOKENS: usize = 16;
/// Largest difference of one token's loss, in nats: rounding, not content.
const TOLERANCE: f32 = 1e-3;

/// Samples that share a row influence each other.
#[derive(Debug, Error, PartialEq)]
#[error("packed samples are not isolated: a token's loss is {packed} in company and {alone} alone")]
pub(crate) struct PackingError {
    packed: f32,
    alone: f32,
}

/// Compares the loss of every token, packed and alone, on the real model and data.
pub(crate) fn check(
    network: &Network,
    adapter: &Adapter<'_>,
    samples: &[&Sample],
) -> Result<(), PackingError> {
    if samples.len() < 2 {
        return Ok(());
    }
    let samples: Vec<Sample> = samples.iter().take(SAMPLES).map(|s| beginning(s)).collect();
    let losses = |samples: &[Sample]| {
        let leaf = Leaf::new(samples);
        network.losses(&Context {
            leaf: &leaf,
            adapter: Some(adapter),
            dropout: None,
        })
    };
    let packed = losses(&samples);
    let alone = samples
        .iter()
        .flat_map(|sample| losses(std::slice::from_ref(sample)));
    for (packed, alone) in packed.into_iter().zip(alone) {
        // A difference that is not a number is one, too.
        let close = (packed - alone).abs() <= TOLERANCE;
        if !close && alone.is_finite() {
            return Err(PackingError { packed, alone });
        }
    }
    Ok(())
}

/// The first tokens of a sample, all of them labelled.
fn beginning(sample: &Sample) -> Sample {
    let input_ids = sample.input_ids[..sample.input_ids.len().min(TOKENS)].to_vec();
    Sample {
        labels: input_ids.iter().map(|&id| i64::from(id)).collect(),
        input_ids,
        ..sample.clone()
    }
}
