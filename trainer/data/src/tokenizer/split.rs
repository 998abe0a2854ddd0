//! How text is cut into words before merging, by the names that GGUF files use.
//!
//! Rules: the expressions are those of the models' own tokenizer.json (llama.cpp keeps the same in
//! `llama-vocab.cpp`); an unknown name is an error, for a wrong cut gives plausible wrong ids.

use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::SplitDelimiterBehavior::Isolated;

use super::TokenizerError;

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const GPT4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// One way of cutting: expressions applied one after the other to what is left whole.
struct Cut {
    names: &'static [&'static str],
    patterns: &'static [&'static str],
    /// A word that is a token as it stands is taken without merging.
    ignore_merges: bool,
    /// Text is composed (NFC) first.
    composed: bool,
    /// bos is added where the file does not say.
    add_bos: bool,
}

const CUTS: &[Cut] = &[
    Cut {
        names: &["gpt-2", "phi-2", "mpt", "olmo"],
        patterns: &[GPT2],
        ignore_merges: false,
        composed: false,
        add_bos: false,
    },
    Cut {
        names: &["smollm", "starcoder", "refact", "codeshell"],
        patterns: &[r"\p{N}", GPT2],
        ignore_merges: false,
        composed: false,
        add_bos: false,
    },
    Cut {
        names: &["llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral"],
        patterns: &[LLAMA3],
        ignore_merges: true,
        composed: false,
        add_bos: true,
    },
    Cut {
        names: &["qwen2", "deepseek-r1-qwen", "megrez"],
        patterns: &[QWEN2],
        ignore_merges: false,
        composed: true,
        add_bos: false,
    },
    Cut {
        names: &["tekken"],
        patterns: &[TEKKEN],
        ignore_merges: true,
        composed: false,
        add_bos: true,
    },
    Cut {
        names: &["gpt-4o", "llama4"],
        patterns: &[GPT4O],
        ignore_merges: false,
        composed: false,
        add_bos: false,
    },
    Cut {
        names: &["default", ""],
        patterns: &[r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"],
        ignore_merges: false,
        composed: false,
        add_bos: false,
    },
];

/// What a pre-tokenizer's name stands for.
pub(super) struct Words {
    pub(super) splitter: PreTokenizerWrapper,
    pub(super) ignore_merges: bool,
    pub(super) composed: bool,
    pub(super) add_bos: bool,
}

/// Looks up `tokenizer.ggml.pre`; an empty name is llama.cpp's default.
pub(super) fn words(pre: &str) -> Result<Words, TokenizerError> {
    let cut = CUTS
        .iter()
        .find(|cut| cut.names.contains(&pre))
        .ok_or_else(|| unknown(pre))?;
    let mut steps = Vec::with_capacity(cut.patterns.len() + 1);
    for &pattern in cut.patterns {
        let split = Split::new(SplitPattern::Regex(pattern.to_owned()), Isolated, false).map_err(
            |error| TokenizerError::Vocabulary {
                reason: error.to_string(),
            },
        )?;
        steps.push(PreTokenizerWrapper::Split(split));
    }
    steps.push(PreTokenizerWrapper::ByteLevel(ByteLevel::new(
        false, false, false,
    )));
    Ok(Words {
        splitter: PreTokenizerWrapper::Sequence(Sequence::new(steps)),
        ignore_merges: cut.ignore_merges,
        composed: cut.composed,
        add_bos: cut.add_bos,
    })
}

fn unknown(pre: &str) -> TokenizerError {
    let names = CUTS
        .iter()
        .flat_map(|cut| cut.names)
        .filter(|name| !name.is_empty());
    let known = names.copied().collect::<Vec<_>>().join(", ");
    TokenizerError::UnknownPre {
        pre: pre.to_owned(),
        known,
    }
}
