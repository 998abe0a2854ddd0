use proptest::prelude::*;
use schliff_data::tokenizer::{GgufVocabulary, Tokenizer};
use serde_json::Value;

use crate::workbench::{fixture, ids, json, tokenizer};

/// The byte-level fixture as a GGUF file tells it.
pub(crate) fn byte_level() -> GgufVocabulary {
    let file = json("tokenizer.json");
    let vocab = file["model"]["vocab"].as_object().unwrap();
    let mut tokens = vec![String::new(); vocab.len()];
    for (token, id) in vocab {
        tokens[id.as_u64().unwrap() as usize] = token.clone();
    }
    let merge = |merge: &Value| match merge {
        Value::String(text) => text.clone(),
        pair => format!(
            "{} {}",
            pair[0].as_str().unwrap(),
            pair[1].as_str().unwrap()
        ),
    };
    let merges = file["model"]["merges"]
        .as_array()
        .unwrap()
        .iter()
        .map(merge)
        .collect();
    let token_types = (0..tokens.len())
        .map(|id| if id < 3 { 3 } else { 1 })
        .collect();
    let (model, pre) = ("gpt2".to_owned(), "smollm".to_owned());
    GgufVocabulary {
        model,
        pre,
        tokens,
        token_types,
        merges,
        ..GgufVocabulary::default()
    }
}

fn sentence_piece() -> GgufVocabulary {
    let file = json("sentence_piece.json");
    let list = |key: &str| serde_json::from_value(file[key].clone()).unwrap();
    GgufVocabulary {
        model: "llama".to_owned(),
        tokens: list("tokens"),
        token_types: serde_json::from_value(file["token_types"].clone()).unwrap(),
        scores: serde_json::from_value(file["scores"].clone()).unwrap(),
        bos: Some(1),
        eos: Some(2),
        unknown: Some(0),
        ..GgufVocabulary::default()
    }
}

fn agrees(tokenizer: &Tokenizer, probes: &Value) {
    let probes = probes.as_array().unwrap();
    assert!(probes.len() > 15);
    for probe in probes {
        let text = probe["text"].as_str().unwrap();
        assert_eq!(
            tokenizer.encode(text, true).unwrap(),
            ids(&probe["ids"]),
            "{text:?}"
        );
        let encoded = tokenizer.encode_with_offsets(text, true).unwrap();
        assert_eq!(encoded.ids, ids(&probe["ids"]), "{text:?}");
    }
}

#[test]
fn a_tokenizer_file_gives_hfs_ids_uncut_and_unpadded() {
    agrees(&tokenizer(), &json("tokenizer_probes.json"));
}

#[test]
fn a_byte_level_gguf_gives_hfs_ids() {
    let tokenizer = Tokenizer::from_gguf(&byte_level()).unwrap();
    assert_eq!(tokenizer.vocab_size(), 480);
    agrees(&tokenizer, &json("tokenizer_probes.json"));
}

#[test]
fn a_sentence_piece_gguf_without_merges_gives_hfs_ids() {
    let tokenizer = Tokenizer::from_gguf(&sentence_piece()).unwrap();
    agrees(&tokenizer, &json("sentence_piece.json")["probes"]);
    let text = " zwei  Leerzeichen, ß 🙂\n";
    let ids = tokenizer.encode(text, true).unwrap();
    assert_eq!(ids[0], 1);
    assert_eq!(tokenizer.decode(&ids, true).unwrap(), text);
}

#[test]
fn a_written_tokenizer_reads_back_the_same() {
    for vocabulary in [byte_level(), sentence_piece()] {
        let tokenizer = Tokenizer::from_gguf(&vocabulary).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        std::fs::write(&path, tokenizer.to_json().unwrap()).unwrap();
        let again = Tokenizer::from_file(&path).unwrap();
        for text in ["Das Licht ist 100 % an.", "  <|im_end|>\n", "日本語"] {
            let ids = tokenizer.encode(text, true).unwrap();
            assert_eq!(again.encode(text, true).unwrap(), ids);
            assert_eq!(
                again.decode(&ids, true).unwrap(),
                tokenizer.decode(&ids, true).unwrap()
            );
        }
    }
}

#[test]
fn bos_and_eos_are_added_where_the_file_or_its_kind_says_so() {
    let ends = |pre: &str, add_bos, add_eos| {
        let (bos, eos) = (Some(1), Some(2));
        let pre = pre.to_owned();
        let v = GgufVocabulary {
            pre,
            bos,
            eos,
            add_bos,
            add_eos,
            ..byte_level()
        };
        let tokenizer = Tokenizer::from_gguf(&v).unwrap();
        let bare = tokenizer.encode("a", false).unwrap();
        let full = tokenizer.encode("a", true).unwrap();
        assert_eq!(bare.len(), 1);
        (full.first() == Some(&1), full.last() == Some(&2))
    };
    assert_eq!(ends("smollm", None, None), (false, false));
    assert_eq!(ends("llama-bpe", None, None), (true, false));
    assert_eq!(ends("llama-bpe", Some(false), None), (false, false));
    assert_eq!(ends("qwen2", Some(true), Some(true)), (true, true));
}

