//! A data set: files read, tokenized, labelled and cut to length.
//!
//! Rules: the same files give the same samples in the same order, whatever the number of threads;
//! bad records are all told at once, up to a bound, and none is passed over in silence; a sample
//! that would teach nothing is an error, unless cutting it made it so, which is counted. Absent on
//! purpose: order and batches, see [`crate::plan`].

mod error;
mod loader;

use std::path::PathBuf;

pub use error::{DataError, Problem};
use rayon::prelude::*;
use schliff_spec::job::{Data, DataFormat};

use self::loader::Loader;
use crate::doctor::Report;
use crate::sample::{Origin, Sample};
use crate::template::ChatTemplate;
use crate::tokenizer::Tokenizer;

/// Samples ready to be trained on.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// The samples, in the order of the files.
    pub samples: Vec<Sample>,
    /// Counts over them and over what was left out.
    pub report: Report,
}

impl Dataset {
    /// Lengths of the samples in tokens, for [`crate::plan::Plan`].
    pub fn lengths(&self) -> Vec<usize> {
        self.samples
            .iter()
            .map(|sample| sample.input_ids.len())
            .collect()
    }
}

/// A question of a labelled set, and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Token ids up to where the answer begins.
    pub prompt_ids: Vec<u32>,
    /// The text that is expected.
    pub answer: String,
    /// Number of the record, from 0.
    pub id: u64,
    /// Where it came from.
    pub origin: Origin,
}

/// What turns records into tokens.
#[derive(Clone, Copy, Debug)]
pub struct Vocabulary<'a> {
    /// The tokenizer; data that is tokens already needs none.
    pub tokenizer: Option<&'a Tokenizer>,
    /// The chat template; formats of messages need one.
    pub template: Option<&'a ChatTemplate>,
    /// Stop token, appended to completions and texts.
    pub eos: Option<u32>,
    /// Rows of the model's embedding: ids must lie below.
    pub size: usize,
}

/// Reads `files` as the job's `data` section says. `eos` is appended to completions and texts;
/// ids must lie below `vocab_size`, the rows of the model's embedding.
#[expect(
    clippy::too_many_arguments,
    reason = "the parts of a vocabulary come one by one"
)]
pub fn load(
    data: &Data,
    files: &[PathBuf],
    tokenizer: Option<&Tokenizer>,
    template: Option<&ChatTemplate>,
    eos: Option<u32>,
    vocab_size: usize,
) -> Result<Dataset, DataError> {
    let vocabulary = Vocabulary {
        tokenizer,
        template,
        eos,
        size: vocab_size,
    };
    if data.max_tokens == 0 {
        return Err(DataError::MaxTokens);
    }
    let loader = Loader::new(data, vocabulary);
    let (records, skipped) = loader.records(files)?;
    let count = records.len();
    let pieces: Vec<_> = records
        .into_par_iter()
        .map(|(file, record)| {
            let origin = Origin {
                file,
                line: record.line,
            };
            loader
                .samples(record, origin)
                .map_err(|reason| (origin, reason))
        })
        .collect();
    let mut report = Report {
        skipped,
        ..Report::default()
    };
    let mut samples = Vec::with_capacity(count);
    let mut problems = Vec::new();
    for piece in pieces {
        match piece {
            Ok(piece) => piece.add_to(&mut samples, &mut report),
            Err((origin, reason)) => problems.push(Problem::new(files, origin, reason)),
        }
    }
    if !problems.is_empty() {
        return Err(DataError::records(problems, count));
    }
    if samples.is_empty() {
        let (dropped, zero_mask) = (report.dropped, report.zero_mask);
        return Err(DataError::NothingLeft {
            max_tokens: data.max_tokens,
            dropped,
            zero_mask,
        });
    }
    for (id, sample) in samples.iter_mut().enumerate() {
        sample.id = id as u64;
    }
    report.measure(&samples, data.max_tokens);
    Ok(Dataset { samples, report })
}

/// Reads the first `most` records of `files` as questions with answers: the prompt up to where the
/// assistant's last turn, or the completion, begins.
pub fn prompts(
    data: &Data,
    files: &[PathBuf],
    vocabulary: Vocabulary<'_>,
    most: usize,
) -> Result<Vec<Question>, DataError> {
    if matches!(data.format, DataFormat::Text | DataFormat::Tokens) {
        return Err(DataError::NoAnswers);
    }
    let loader = Loader::new(data, vocabulary);
    let (mut records, _) = loader.records(files)?;
    records.truncate(most);
    let count = records.len();
    let (mut questions, mut problems) = (Vec::with_capacity(count), Vec::new());
    for (index, (file, record)) in records.into_iter().enumerate() {
        let origin = Origin {
            file,
            line: record.line,
        };
        match loader.question(record) {
            Ok((prompt_ids, answer)) => {
                questions.push(Question {
                    prompt_ids,
                    answer,
                    id: index as u64,
                    origin,
                });
            }
            Err(reason) => problems.push(Problem::new(files, origin, reason)),
        }
    }
    match problems.is_empty() {
        true => Ok(questions),
        false => Err(DataError::records(problems, count)),
    }
}
