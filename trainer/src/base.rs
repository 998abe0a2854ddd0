//! A base model as verbs see it: its files, its words, and, once asked for, its network.

use std::path::Path;

use schliff_data::template::{ChatTemplate, TemplateError};
use schliff_data::tokenizer::{GgufVocabulary, Tokenizer, TokenizerError};
use schliff_spec::job::BaseModel;
use schliff_weights::{BaseWeights, WeightsError};
use serde_json::Value;
use thiserror::Error;

/// Why a base model cannot be used.
#[derive(Debug, Error)]
pub enum BaseError {
    /// Its files.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// Its tokenizer.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// Its chat template.
    #[error("the chat template of {base} cannot be used")]
    Template {
        /// The model.
        base: String,
        /// Why not.
        source: TemplateError,
    },
    /// A file named in the job.
    #[error("cannot read {path}")]
    File {
        /// The file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// More tokens than embeddings.
    #[error("vocabulary mismatch: the tokenizer knows {tokens} tokens, the model embeds {rows}")]
    Vocabulary {
        /// Tokens.
        tokens: usize,
        /// Rows of the embedding.
        rows: usize,
    },
}

/// Files, tokenizer and template of a base model.
pub struct Base {
    /// The files.
    pub weights: BaseWeights,
    /// The tokenizer; absent where the model has none.
    pub tokenizer: Option<Tokenizer>,
    /// The chat template; absent where the model has none.
    pub template: Option<ChatTemplate>,
    /// Stop token of completions and texts.
    pub eos: Option<u32>,
}

/// Files that replace the model's own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Replacements<'a> {
    /// A tokenizer.json.
    pub tokenizer: Option<&'a Path>,
    /// A Jinja file.
    pub chat_template: Option<&'a Path>,
}

impl Base {
    /// Opens and checks a base model; no weight is read yet.
    ///
    /// # Errors
    /// Anything wrong with its files.
    pub fn open(model: &BaseModel, replacements: Replacements<'_>) -> Result<Self, BaseError> {
        let weights = match model {
            BaseModel::Gguf(path) => BaseWeights::open_gguf(path)?,
            BaseModel::HfDirectory(path) => BaseWeights::open_hf(path)?,
        };
        let tokenizer = tokenizer(&weights, replacements.tokenizer)?;
        let rows = weights.config().vocab_size;
        if let Some(tokens) = tokenizer
            .as_ref()
            .map(Tokenizer::vocab_size)
            .filter(|&t| t > rows)
        {
            return Err(BaseError::Vocabulary { tokens, rows });
        }
        let (bos, eos) = special_tokens(&weights, tokenizer.as_ref());
        let source = match replacements.chat_template {
            None => weights.chat_template(),
            Some(path) => {
                Some(
                    std::fs::read_to_string(path).map_err(|source| BaseError::File {
                        path: path.display().to_string(),
                        source,
                    })?,
                )
            }
        };
        let text = |id: Option<u32>| id.and_then(|id| tokenizer.as_ref()?.token_text(id));
        let template = source.map(|source| ChatTemplate::new(&source, text(bos), text(eos)));
        let template = template.transpose().map_err(|source| BaseError::Template {
            base: weights.path().display().to_string(),
            source,
        })?;
        Ok(Self {
            weights,
            tokenizer,
            template,
            eos,
        })
    }

    /// Tokens that end an answer.
    pub fn stop_tokens(&self) -> Vec<u32> {
        let mut stops = self.weights.config().eos_token_ids.clone();
        stops.extend(self.eos);
        stops.extend(self.weights.gguf_vocabulary().and_then(|v| v.eot_token_id));
        stops
    }
}

fn tokenizer(
    weights: &BaseWeights,
    replacement: Option<&Path>,
) -> Result<Option<Tokenizer>, TokenizerError> {
    if let Some(path) = replacement {
        return Tokenizer::from_file(path).map(Some);
    }
    if let Some(path) = weights.tokenizer_file() {
        return Tokenizer::from_file(&path).map(Some);
    }
    let Some(vocabulary) = weights.gguf_vocabulary() else {
        return Ok(None);
    };
    Tokenizer::from_gguf(&GgufVocabulary {
        model: vocabulary.model,
        pre: vocabulary.pre.unwrap_or_default(),
        tokens: vocabulary.tokens,
        token_types: vocabulary.token_types,
        merges: vocabulary.merges,
        scores: vocabulary.scores,
        bos: vocabulary.bos_token_id,
        eos: vocabulary.eos_token_id,
        unknown: vocabulary.unknown_token_id,
        padding: vocabulary.padding_token_id,
        add_bos: vocabulary.add_bos,
        add_eos: vocabulary.add_eos,
        add_space_prefix: vocabulary.add_space_prefix,
        chat_template: vocabulary.chat_template,
    })
    .map(Some)
}

/// First and last token of a text: the tokenizer's own, else the model's.
fn special_tokens(
    weights: &BaseWeights,
    tokenizer: Option<&Tokenizer>,
) -> (Option<u32>, Option<u32>) {
    let config = weights.config();
    if let Some(vocabulary) = weights.gguf_vocabulary() {
        return (vocabulary.bos_token_id, vocabulary.eos_token_id);
    }
    let settings = weights.tokenizer_config().unwrap_or_default();
    let named = |key: &str| {
        // Older files hold an added token as an object.
        let token = match &settings[key] {
            Value::Object(token) => token.get("content")?.as_str()?.to_owned(),
            token => token.as_str()?.to_owned(),
        };
        tokenizer?.token_to_id(&token)
    };
    let bos = named("bos_token").or(config.bos_token_id);
    let eos = named("eos_token").or(config.eos_token_ids.first().copied());
    (bos, eos)
}
