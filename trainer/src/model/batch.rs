//! The tokens of one leaf: whole samples laid end to end, each attending to itself alone.

use schliff_data::sample::{IGNORED, Sample};

use crate::kernel::dropout::mix;
use crate::tensor::indices::{Indices, Segments};

/// Samples laid end to end, ready for the network.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leaf {
    /// Token ids.
    pub(crate) tokens: Indices,
    /// Position of each token in its sample.
    pub(crate) positions: Indices,
    /// Rows of each sample.
    pub(crate) segments: Segments,
    /// Rows whose next token counts, in rising order.
    pub(crate) predicting: Indices,
    /// That next token, for each of `predicting`.
    pub(crate) labels: Indices,
    /// A number of each row's own, equal wherever and whenever the row is computed.
    identities: Vec<u64>,
}

impl Leaf {
    /// Lays samples end to end.
    pub(crate) fn new<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> Self {
        let mut sequences = Vec::new();
        let (mut predicting, mut labels, mut identities) = (Vec::new(), Vec::new(), Vec::new());
        let mut start = 0;
        for sample in samples {
            let own = mix(sample.id);
            identities.extend((0..sample.input_ids.len() as u64).map(|i| mix(own ^ i)));
            for (i, &label) in sample.labels.iter().enumerate().skip(1) {
                if label != IGNORED {
                    predicting.push(start + i - 1);
                    labels.push(label as usize);
                }
            }
            start += sample.input_ids.len();
            sequences.push(sample.input_ids.as_slice());
        }
        Self {
            predicting: predicting.into_iter().collect(),
            labels: labels.into_iter().collect(),
            identities,
            ..Self::inference(sequences)
        }
    }

    /// Prompts laid end to end, without labels.
    pub(crate) fn inference<'a>(prompts: impl IntoIterator<Item = &'a [u32]>) -> Self {
        let (mut tokens, mut positions, mut segments) = (Vec::new(), Vec::new(), Vec::new());
        for prompt in prompts {
            let start = tokens.len();
            tokens.extend(prompt.iter().map(|&token| token as usize));
            positions.extend(0..prompt.len());
            segments.push(start..tokens.len());
        }
        Self {
            tokens: tokens.into_iter().collect(),
            positions: positions.into_iter().collect(),
            segments: segments.into_iter().collect(),
            ..Self::default()
        }
    }

    /// One (token, position) of each of several sequences whose past is cached elsewhere.
    pub(crate) fn decoding(rows: impl IntoIterator<Item = (u32, usize)>) -> Self {
        let (tokens, positions): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        Self {
            tokens: tokens.into_iter().map(|token| token as usize).collect(),
            positions: positions.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Dropout keys of the rows for one adapted module at one step.
    pub(crate) fn dropout_keys(&self, seed: u64, step: u64, module: u64) -> Vec<u64> {
        let key = mix(mix(mix(seed) ^ step) ^ module);
        self.identities
            .iter()
            .map(|identity| mix(identity ^ key))
            .collect()
    }
}
