//! One training sample: tokens, and which of them count.

/// Label of a token that does not count in the loss (the value torch uses).
pub const IGNORED: i64 = -100;

/// Tokens and labels of one sample, aligned: the loss compares the logits at `i - 1` with
/// `labels[i]`, so the first label never counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Position in the data set, stable for a given data set: sample order and dropout hang on it.
    pub id: u64,
    /// Token ids.
    pub input_ids: Vec<u32>,
    /// Same length as `input_ids`; [`IGNORED`] where a token does not count.
    pub labels: Vec<i64>,
    /// Bytes of text behind the tokens that count; `None` where the text is not known.
    pub trained_bytes: Option<usize>,
    /// Where it came from: index into the data set's files, and line or row, from 1.
    pub origin: Origin,
}

/// Place of a sample in its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Index into the list of files.
    pub file: usize,
    /// Line (jsonl, csv), or element or row (json, parquet), from 1.
    pub line: usize,
}

impl Sample {
    /// Tokens that count in the loss: labelled positions but the first.
    pub fn trained_tokens(&self) -> usize {
        self.labels
            .iter()
            .skip(1)
            .filter(|&&label| label != IGNORED)
            .count()
    }
}
