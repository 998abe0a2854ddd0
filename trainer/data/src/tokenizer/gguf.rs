//! The tokenizer that a GGUF file's metadata describes.
//!
//! Rules: two kinds are known. "gpt2" is byte-level BPE with merges and a named way of cutting
//! words. "llama" is SentencePiece BPE with scores and byte fall-back; where the file has no
//! merges, they follow from the vocabulary: a piece may be merged from any two pieces that spell
//! it, the best score first. Absent on purpose: Unigram, WordPiece, RWKV.

use std::cmp::Ordering;
use std::collections::HashMap;

use tokenizers::decoders::DecoderWrapper;
use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::sequence::Sequence as DecoderSequence;
use tokenizers::decoders::strip::Strip;
use tokenizers::models::bpe::{BPE, BpeBuilder, Vocab};
use tokenizers::normalizers::{NFC, NormalizerWrapper, Prepend, Replace, Sequence as Normalizers};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, PostProcessorWrapper};

use super::{TokenizerError, split};

/// Token type of markup in `tokenizer.ggml.token_type`.
const CONTROL: i32 = 3;
/// Token type of added text, matched whole wherever it stands.
const USER_DEFINED: i32 = 4;
/// SentencePiece's visible space.
const SPACE: char = '\u{2581}';

/// The `tokenizer.*` keys of a GGUF file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GgufVocabulary {
    /// `tokenizer.ggml.model`.
    pub model: String,
    /// `tokenizer.ggml.pre`; empty where it is missing.
    pub pre: String,
    /// `tokenizer.ggml.tokens`, by id.
    pub tokens: Vec<String>,
    /// `tokenizer.ggml.token_type`, by id; may be empty.
    pub token_types: Vec<i32>,
    /// `tokenizer.ggml.merges`, best first, two pieces with a space between; may be empty.
    pub merges: Vec<String>,
    /// `tokenizer.ggml.scores`, by id; may be empty.
    pub scores: Vec<f32>,
    /// `tokenizer.ggml.bos_token_id`.
    pub bos: Option<u32>,
    /// `tokenizer.ggml.eos_token_id`.
    pub eos: Option<u32>,
    /// `tokenizer.ggml.unknown_token_id`.
    pub unknown: Option<u32>,
    /// `tokenizer.ggml.padding_token_id`.
    pub padding: Option<u32>,
    /// `tokenizer.ggml.add_bos_token`.
    pub add_bos: Option<bool>,
    /// `tokenizer.ggml.add_eos_token`.
    pub add_eos: Option<bool>,
    /// `tokenizer.ggml.add_space_prefix`.
    pub add_space_prefix: Option<bool>,
    /// `tokenizer.chat_template`.
    pub chat_template: Option<String>,
}

impl GgufVocabulary {
    fn text(&self, id: u32) -> Option<&str> {
        self.tokens.get(id as usize).map(String::as_str)
    }

    fn ids(&self) -> Vocab {
        self.tokens
            .iter()
            .enumerate()
            .map(|(id, token)| (token.clone(), id as u32))
            .collect()
    }
}

/// Builds the tokenizer.
pub(super) fn build(v: &GgufVocabulary) -> Result<tokenizers::Tokenizer, TokenizerError> {
    check(v)?;
    let (mut tokenizer, add_bos) = match v.model.as_str() {
        "gpt2" => byte_level(v)?,
        "llama" => (sentence_piece(v)?, true),
        other => {
            return Err(TokenizerError::UnknownModel {
                model: other.to_owned(),
            });
        }
    };
    add_tokens(&mut tokenizer, v)?;
    let bos = v.bos.filter(|_| v.add_bos.unwrap_or(add_bos));
    let eos = v.eos.filter(|_| v.add_eos.unwrap_or(false));
    if bos.is_some() || eos.is_some() {
        tokenizer.with_post_processor(Some(around(v, bos, eos)?));
    }
    Ok(tokenizer)
}

fn check(v: &GgufVocabulary) -> Result<(), TokenizerError> {
    let count = v.tokens.len();
    if count == 0 {
        return Err(vocabulary("it has no tokens"));
    }
    if !v.token_types.is_empty() && v.token_types.len() != count {
        let types = v.token_types.len();
        return Err(vocabulary(&format!(
            "{count} tokens but {types} token types"
        )));
    }
    let special = [
        ("bos", v.bos),
        ("eos", v.eos),
        ("unknown", v.unknown),
        ("padding", v.padding),
    ];
    for (name, id) in special {
        if let Some(id) = id.filter(|&id| id as usize >= count) {
            return Err(vocabulary(&format!(
                "the {name} token is {id}, of {count} tokens"
            )));
        }
    }
    Ok(())
}

fn byte_level(v: &GgufVocabulary) -> Result<(tokenizers::Tokenizer, bool), TokenizerError> {
    let words = split::words(&v.pre)?;
    let model = BpeBuilder::new()
        .vocab_and_merges(v.ids(), listed_merges(v)?)
        .ignore_merges(words.ignore_merges)
        .build()
        .map_err(|error| vocabulary(&error.to_string()))?;
    let mut tokenizer = tokenizers::Tokenizer::new(model);
    if words.composed {
        let composed = NormalizerWrapper::NFC(NFC);
        tokenizer
            .with_normalizer(Some(composed))
            .map_err(|e| vocabulary(&e.to_string()))?;
    }
    tokenizer.with_pre_tokenizer(Some(words.splitter));
    tokenizer.with_decoder(Some(ByteLevel::new(false, false, false)));
    Ok((tokenizer, words.add_bos))
}

