//! From text with trained parts to tokens with labels.
//!
//! Rules: the text is tokenized whole, as inference and HF do. Only where a token would reach over
//! the border of a trained part are the parts tokenized one by one, so that the prompt's tokens are
//! the very ones that inference feeds and no token is half trained. Bytes are counted for text
//! alone: markup is trained but is nobody's text.

use std::ops::Range;

use crate::sample::IGNORED;
use crate::tokenizer::{Encoded, Tokenizer, TokenizerError};

/// Tokens of one example, with what each is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Labelled {
    pub(crate) ids: Vec<u32>,
    pub(crate) trained: Vec<bool>,
    /// Bytes of text behind each token; none behind markup.
    pub(crate) offsets: Vec<Range<usize>>,
}

impl Labelled {
    /// Tokenizes a text of which `parts` (in order, not overlapping) are trained.
    pub(crate) fn new(
        tokenizer: &Tokenizer,
        text: &str,
        parts: &[Range<usize>],
        add_special: bool,
    ) -> Result<Self, TokenizerError> {
        let encoded = tokenizer.encode_with_offsets(text, add_special)?;
        let borders = borders(text.len(), parts);
        let split = |&(start, end): &(usize, usize)| {
            let next = borders.partition_point(|&border| border <= start);
            borders.get(next).is_some_and(|&border| border < end)
        };
        match encoded.offsets.iter().any(split) {
            true => Self::by_parts(tokenizer, text, parts, &encoded),
            false => {
                let mut labelled = Self::default();
                labelled.extend(tokenizer, &encoded, 0, |start| inside(parts, start));
                labelled.mark_closing(&encoded);
                Ok(labelled)
            }
        }
    }

    fn by_parts(
        tokenizer: &Tokenizer,
        text: &str,
        parts: &[Range<usize>],
        whole: &Encoded,
    ) -> Result<Self, TokenizerError> {
        let mut labelled = Self::default();
        let opening = whole.added.iter().take_while(|&&added| added).count();
        labelled.extend(tokenizer, &slice(whole, 0..opening), 0, |_| false);
        let mut start = 0;
        for end in borders(text.len(), parts) {
            let encoded = tokenizer.encode_with_offsets(&text[start..end], false)?;
            let trained = inside(parts, start);
            labelled.extend(tokenizer, &encoded, start, |_| trained);
            start = end;
        }
        let closing = whole.added.iter().rev().take_while(|&&added| added).count();
        let closing = slice(
            whole,
            whole.ids.len() - closing.min(whole.ids.len() - opening)..whole.ids.len(),
        );
        labelled.extend(tokenizer, &closing, start, |_| true);
        Ok(labelled)
    }

    /// Appends a stop token, trained, unless it is there already.
    pub(crate) fn stop(&mut self, eos: Option<u32>) {
        if let Some(eos) = eos.filter(|eos| self.ids.last() != Some(eos)) {
            let end = self.offsets.last().map_or(0, |last| last.end);
            self.ids.push(eos);
            self.trained.push(true);
            self.offsets.push(end..end);
        }
    }

    /// Tokens that count in the loss: trained ones, but the first of a sample.
    pub(crate) fn trained_tokens(&self) -> usize {
        self.trained
            .iter()
            .skip(1)
            .filter(|&&trained| trained)
            .count()
    }

    /// The piece of this example in a range of its tokens.
    pub(crate) fn cut(&self, tokens: Range<usize>) -> Self {
        Self {
            ids: self.ids[tokens.clone()].to_vec(),
            trained: self.trained[tokens.clone()].to_vec(),
            offsets: self.offsets[tokens].to_vec(),
        }
    }

    pub(crate) fn labels(&self) -> Vec<i64> {
        let label = |(&id, &trained)| if trained { i64::from(id) } else { IGNORED };
        self.ids.iter().zip(&self.trained).map(label).collect()
    }

    /// Bytes of text behind the tokens that count. A character spread over several tokens counts
    /// with the first of them, so never where that is the sample's first token.
    pub(crate) fn trained_bytes(&self) -> usize {
        let mut covered = self.offsets.first().map_or(0, |first| first.end);
        let mut bytes = 0;
        for (range, &trained) in self.offsets.iter().zip(&self.trained).skip(1) {
            if trained {
                bytes += range.end.saturating_sub(range.start.max(covered));
                covered = covered.max(range.end);
            }
        }
        bytes
    }

    fn extend(
        &mut self,
        tokenizer: &Tokenizer,
        encoded: &Encoded,
        base: usize,
        trained: impl Fn(usize) -> bool,
    ) {
        for (&id, &(start, end)) in encoded.ids.iter().zip(&encoded.offsets) {
            let (start, end) = (base + start, base + end);
            self.ids.push(id);
            self.trained.push(trained(start));
            self.offsets.push(if tokenizer.is_special(id) {
                end..end
            } else {
                start..end
            });
        }
    }

    /// The post-processor's own tokens lie at byte nought: the opening ones are never trained, the
    /// closing ones are, as the stop they are.
    fn mark_closing(&mut self, encoded: &Encoded) {
        let opening = encoded.added.iter().take_while(|&&added| added).count();
        for (at, _) in encoded
            .added
            .iter()
            .enumerate()
            .filter(|&(_, &added)| added)
        {
            self.trained[at] = at >= opening;
        }
    }
}

/// Ends of the stretches that are alike, in order, the last being that of the text.
fn borders(length: usize, parts: &[Range<usize>]) -> Vec<usize> {
    let mut borders: Vec<usize> = parts
        .iter()
        .flat_map(|part| [part.start, part.end])
        .filter(|&at| at > 0)
        .collect();
    borders.push(length);
    borders.dedup();
    borders
}

fn inside(parts: &[Range<usize>], at: usize) -> bool {
    let next = parts.partition_point(|part| part.end <= at);
    parts.get(next).is_some_and(|part| part.start <= at)
}

fn slice(encoded: &Encoded, range: Range<usize>) -> Encoded {
    Encoded {
        ids: encoded.ids[range.clone()].to_vec(),
        offsets: encoded.offsets[range.clone()].to_vec(),
        added: encoded.added[range].to_vec(),
    }
}
