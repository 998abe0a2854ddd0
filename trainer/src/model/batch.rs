//! The tokens of one leaf: whole samples laid end to end, each attending to itself alone.

use std::ops::Range;

use schliff_data::sample::{IGNORED, Sample};

use crate::kernel::dropout::mix;

/// Samples laid end to end, ready for the network.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leaf {
    /// Token ids.
    pub(crate) tokens: Vec<u32>,
    /// Position of each token in its sample.
    pub(crate) positions: Vec<usize>,
    /// Rows of each sample.
    pub(crate) segments: Vec<Range<usize>>,
    /// Rows whose next token counts, in rising order.
    pub(crate) predicting: Vec<usize>,
    /// That next token, for each of `predicting`.
    pub(crate) labels: Vec<u32>,
    /// A number of each row's own, equal wherever and whenever the row is computed.
    identities: Vec<u64>,
}

impl Leaf {
    /// Lays samples end to end.
    pub(crate) fn new<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> Self {
        let mut leaf = Self::default();
        for sample in samples {
            let start = leaf.tokens.len();
            leaf.tokens.extend(&sample.input_ids);
            leaf.positions.extend(0..sample.input_ids.len());
            leaf.segments.push(start..leaf.tokens.len());
            let own = mix(sample.id);
            leaf.identities
                .extend((0..sample.input_ids.len() as u64).map(|i| mix(own ^ i)));
            for (i, &label) in sample.labels.iter().enumerate().skip(1) {
                if label != IGNORED {
                    leaf.predicting.push(start + i - 1);
                    leaf.labels.push(label as u32);
                }
            }
        }
        leaf
    }

    /// Prompts laid end to end, without labels.
    pub(crate) fn inference<'a>(prompts: impl IntoIterator<Item = &'a [u32]>) -> Self {
        let mut leaf = Self::default();
        for prompt in prompts {
            let start = leaf.tokens.len();
            leaf.tokens.extend(prompt);
            leaf.positions.extend(0..prompt.len());
            leaf.segments.push(start..leaf.tokens.len());
        }
        leaf
    }

    /// One (token, position) of each of several sequences whose past is cached elsewhere.
    pub(crate) fn decoding(rows: impl IntoIterator<Item = (u32, usize)>) -> Self {
        let (tokens, positions) = rows.into_iter().unzip();
        Self {
            tokens,
            positions,
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