fn listed_merges(v: &GgufVocabulary) -> Result<Vec<(String, String)>, TokenizerError> {
    v.merges
        .iter()
        .map(|merge| match merge.split_once(' ') {
            Some((left, right)) if !left.is_empty() && !right.contains(' ') => {
                Ok((left.to_owned(), right.to_owned()))
            }
            _ => Err(vocabulary(&format!("merge {merge:?} is not two pieces"))),
        })
        .collect()
}

fn sentence_piece(v: &GgufVocabulary) -> Result<tokenizers::Tokenizer, TokenizerError> {
    let prefix = v.add_space_prefix.unwrap_or(true);
    let mut tokenizer = tokenizers::Tokenizer::new(sentence_piece_model(v)?);
    let failed = |error: tokenizers::Error| vocabulary(&error.to_string());
    let visible = Replace::new(" ".to_owned(), SPACE.to_string()).map_err(failed)?;
    let mut steps = vec![NormalizerWrapper::Replace(visible)];
    if prefix {
        steps.insert(
            0,
            NormalizerWrapper::Prepend(Prepend::new(SPACE.to_string())),
        );
    }
    tokenizer
        .with_normalizer(Some(Normalizers::new(steps)))
        .map_err(failed)?;
    let space = Replace::new(SPACE.to_string(), " ".to_owned()).map_err(failed)?;
    let mut decoders: Vec<DecoderWrapper> =
        vec![space.into(), ByteFallback::new().into(), Fuse::new().into()];
    if prefix {
        decoders.push(Strip::new(' ', 1, 0).into());
    }
    tokenizer.with_decoder(Some(DecoderSequence::new(decoders)));
    Ok(tokenizer)
}

fn sentence_piece_model(v: &GgufVocabulary) -> Result<BPE, TokenizerError> {
    let pieces = GgufVocabulary {
        tokens: v.tokens.iter().map(|t| spaced(t)).collect(),
        ..Default::default()
    };
    let merges = if v.merges.is_empty() {
        implied_merges(&pieces.tokens, &v.scores)?
    } else {
        listed_merges(v)?
    };
    let mut builder = BpeBuilder::new()
        .vocab_and_merges(pieces.ids(), merges)
        .fuse_unk(true)
        .byte_fallback(true);
    if let Some(unknown) = v.unknown.and_then(|id| v.text(id)) {
        builder = builder.unk_token(unknown.to_owned());
    }
    builder
        .build()
        .map_err(|error| vocabulary(&error.to_string()))
}

/// Gemma's files spell runs of spaces as they are, not as SentencePiece shows them.
fn spaced(token: &str) -> String {
    if token.contains(' ') && token.trim_matches(' ').is_empty() {
        token.replace(' ', &SPACE.to_string())
    } else {
        token.to_owned()
    }
}

/// Merges of a SentencePiece vocabulary: every cut of a piece into two pieces, pieces of the best
/// score first.
fn implied_merges(
    tokens: &[String],
    scores: &[f32],
) -> Result<Vec<(String, String)>, TokenizerError> {
    if scores.len() != tokens.len() {
        return Err(vocabulary(
            "it has neither merges nor a score for every token",
        ));
    }
    let ids: HashMap<&str, usize> = tokens
        .iter()
        .enumerate()
        .map(|(id, token)| (token.as_str(), id))
        .collect();
    let mut merges = Vec::new();
    for (id, token) in tokens.iter().enumerate() {
        let cuts = token
            .char_indices()
            .skip(1)
            .map(|(at, _)| token.split_at(at));
        for (left, right) in cuts {
            if ids.contains_key(left) && ids.contains_key(right) {
                merges.push((id, left, right));
            }
        }
    }
    merges.sort_by(|a, b| {
        let by_score = scores[b.0]
            .partial_cmp(&scores[a.0])
            .unwrap_or(Ordering::Equal);
        by_score.then(a.0.cmp(&b.0)).then(b.1.len().cmp(&a.1.len()))
    });
    Ok(merges
        .into_iter()
        .map(|(_, left, right)| (left.to_owned(), right.to_owned()))
        .collect())
}

fn add_tokens(
    tokenizer: &mut tokenizers::Tokenizer,
    v: &GgufVocabulary,
) -> Result<(), TokenizerError> {
    let of_type = |wanted: i32, special: bool| {
        v.tokens
            .iter()
            .zip(&v.token_types)
            .filter(move |&(_, &kind)| kind == wanted)
            .map(move |(token, _)| AddedToken::from(spaced(token), special).normalized(false))
    };
    let failed = |error: tokenizers::Error| vocabulary(&error.to_string());
    tokenizer
        .add_special_tokens(of_type(CONTROL, true))
        .map_err(failed)?;
    tokenizer
        .add_tokens(of_type(USER_DEFINED, false))
        .map_err(failed)?;
    Ok(())
}

fn around(
    v: &GgufVocabulary,
    bos: Option<u32>,
    eos: Option<u32>,
) -> Result<PostProcessorWrapper, TokenizerError> {
    let named = |id: u32| v.text(id).map(|text| (text.to_owned(), id));
    let (bos, eos) = (bos.and_then(named), eos.and_then(named));
    let piece = |token: &Option<(String, u32)>| token.as_ref().map(|(text, _)| text.clone());
    let single: Vec<String> = [piece(&bos), Some("$A".to_owned()), piece(&eos)]
        .into_iter()
        .flatten()
        .collect();
    let processing = TemplateProcessing::builder()
        .try_single(single)
        .and_then(|builder| {
            builder
                .special_tokens(bos.into_iter().chain(eos).collect::<Vec<_>>())
                .build()
                .map_err(|error| error.to_string())
        })
        .map_err(|reason| vocabulary(&reason))?;
    Ok(PostProcessorWrapper::Template(processing))
}

fn vocabulary(reason: &str) -> TokenizerError {
    TokenizerError::Vocabulary {
        reason: reason.to_owned(),
    }
}
