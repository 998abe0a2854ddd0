//! A data set: files read, tokenized, labelled and cut to length.
//!
//! Rules: the same files give the same samples in the same order, whatever the number of threads;
//! bad records are all told at once, up to a bound, and none is passed over in silence; a sample
//! that would teach nothing is an error, unless cutting it made it so, which is counted. Absent on
//! purpose: order and batches, see [`crate::plan`].

mod error;

use std::path::PathBuf;

pub use error::{DataError, Problem};
use rayon::prelude::*;
use schliff_spec::job::{Data, DataFormat, LossOn, Overflow};

use crate::doctor::Report;
use crate::format::{self, Example, Fields};
use crate::labelling::Labelled;
use crate::record::{self, Content, Record};
use crate::sample::{Origin, Sample};
use crate::template::{ChatTemplate, Conversation};
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
    let special = vocabulary
        .tokenizer
        .map(Tokenizer::special_texts)
        .unwrap_or_default();
    let loader = Loader {
        data,
        vocabulary,
        special,
    };
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
    let special = vocabulary
        .tokenizer
        .map(Tokenizer::special_texts)
        .unwrap_or_default();
    let loader = Loader {
        data,
        vocabulary,
        special,
    };
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

struct Loader<'a> {
    data: &'a Data,
    vocabulary: Vocabulary<'a>,
    special: Vec<String>,
}

