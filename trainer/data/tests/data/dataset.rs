use proptest::prelude::*;
use schliff_data::dataset::{self, DataError};
use schliff_data::sample::IGNORED;
use schliff_spec::job::{DataFormat, Overflow};

use crate::workbench::{Bench, marked};

#[test]
fn samples_come_in_the_order_of_the_files_whatever_the_threads() {
    let bench = Bench::new(DataFormat::Text);
    let text = |start: usize| -> String {
        (start..start + 300)
            .map(|n| format!("{{\"text\": \"Satz {n}\"}}\n"))
            .collect()
    };
    let files = [
        bench.file("a.jsonl", text(0)),
        bench.file("b.jsonl", text(300)),
    ];
    let dataset = bench.load(&files).unwrap();
    assert_eq!(dataset.samples.len(), 600);
    for (index, sample) in dataset.samples.iter().enumerate() {
        assert_eq!(marked(sample), format!("[Satz {index}<|im_end|>]"));
        assert_eq!(sample.id, index as u64);
        let origin = (sample.origin.file, sample.origin.line);
        assert_eq!(origin, (index / 300, index % 300 + 1));
    }
    assert_eq!(dataset.lengths().len(), 600);
    assert_eq!(bench.load(&files).unwrap(), dataset);
}

#[test]
fn tokens_need_no_tokenizer_and_text_says_so() {
    let bench = Bench::new(DataFormat::Tokens);
    let file = [bench.file("data.jsonl", "{\"input_ids\": [1, 2]}")];
    assert!(dataset::load(&bench.data, &file, None, None, None, 10).is_ok());
    let bench = Bench::new(DataFormat::Text);
    let file = [bench.file("data.jsonl", "{\"text\": \"a\"}")];
    let error = dataset::load(&bench.data, &file, None, None, None, 10).unwrap_err();
    assert!(
        bench.told(&error).contains("text needs a tokenizer"),
        "{error}"
    );
}

#[test]
fn settings_that_leave_nothing_are_told() {
    let cut = Bench::new(DataFormat::Tokens).cut(2, Overflow::Truncate);
    let line = r#"{"input_ids": [1, 2, 3], "labels": [-100, -100, 3]}"#;
    let dropped = Bench::new(DataFormat::Tokens).cut(2, Overflow::Drop);
    let zero = Bench::new(DataFormat::Tokens).cut(0, Overflow::Split);
    let chat = Bench::new(DataFormat::Messages);
    let told = [
        cut.told(&cut.lines(&[line]).unwrap_err()),
        dropped.told(&dropped.lines(&[line]).unwrap_err()),
        zero.told(&zero.lines(&[line]).unwrap_err()),
        chat.told(&chat.lines(&["{}"]).unwrap_err()),
        chat.told(&Bench::new(DataFormat::Text).load(&[]).unwrap_err()),
        chat.told(&Bench::new(DataFormat::Text).questions(&["{}"]).unwrap_err()),
    ];
    insta::assert_snapshot!(told.join("\n"));
}

fn turn() -> impl Strategy<Value = (String, String)> {
    let text = "[a-zäß .\n<>|🙂-]{0,12}";
    (text, text)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Over any conversation, what is trained is the answers with their stop tokens, and nothing
    /// else.
    #[test]
    fn masks_hold_the_answers_and_nothing_else(turns in prop::collection::vec(turn(), 1..4)) {
        for (name, trims) in [("chatml", false), ("always", true), ("headers", true)] {
            let bench = Bench::new(DataFormat::Messages).template(name);
            let messages: Vec<_> = turns.iter().flat_map(|(question, answer)| [
                serde_json::json!({"role": "user", "content": question}),
                serde_json::json!({"role": "assistant", "content": answer}),
            ]).collect();
            let line = serde_json::json!({ "messages": messages }).to_string();
            let sample = bench.lines(&[&line]).unwrap().samples[0].clone();
            let stop = if name == "chatml" { "<|im_end|>" } else { "<|eot_id|>" };
            let answers: String = turns.iter().map(|(_, answer)| {
                format!("{}{stop}", if trims { answer.trim() } else { answer })
            }).collect();
            let trained: Vec<u32> = sample.input_ids.iter().zip(&sample.labels)
                .filter(|(_, label)| **label != IGNORED).map(|(id, _)| *id).collect();
            let text = crate::workbench::tokenizer().decode(&trained, false).unwrap();
            prop_assert_eq!(text, answers, "{}", name);
        }
    }

    /// No file content makes the reader panic.
    #[test]
    fn bytes_of_any_kind_are_an_error_or_data(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for name in ["a.jsonl", "a.json", "a.csv"] {
            let bench = Bench::new(DataFormat::Text);
            let result = bench.load(&[bench.file(name, &bytes)]);
            let told = matches!(result, Err(DataError::File(_) | DataError::Records { .. }));
            prop_assert!(told);
        }
    }
}