#[test]
fn words_are_cut_as_their_name_says() {
    let words = |pre: &str| {
        // Whole words and digits as tokens show where the cuts fall.
        let mut v = GgufVocabulary {
            pre: pre.to_owned(),
            ..byte_level()
        };
        for (left, right) in [("1", "2"), ("3", "4"), ("12", "34"), ("e", "\u{301}")] {
            let parts = (spelled(left), spelled(right));
            for token in [&parts.0, &parts.1, &format!("{}{}", parts.0, parts.1)] {
                if !v.tokens.contains(token) {
                    v.tokens.push(token.clone());
                    v.token_types.push(1);
                }
            }
            v.merges.push(format!("{} {}", parts.0, parts.1));
        }
        let tokenizer = Tokenizer::from_gguf(&v).unwrap();
        let ids = tokenizer.encode("1234", false).unwrap();
        ids.iter()
            .map(|&id| tokenizer.token_text(id).unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(words("smollm"), ["1", "2", "3", "4"]);
    assert_eq!(words("qwen2"), ["1", "2", "3", "4"]);
    assert_eq!(words("gpt-2"), ["1234"]);
    assert_eq!(words("llama-bpe"), ["12", "3", "4"]);
    assert_eq!(words("default"), ["12", "3", "4"]);
}

/// Text in GPT-2's byte alphabet, for the bytes that this test needs.
fn spelled(text: &str) -> String {
    let letter = |byte: u8| match byte {
        0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => char::from(byte),
        0x7f..=0xa0 => char::from_u32(0x121 + u32::from(byte) - 0x7f).unwrap(),
        other => panic!("{other} is not spelled here"),
    };
    text.bytes().map(letter).collect()
}

#[test]
fn qwens_text_is_composed_first() {
    let encode = |pre: &str, text: &str| {
        let v = GgufVocabulary {
            pre: pre.to_owned(),
            ..byte_level()
        };
        Tokenizer::from_gguf(&v)
            .unwrap()
            .encode(text, false)
            .unwrap()
    };
    assert_eq!(encode("qwen2", "e\u{301}"), encode("qwen2", "\u{e9}"));
    assert_ne!(encode("smollm", "e\u{301}"), encode("smollm", "\u{e9}"));
}

#[test]
fn added_words_of_the_user_stay_whole_and_are_no_markup() {
    let mut v = byte_level();
    v.tokens.push("<think>".to_owned());
    v.token_types.push(4);
    let tokenizer = Tokenizer::from_gguf(&v).unwrap();
    let ids = tokenizer.encode("a<think>b", false).unwrap();
    assert_eq!(ids[1], 480);
    assert_eq!(tokenizer.decode(&ids, true).unwrap(), "a<think>b");
    assert!(!tokenizer.is_special(480) && tokenizer.is_special(2));
    assert_eq!(
        tokenizer.special_texts(),
        ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    );
}

#[test]
fn broken_vocabularies_are_refused_with_a_reason() {
    let told = |v: GgufVocabulary| Tokenizer::from_gguf(&v).unwrap_err().to_string();
    let base = byte_level();
    let model = |model: &str| GgufVocabulary {
        model: model.to_owned(),
        ..base.clone()
    };
    let mut lines = vec![
        told(model("bert")),
        told(GgufVocabulary {
            pre: "viking".to_owned(),
            ..base.clone()
        }),
        told(GgufVocabulary {
            tokens: Vec::new(),
            ..base.clone()
        }),
        told(GgufVocabulary {
            token_types: vec![1],
            ..base.clone()
        }),
        told(GgufVocabulary {
            bos: Some(480),
            ..base.clone()
        }),
        told(GgufVocabulary {
            merges: vec!["abc".to_owned()],
            ..base.clone()
        }),
        told(GgufVocabulary {
            merges: vec!["a nope".to_owned()],
            ..base.clone()
        }),
        told(GgufVocabulary {
            scores: Vec::new(),
            ..sentence_piece()
        }),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    std::fs::write(&path, "{\"model\": 1").unwrap();
    for path in [path, fixture("absent.json")] {
        let text = Tokenizer::from_file(&path).unwrap_err().to_string();
        lines.push(text.replace(&path.parent().unwrap().display().to_string(), "FOLDER"));
    }
    insta::assert_snapshot!(lines.join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn text_survives_and_offsets_tile_it(text in "[a-zA-Zäöüß0-9 .,\n\t🙂é'|<>]{0,40}") {
        let tokenizer = Tokenizer::from_gguf(&byte_level()).unwrap();
        let encoded = tokenizer.encode_with_offsets(&text, false).unwrap();
        prop_assert_eq!(tokenizer.decode(&encoded.ids, false).unwrap(), text.as_str());
        let mut end = 0;
        for &(start, stop) in &encoded.offsets {
            prop_assert!(start <= end && stop >= end && start < stop);
            end = stop;
        }
        prop_assert_eq!(end, text.len());
    }
}
