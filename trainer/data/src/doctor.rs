//! What is in a data set: counts that tell a healthy one from an ill one, and a look at its masks.
//!
//! Absent on purpose: colours and tables; the command line draws them.

use std::collections::HashSet;

use serde::Serialize;

use crate::sample::{IGNORED, Sample};
use crate::tokenizer::{Tokenizer, TokenizerError};

/// Counts over a data set.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Samples to train on.
    pub samples: usize,
    /// Blank lines passed over.
    pub skipped: usize,
    /// Samples whose end was cut off.
    pub truncated: usize,
    /// Samples left out because they were too long.
    pub dropped: usize,
    /// Samples that became several.
    pub split: usize,
    /// Samples or pieces left out because the cut left them no token that counts.
    pub zero_mask: usize,
    /// Samples whose tokens and labels equal those of an earlier one.
    pub duplicates: usize,
    /// Tokens.
    pub tokens: usize,
    /// Tokens that count in the loss.
    pub trained_tokens: usize,
    /// Lengths of the samples in tokens.
    pub lengths: Lengths,
    /// Share of padding if every sample lay in a row as long as the longest.
    pub padding_share: f64,
    /// Share of padding if samples shared rows of `max_tokens`, in order.
    pub packed_padding_share: f64,
}

/// Distribution of sample lengths in tokens.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Lengths {
    /// Shortest.
    pub min: usize,
    /// Half are at most as long.
    pub p50: usize,
    /// Nine of ten are at most as long.
    pub p90: usize,
    /// 99 of 100 are at most as long.
    pub p99: usize,
    /// Longest.
    pub max: usize,
    /// Mean.
    pub mean: f64,
    /// Counts by length, bounds doubling.
    pub histogram: Vec<Bucket>,
}

/// One bar of the histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// Lengths up to this many tokens, and above the bar before.
    pub up_to: usize,
    /// Samples.
    pub samples: usize,
}

/// A token as the preview shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PreviewToken {
    /// Its text; a character spread over several tokens stands at the last of them.
    pub text: String,
    /// Whether it counts in the loss.
    pub trained: bool,
}

impl Report {
    /// Fills in what the samples themselves tell.
    pub(crate) fn measure(&mut self, samples: &[Sample], max_tokens: usize) {
        let mut lengths: Vec<usize> = samples.iter().map(|s| s.input_ids.len()).collect();
        self.samples = samples.len();
        self.tokens = lengths.iter().sum();
        self.trained_tokens = samples.iter().map(Sample::trained_tokens).sum();
        let mut seen = HashSet::with_capacity(samples.len());
        self.duplicates = samples
            .iter()
            .filter(|s| !seen.insert((&s.input_ids, &s.labels)))
            .count();
        self.packed_padding_share = padding(rows(&lengths, max_tokens) * max_tokens, self.tokens);
        lengths.sort_unstable();
        self.padding_share = padding(
            lengths.last().copied().unwrap_or(0) * lengths.len(),
            self.tokens,
        );
        self.lengths = Lengths::of(&lengths);
    }
}

impl Lengths {
    fn of(sorted: &[usize]) -> Self {
        let (Some(&min), Some(&max)) = (sorted.first(), sorted.last()) else {
            return Self::default();
        };
        // Nearest rank: the smallest length with at least this share at or below it.
        let rank = |percent: usize| sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1];
        let mean = sorted.iter().sum::<usize>() as f64 / sorted.len() as f64;
        let mut histogram = Vec::new();
        let (mut up_to, mut below) = (min.max(1).next_power_of_two(), 0);
        while below < sorted.len() {
            let samples = sorted.partition_point(|&length| length <= up_to) - below;
            histogram.push(Bucket { up_to, samples });
            below += samples;
            up_to *= 2;
        }
        Self {
            min,
            p50: rank(50),
            p90: rank(90),
            p99: rank(99),
            max,
            mean,
            histogram,
        }
    }
}

fn padding(room: usize, tokens: usize) -> f64 {
    if room == 0 {
        0.0
    } else {
        1.0 - tokens as f64 / room as f64
    }
}

/// Rows of `most` tokens that hold whole samples in order.
fn rows(lengths: &[usize], most: usize) -> usize {
    let (mut rows, mut room) = (0, 0);
    for &length in lengths {
        if length > room {
            rows += 1;
            room = most;
        }
        room = room.saturating_sub(length);
    }
    rows
}

/// Spells a sample token by token, with its mask.
pub fn preview(
    sample: &Sample,
    tokenizer: &Tokenizer,
) -> Result<Vec<PreviewToken>, TokenizerError> {
    let ids = &sample.input_ids;
    let mut tokens = Vec::with_capacity(ids.len());
    // Decoding from a fixed start keeps the spaces that belong to words; the start moves on where
    // the text is whole, so that the work stays linear.
    let (mut from, mut shown) = (0, String::new());
    for (at, &label) in sample.labels.iter().enumerate() {
        let text = tokenizer.decode(&ids[from..=at], false)?;
        let whole = !text.ends_with('\u{FFFD}');
        let fresh = if whole {
            text.strip_prefix(shown.as_str()).unwrap_or(&text)
        } else {
            ""
        };
        tokens.push(PreviewToken {
            text: fresh.to_owned(),
            trained: at > 0 && label != IGNORED,
        });
        if whole && at >= from + 8 {
            from = at;
            shown = tokenizer.decode(&ids[at..=at], false)?;
        } else if whole {
            shown = text;
        }
    }
    Ok(tokens)
}