impl Loader<'_> {
    fn records(&self, files: &[PathBuf]) -> Result<(Vec<(usize, Record)>, usize), DataError> {
        let chat = matches!(
            self.data.format,
            DataFormat::Messages | DataFormat::Sharegpt
        );
        if chat && self.vocabulary.template.is_none() {
            return Err(DataError::NoTemplate);
        }
        if files.is_empty() {
            return Err(DataError::NoFiles);
        }
        let (mut all, mut blank) = (Vec::new(), 0);
        for (file, path) in files.iter().enumerate() {
            let (records, skipped) = record::read(path)?;
            all.extend(records.into_iter().map(|record| (file, record)));
            blank += skipped;
        }
        Ok((all, blank))
    }

    fn example(&self, record: Record) -> Result<Example, String> {
        let (fields, from_csv) = match record.content {
            Content::Line(line) => (record::parse_line(&line)?, false),
            Content::Fields { fields, from_csv } => (fields, from_csv),
            Content::Bad(reason) => return Err(reason),
        };
        let fields = Fields {
            fields: &fields,
            from_csv,
        };
        format::example(
            self.data.format,
            &fields,
            self.vocabulary.template.is_some(),
        )
    }

    fn samples(&self, record: Record, origin: Origin) -> Result<Cut, String> {
        let (labelled, labels, with_text) = match self.example(record)? {
            Example::Tokens { input_ids, labels } => {
                let labelled = given(&input_ids, &labels);
                (labelled, Some(labels), false)
            }
            example => (self.labelled(&example)?, None, true),
        };
        self.check(&labelled, labels.as_deref())?;
        Ok(self.cut(&labelled, |piece, range| Sample {
            id: 0,
            trained_bytes: with_text.then(|| piece.trained_bytes()),
            labels: match &labels {
                Some(labels) => labels[range].to_vec(),
                None => piece.labels(),
            },
            input_ids: piece.ids,
            origin,
        }))
    }

    /// Tokens and mask of an example that is text.
    fn labelled(&self, example: &Example) -> Result<Labelled, String> {
        let (tokenizer, eos) = (self.tokenizer()?, self.vocabulary.eos);
        let all = self.data.loss_on == LossOn::All;
        let encode = |text: &str, parts: &[std::ops::Range<usize>], add_special| {
            Labelled::new(tokenizer, text, parts, add_special).map_err(|error| error.to_string())
        };
        let from_byte = |start, text: &str, add_special| {
            encode(
                text,
                std::slice::from_ref(&(start..text.len())),
                add_special,
            )
        };
        match example {
            Example::Text(text) => {
                let mut labelled = from_byte(0, text, true)?;
                labelled.stop(eos);
                Ok(labelled)
            }
            Example::Pair { prompt, completion } => {
                let text = format!("{prompt}{completion}");
                let start = if all { 0 } else { prompt.len() };
                let mut labelled = from_byte(start, &text, true)?;
                labelled.stop(eos);
                Ok(labelled)
            }
            Example::Chat {
                messages,
                tools,
                from,
            } => {
                let template = self.vocabulary.template.ok_or_else(no_template)?;
                let conversation = Conversation {
                    messages,
                    tools: tools.as_ref(),
                    from: *from,
                };
                if all {
                    let text = template.render(messages, tools.as_ref(), false);
                    let text = text.map_err(|error| error.to_string())?;
                    return from_byte(0, &text, false);
                }
                let turns = template.turns(conversation, &self.special);
                let turns = turns.map_err(|error| error.to_string())?;
                encode(&turns.text, &turns.assistant, false)
            }
            Example::Tokens { input_ids, labels } => Ok(given(input_ids, labels)),
        }
    }

    fn check(&self, labelled: &Labelled, labels: Option<&[i64]>) -> Result<(), String> {
        let size = self.vocabulary.size;
        let labels = labels
            .unwrap_or_default()
            .iter()
            .filter_map(|&label| u32::try_from(label).ok());
        if let Some(id) = labelled
            .ids
            .iter()
            .copied()
            .chain(labels)
            .find(|&id| id as usize >= size)
        {
            return Err(format!(
                "token {id} is outside the model's vocabulary of {size}"
            ));
        }
        if labelled.trained_tokens() == 0 {
            return Err("no token of this sample would be trained".to_owned());
        }
        Ok(())
    }

    fn cut(
        &self,
        labelled: &Labelled,
        sample: impl Fn(Labelled, std::ops::Range<usize>) -> Sample,
    ) -> Cut {
        let (length, most) = (labelled.ids.len(), self.data.max_tokens);
        let mut cut = Cut::default();
        let ranges: Vec<_> = if length <= most {
            std::iter::once(0..length).collect()
        } else {
            match self.data.overflow {
                Overflow::Drop => {
                    cut.dropped = 1;
                    return cut;
                }
                Overflow::Truncate => {
                    cut.truncated = 1;
                    std::iter::once(0..most).collect()
                }
                Overflow::Split => {
                    cut.split = 1;
                    (0..length)
                        .step_by(most)
                        .map(|at| at..(at + most).min(length))
                        .collect()
                }
            }
        };
        for range in ranges {
            let piece = labelled.cut(range.clone());
            if piece.trained_tokens() == 0 {
                cut.zero_mask += 1;
            } else {
                cut.samples.push(sample(piece, range));
            }
        }
        cut
    }

    fn tokenizer(&self) -> Result<&Tokenizer, String> {
        let missing = "text needs a tokenizer, and the base model has none";
        self.vocabulary.tokenizer.ok_or_else(|| missing.to_owned())
    }

    fn question(&self, record: Record) -> Result<(Vec<u32>, String), String> {
        let tokenizer = self.tokenizer()?;
        match self.example(record)? {
            Example::Pair { prompt, completion } => {
                let mut encoded = tokenizer
                    .encode_with_offsets(&prompt, true)
                    .map_err(|error| error.to_string())?;
                // A closing token of the post-processor would end the text before its answer.
                let opening = encoded.added.iter().take_while(|&&added| added).count();
                while encoded.ids.len() > opening && encoded.added.last() == Some(&true) {
                    encoded.ids.pop();
                    encoded.added.pop();
                }
                Ok((encoded.ids, completion))
            }
            Example::Chat {
                messages, tools, ..
            } => {
                let last = messages
                    .iter()
                    .rposition(|message| message.role() == "assistant");
                let last = last.ok_or("the conversation has no turn of the assistant")?;
                let template = self.vocabulary.template.ok_or_else(no_template)?;
                let text = template
                    .render(&messages[..last], tools.as_ref(), true)
                    .map_err(|error| error.to_string())?;
                let ids = tokenizer
                    .encode(&text, false)
                    .map_err(|error| error.to_string())?;
                Ok((ids, messages[last].text()))
            }
            Example::Text(_) | Example::Tokens { .. } => Err(DataError::NoAnswers.to_string()),
        }
    }
}

/// What became of one record.
#[derive(Default)]
struct Cut {
    samples: Vec<Sample>,
    truncated: usize,
    dropped: usize,
    split: usize,
    zero_mask: usize,
}

impl Cut {
    fn add_to(self, samples: &mut Vec<Sample>, report: &mut Report) {
        samples.extend(self.samples);
        report.truncated += self.truncated;
        report.dropped += self.dropped;
        report.split += self.split;
        report.zero_mask += self.zero_mask;
    }
}

fn given(input_ids: &[u32], labels: &[i64]) -> Labelled {
    Labelled {
        ids: input_ids.to_vec(),
        trained: labels
            .iter()
            .map(|&label| label != crate::sample::IGNORED)
            .collect(),
        offsets: vec![0..0; input_ids.len()],
    }
}

fn no_template() -> String {
    DataError::NoTemplate.to_string()
}
