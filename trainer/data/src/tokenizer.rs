//! Text to token ids and back.
//!
//! Rules: ids are those of HF's fast tokenizer over the same vocabulary; a tokenizer never cuts
//! and never pads, whatever its file says; offsets are bytes of the text that was given. Absent on
//! purpose: training vocabularies, downloads.

mod gguf;
mod split;

use std::path::{Path, PathBuf};

pub use gguf::GgufVocabulary;
use tokenizers::PostProcessorWrapper;

/// Why a tokenizer could not be built or used.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// The file cannot be read.
    #[error("cannot read tokenizer {path}")]
    Read {
        /// The tokenizer.json.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no tokenizer.json.
    #[error("{path} is no tokenizer.json that can be used: {reason}")]
    Parse {
        /// The tokenizer.json.
        path: PathBuf,
        /// What the parser found.
        reason: String,
    },
    /// The GGUF file names a kind of vocabulary that is not known here.
    #[error(
        "the GGUF file's tokenizer model \"{model}\" is not supported (known: gpt2, llama); \
         set model.tokenizer to the model's tokenizer.json"
    )]
    UnknownModel {
        /// `tokenizer.ggml.model`.
        model: String,
    },
    /// The GGUF file names a way of splitting words that is not known here.
    #[error(
        "the GGUF file's pre-tokenizer \"{pre}\" is not supported (known: {known}); \
         set model.tokenizer to the model's tokenizer.json"
    )]
    UnknownPre {
        /// `tokenizer.ggml.pre`.
        pre: String,
        /// The names that are known.
        known: String,
    },
    /// The GGUF file's vocabulary contradicts itself.
    #[error("the GGUF file's vocabulary cannot be used: {reason}")]
    Vocabulary {
        /// What is wrong with it.
        reason: String,
    },
    /// A text could not be turned into tokens.
    #[error("cannot tokenize {text:?}: {reason}")]
    Encode {
        /// The text's beginning.
        text: String,
        /// What the tokenizer said.
        reason: String,
    },
    /// Tokens could not be turned into text.
    #[error("cannot decode {count} tokens: {reason}")]
    Decode {
        /// How many tokens.
        count: usize,
        /// What the tokenizer said.
        reason: String,
    },
}

/// Tokens of one text and where each lies in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    /// Token ids.
    pub ids: Vec<u32>,
    /// Bytes of the text behind each token, `start..end`; equal where there are none. Tokens that
    /// share a character share its range.
    pub offsets: Vec<(usize, usize)>,
    /// True for tokens that the post-processor added (bos, eos) and no text stands behind.
    pub added: Vec<bool>,
}

/// A vocabulary and its rules.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// Ids of special tokens, sorted.
    special: Vec<u32>,
}

impl Tokenizer {
    /// Reads a tokenizer.json.
    pub fn from_file(path: &Path) -> Result<Self, TokenizerError> {
        let bytes = std::fs::read(path).map_err(|source| TokenizerError::Read {
            path: path.to_path_buf(),
            source,
        })?;
        let inner =
            tokenizers::Tokenizer::from_bytes(bytes).map_err(|error| TokenizerError::Parse {
                path: path.to_path_buf(),
                reason: error.to_string(),
            })?;
        Self::new(inner).map_err(|reason| TokenizerError::Parse {
            path: path.to_path_buf(),
            reason,
        })
    }

    /// Builds the tokenizer that a GGUF file's metadata describes.
    pub fn from_gguf(vocabulary: &GgufVocabulary) -> Result<Self, TokenizerError> {
        let inner = gguf::build(vocabulary)?;
        Self::new(inner).map_err(|reason| TokenizerError::Vocabulary { reason })
    }

    fn new(mut inner: tokenizers::Tokenizer) -> Result<Self, String> {
        inner.with_padding(None);
        inner
            .with_truncation(None)
            .map_err(|error| error.to_string())?;
        // Trimmed offsets leave a word's leading space to nobody, and masks are cut by offsets.
        if let Some(mut processor) = inner.get_post_processor().cloned() {
            keep_whitespace_in_offsets(&mut processor);
            inner.with_post_processor(Some(processor));
        }
        let mut special: Vec<u32> = inner
            .get_added_tokens_decoder()
            .iter()
            .filter(|(_, token)| token.special)
            .map(|(&id, _)| id)
            .collect();
        special.sort_unstable();
        Ok(Self { inner, special })
    }

    /// Token ids of a text. With `add_special`, as HF's `tokenizer(text)`: bos and eos are added
    /// where the post-processor says so.
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>, TokenizerError> {
        match self.inner.encode_fast(text, add_special) {
            Ok(encoding) => Ok(encoding.get_ids().to_vec()),
            Err(error) => Err(encode_error(text, &error)),
        }
    }

    /// Token ids of a text, with the bytes behind each.
    pub fn encode_with_offsets(
        &self,
        text: &str,
        add_special: bool,
    ) -> Result<Encoded, TokenizerError> {
        let encoding = self
            .inner
            .encode(text, add_special)
            .map_err(|error| encode_error(text, &error))?;
        Ok(Encoded {
            ids: encoding.get_ids().to_vec(),
            offsets: encoding.get_offsets().to_vec(),
            added: encoding
                .get_special_tokens_mask()
                .iter()
                .map(|&mark| mark != 0)
                .collect(),
        })
    }

    /// Text of token ids; with `skip_special`, without that of special tokens.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, TokenizerError> {
        self.inner
            .decode(ids, skip_special)
            .map_err(|error| TokenizerError::Decode {
                count: ids.len(),
                reason: error.to_string(),
            })
    }

    /// The tokenizer as a `tokenizer.json`.
    pub fn to_json(&self) -> Result<String, TokenizerError> {
        self.inner
            .to_string(true)
            .map_err(|error| TokenizerError::Vocabulary {
                reason: error.to_string(),
            })
    }

    /// Number of tokens, added ones included.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// Id of a token, by its spelling in the vocabulary.
    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// Spelling of a token in the vocabulary (bytes in GPT-2's alphabet, not text).
    pub fn token_text(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// Whether a token is special: markup, no text.
    pub fn is_special(&self, id: u32) -> bool {
        self.special.binary_search(&id).is_ok()
    }

    /// Spellings of all special tokens.
    pub fn special_texts(&self) -> Vec<String> {
        self.special
            .iter()
            .filter_map(|&id| self.token_text(id))
            .collect()
    }
}

fn keep_whitespace_in_offsets(processor: &mut PostProcessorWrapper) {
    match processor {
        PostProcessorWrapper::ByteLevel(bytes) => bytes.trim_offsets = false,
        PostProcessorWrapper::Roberta(roberta) => roberta.trim_offsets = false,
        PostProcessorWrapper::Sequence(sequence) => {
            sequence
                .as_mut()
                .iter_mut()
                .for_each(keep_whitespace_in_offsets);
        }
        PostProcessorWrapper::Bert(_) | PostProcessorWrapper::Template(_) => {}
    }
}

fn encode_error(text: &str, error: &tokenizers::Error) -> TokenizerError {
    TokenizerError::Encode {
        text: text.chars().take(40).collect(),
        reason: error.to_string(),
    }
}
