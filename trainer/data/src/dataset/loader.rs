//! One record after the other: from its fields to samples, or to a question.

use std::ops::Range;
use std::path::PathBuf;

use schliff_spec::job::{Data, DataFormat, LossOn, Overflow};

use super::{DataError, Vocabulary};
use crate::doctor::Report;
use crate::format::{self, Example, Fields};
use crate::labelling::Labelled;
use crate::record::{self, Content, Record};
use crate::sample::{IGNORED, Origin, Sample};
use crate::template::Conversation;
use crate::tokenizer::Tokenizer;

/// What every record is read with.
pub(super) struct Loader<'a> {
    data: &'a Data,
    vocabulary: Vocabulary<'a>,
    special: Vec<String>,
}

impl<'a> Loader<'a> {
    pub(super) fn new(data: &'a Data, vocabulary: Vocabulary<'a>) -> Self {
        let special = vocabulary
            .tokenizer
            .map(Tokenizer::special_texts)
            .unwrap_or_default();
        Self {
            data,
            vocabulary,
            special,
        }
    }

    /// All records with the index of their file, and the number of blank lines.
    pub(super) fn records(
        &self,
        files: &[PathBuf],
    ) -> Result<(Vec<(usize, Record)>, usize), DataError> {
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

    /// Samples of one record.
    pub(super) fn samples(&self, record: Record, origin: Origin) -> Result<Cut, String> {
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
        let encode = |text: &str, parts: &[Range<usize>], add_special| {
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

    fn cut(&self, labelled: &Labelled, sample: impl Fn(Labelled, Range<usize>) -> Sample) -> Cut {
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

    /// Prompt and answer of one record.
    pub(super) fn question(&self, record: Record) -> Result<(Vec<u32>, String), String> {
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
pub(super) struct Cut {
    samples: Vec<Sample>,
    truncated: usize,
    dropped: usize,
    split: usize,
    zero_mask: usize,
}

impl Cut {
    /// Appends the samples and counts what was done to them.
    pub(super) fn add_to(self, samples: &mut Vec<Sample>, report: &mut Report) {
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
        trained: labels.iter().map(|&label| label != IGNORED).collect(),
        offsets: vec![0..0; input_ids.len()],
    }
}

fn no_template() -> String {
    DataError::NoTemplate.to_string()
}
