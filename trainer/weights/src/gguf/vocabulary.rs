//! The tokenizer that a GGUF file carries, as plain lists.

use super::{GgufFile, MetadataValue};
use crate::error::WeightsError;

/// Tokenizer metadata (`tokenizer.*`), checked for type but not interpreted.
#[derive(Clone, Debug, PartialEq)]
pub struct GgufVocabulary {
    /// Kind of tokenizer: "gpt2" is byte-level BPE, "llama" is SentencePiece.
    pub model: String,
    /// Name of the pre-tokenizer ("smollm", "qwen2", "llama-bpe", …).
    pub pre: Option<String>,
    /// Tokens by id.
    pub tokens: Vec<String>,
    /// Type by id: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte. May be empty.
    pub token_types: Vec<i32>,
    /// SentencePiece scores by id. May be empty.
    pub scores: Vec<f32>,
    /// BPE merges, best first, "left right". May be empty.
    pub merges: Vec<String>,
    /// Beginning of sequence.
    pub bos_token_id: Option<u32>,
    /// End of sequence.
    pub eos_token_id: Option<u32>,
    /// End of a turn, where it is another token.
    pub eot_token_id: Option<u32>,
    /// Stand-in for what cannot be encoded.
    pub unknown_token_id: Option<u32>,
    /// Padding.
    pub padding_token_id: Option<u32>,
    /// Encoding puts the beginning-of-sequence token first.
    pub add_bos: Option<bool>,
    /// Encoding puts the end-of-sequence token last.
    pub add_eos: Option<bool>,
    /// SentencePiece: a space is put before the text.
    pub add_space_prefix: Option<bool>,
    /// Jinja template of a conversation.
    pub chat_template: Option<String>,
}

impl GgufVocabulary {
    /// Reads `tokenizer.*`; `None` where the file carries no tokenizer.
    pub(crate) fn read(gguf: &GgufFile) -> Result<Option<Self>, WeightsError> {
        if gguf.get("tokenizer.ggml.tokens").is_none() {
            return Ok(None);
        }
        let ggml = |name: &str| format!("tokenizer.ggml.{name}");
        let vocabulary = Self {
            model: text(gguf, &ggml("model"))?
                .ok_or_else(|| WeightsError::setting(gguf.path(), ggml("model"), "missing"))?,
            pre: text(gguf, &ggml("pre"))?,
            tokens: list(gguf, &ggml("tokens"), |v| v.as_str().map(str::to_owned))?,
            token_types: list(gguf, &ggml("token_type"), token_type)?,
            scores: list(gguf, &ggml("scores"), |v| match v {
                MetadataValue::F32(score) => Some(*score),
                _ => None,
            })?,
            merges: list(gguf, &ggml("merges"), |v| v.as_str().map(str::to_owned))?,
            bos_token_id: id(gguf, &ggml("bos_token_id"))?,
            eos_token_id: id(gguf, &ggml("eos_token_id"))?,
            eot_token_id: id(gguf, &ggml("eot_token_id"))?,
            unknown_token_id: id(gguf, &ggml("unknown_token_id"))?,
            padding_token_id: id(gguf, &ggml("padding_token_id"))?,
            add_bos: flag(gguf, &ggml("add_bos_token"))?,
            add_eos: flag(gguf, &ggml("add_eos_token"))?,
            add_space_prefix: flag(gguf, &ggml("add_space_prefix"))?,
            chat_template: text(gguf, "tokenizer.chat_template")?,
        };
        vocabulary.check_lengths(gguf)?;
        Ok(Some(vocabulary))
    }

    fn check_lengths(&self, gguf: &GgufFile) -> Result<(), WeightsError> {
        let tokens = self.tokens.len();
        for (name, found) in [
            ("token_type", self.token_types.len()),
            ("scores", self.scores.len()),
        ] {
            if found != 0 && found != tokens {
                let problem = format!("{found} entries for {tokens} tokens");
                return Err(WeightsError::setting(
                    gguf.path(),
                    format!("tokenizer.ggml.{name}"),
                    problem,
                ));
            }
        }
        Ok(())
    }
}

fn token_type(value: &MetadataValue) -> Option<i32> {
    match value {
        MetadataValue::Signed(kind) => i32::try_from(*kind).ok(),
        MetadataValue::Unsigned(kind) => i32::try_from(*kind).ok(),
        _ => None,
    }
}

fn typed<T>(
    gguf: &GgufFile,
    key: &str,
    expected: &str,
    read: impl Fn(&MetadataValue) -> Option<T>,
) -> Result<Option<T>, WeightsError> {
    let Some(value) = gguf.get(key) else {
        return Ok(None);
    };
    match read(value) {
        Some(read) => Ok(Some(read)),
        None => Err(WeightsError::setting(
            gguf.path(),
            key,
            format!("{value}, expected {expected}"),
        )),
    }
}

fn text(gguf: &GgufFile, key: &str) -> Result<Option<String>, WeightsError> {
    typed(gguf, key, "text", |value| value.as_str().map(str::to_owned))
}

fn flag(gguf: &GgufFile, key: &str) -> Result<Option<bool>, WeightsError> {
    typed(gguf, key, "a bool", MetadataValue::as_bool)
}

fn id(gguf: &GgufFile, key: &str) -> Result<Option<u32>, WeightsError> {
    // Some converters write -1 or u32::MAX for "none".
    if let Some(MetadataValue::Signed(-1) | MetadataValue::Unsigned(0xFFFF_FFFF)) = gguf.get(key) {
        return Ok(None);
    }
    typed(gguf, key, "a token id", |v| {
        v.as_u64().and_then(|id| u32::try_from(id).ok())
    })
}

fn list<T>(
    gguf: &GgufFile,
    key: &str,
    element: impl Fn(&MetadataValue) -> Option<T>,
) -> Result<Vec<T>, WeightsError> {
    let read = |value: &MetadataValue| value.as_array()?.iter().map(&element).collect();
    Ok(typed(gguf, key, "a list of another type", read)?.unwrap_or_default())
}
