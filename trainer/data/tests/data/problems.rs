//! What is told about bad data: every line, with what was probably meant.

use schliff_spec::job::DataFormat;

use crate::workbench::{Bench, template, tokenizer};

fn told(bench: &Bench, name: &str, content: impl AsRef<[u8]>) -> String {
    bench.told(&bench.load(&[bench.file(name, content)]).unwrap_err())
}

#[test]
fn all_bad_lines_are_told_at_once() {
    let lines = [
        r#"{"prompt": "a", "completion": "b"}"#,
        r#"{"prompt": "a", "completion": "b""#,
        r#"{"prompt": "a", "completions": "b"}"#,
        r#"{"Prompt": "a", "completion": "b"}"#,
        r#"{"frage": "a", "antwort": "b"}"#,
        r#"{"prompt": 3, "completion": "b"}"#,
        r#"{"prompt": "a", "completion": null}"#,
        r#"["a", "b"]"#,
        "kein JSON",
        r#"{"prompt": [{"role": "user", "content": "x"}], "completion": "b"}"#,
    ];
    let mut content = lines.join("\n").into_bytes();
    content.extend_from_slice(b"\n{\"prompt\": \"\xff\", \"completion\": \"b\"}\n");
    let bench = Bench::new(DataFormat::PromptCompletion);
    insta::assert_snapshot!(told(&bench, "data.jsonl", content));
}

#[test]
fn twenty_are_told_and_the_rest_counted() {
    let content = "{}\n".repeat(50);
    let text = told(&Bench::new(DataFormat::Text), "data.jsonl", content);
    assert!(
        text.starts_with("50 of 50 records cannot be used\n  data.jsonl:1: "),
        "{text}"
    );
    assert!(text.ends_with("\n  and 30 more"), "{text}");
    assert_eq!(text.lines().count(), 22);
}

#[test]
fn conversations_are_checked_turn_by_turn() {
    let lines = [
        r#"{"messages": []}"#,
        r#"{"messages": "x"}"#,
        r#"{"messages": ["x"]}"#,
        r#"{"messages": [{"content": "x"}]}"#,
        r#"{"messages": [{"role": 1, "content": "x"}]}"#,
        r#"{"messages": [{"role": "user"}]}"#,
        r#"{"messages": [{"role": "user", "content": 7}]}"#,
        r#"{"messages": [{"role": "user", "content": "nur gefragt"}]}"#,
        r#"{"messages": [{"role": "user", "content": "x"}], "tools": 3}"#,
        r#"{"messages": [{"role": "user", "content": "x"}], "tools": "{"}"#,
    ];
    let bench = Bench::new(DataFormat::Messages).template("chatml");
    let chats = told(&bench, "data.jsonl", lines.join("\n"));
    let lines = [
        r#"{"conversations": [{"from": "bot", "value": "x"}]}"#,
        r#"{"conversations": [{"from": "human", "text": "x"}]}"#,
        r#"{"conversations": [{"value": "x"}]}"#,
        r#"{"messages": []}"#,
    ];
    let bench = Bench::new(DataFormat::Sharegpt).template("chatml");
    let shared = told(&bench, "shared.jsonl", lines.join("\n"));
    let mut refusing = Bench::new(DataFormat::Messages);
    refusing.template = Some(template("turns"));
    let line = r#"{"messages": [{"role": "assistant", "content": "x"}]}"#;
    let refused = told(&refusing, "refused.jsonl", line);
    insta::assert_snapshot!([chats, shared, refused].join("\n"));
}

#[test]
fn tokens_are_checked_one_by_one() {
    let lines = [
        r#"{"input_ids": [1, 2], "labels": [1]}"#,
        r#"{"input_ids": [1, -2]}"#,
        r#"{"input_ids": [1, 2.5]}"#,
        r#"{"input_ids": [1, 480]}"#,
        r#"{"input_ids": [1, 2], "labels": [1, 480]}"#,
        r#"{"input_ids": [1, 2], "labels": [1, -1]}"#,
        r#"{"input_ids": [1, 2], "labels": [-100, -100]}"#,
        r#"{"input_ids": [1, 2], "labels": [1, -100]}"#,
        r#"{"input_ids": []}"#,
    ];
    insta::assert_snapshot!(told(
        &Bench::new(DataFormat::Tokens),
        "data.jsonl",
        lines.join("\n")
    ));
}

#[test]
fn files_as_a_whole_are_checked() {
    let bench = Bench::new(DataFormat::Text);
    let lines = [
        told(&bench, "empty.jsonl", ""),
        told(&bench, "blank.jsonl", "\n \n"),
        told(&bench, "empty.json", ""),
        told(&bench, "none.json", "[]"),
        told(&bench, "object.json", "{\"text\": \"a\"}"),
        told(&bench, "broken.json", "[{\"text\": \"a\"}"),
        told(&bench, "mixed.json", "[{\"text\": \"a\"}, 3]"),
        told(&bench, "header.csv", "text\n"),
        told(&bench, "ragged.csv", "id,text\n1,a\n2\n3,b,c\n"),
        told(&bench, "latin.csv", b"text\nGr\xfc\xdfe\n"),
        told(&bench, "no.parquet", "PAR1"),
        told(&bench, "data.txt", "a"),
        bench.told(&bench.load(&["/nowhere/data.jsonl".into()]).unwrap_err()),
    ];
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_tokenizer_larger_than_the_model_is_told() {
    let mut bench = Bench::new(DataFormat::Text);
    bench.vocab_size = 100;
    assert!(tokenizer().vocab_size() > bench.vocab_size);
    let text = told(&bench, "data.jsonl", r#"{"text": "Die Hauptstadt"}"#);
    assert!(
        text.contains("is outside the model's vocabulary of 100"),
        "{text}"
    );
}
