//! The same records out of every kind of file.

use schliff_spec::job::DataFormat;

use crate::workbench::{Bench, fixture, marked};

fn texts(bench: &Bench, name: &str, content: impl AsRef<[u8]>) -> Vec<(usize, String)> {
    let dataset = bench.load(&[bench.file(name, content)]).unwrap();
    dataset
        .samples
        .iter()
        .map(|sample| (sample.origin.line, marked(sample)))
        .collect()
}

fn expected(lines: [usize; 2]) -> Vec<(usize, String)> {
    let text = ["[Erster Satz.<|im_end|>]", "[Zweiter Satz.<|im_end|>]"];
    lines.into_iter().zip(text.map(str::to_owned)).collect()
}

#[test]
fn json_lines_with_marks_carriage_returns_and_blank_lines() {
    let content =
        "\u{feff}{\"text\": \"Erster Satz.\"}\r\n\r\n  \n{\"text\": \"Zweiter Satz.\"}\r\n";
    let bench = Bench::new(DataFormat::Text);
    assert_eq!(texts(&bench, "a.jsonl", content), expected([1, 4]));
    assert_eq!(texts(&bench, "a.NDJSON", content), expected([1, 4]));
    let skipped = bench
        .load(&[bench.file("a.jsonl", content)])
        .unwrap()
        .report
        .skipped;
    assert_eq!(skipped, 2);
}

#[test]
fn json_arrays() {
    let content = "\u{feff}[\n{\"text\": \"Erster Satz.\"},\n\n{\"text\": \"Zweiter Satz.\"}]\n";
    assert_eq!(
        texts(&Bench::new(DataFormat::Text), "a.json", content),
        expected([1, 2])
    );
}

#[test]
fn csv_with_quotes_and_line_breaks() {
    let content =
        "\u{feff}id, text\r\n1,Erster Satz.\r\n2,\"Zweiter\nSatz, \"\"so\"\".\"\r\n3,x\r\n";
    let found = texts(&Bench::new(DataFormat::Text), "a.csv", content);
    let second = "[Zweiter\nSatz, \"so\".<|im_end|>]";
    let third = "[x<|im_end|>]";
    let first = "[Erster Satz.<|im_end|>]";
    let expected =
        [(2, first), (3, second), (5, third)].map(|(line, text)| (line, text.to_owned()));
    assert_eq!(found, expected);
}

#[test]
fn csv_holds_lists_as_json() {
    let content = "input_ids,labels\n\"[1, 2]\",\"[-100, 2]\"\n";
    let bench = Bench::new(DataFormat::Tokens);
    let dataset = bench.load(&[bench.file("a.csv", content)]).unwrap();
    assert_eq!(dataset.samples[0].labels, [-100, 2]);
}

#[test]
fn parquet_with_strings_lists_and_structs() {
    let path = fixture("records.parquet");
    let load = |bench: Bench| bench.load(std::slice::from_ref(&path)).unwrap().samples;
    let text = load(Bench::new(DataFormat::Text));
    let text: Vec<_> = text
        .iter()
        .map(|sample| (sample.origin.line, marked(sample)))
        .collect();
    assert_eq!(text, expected([1, 2]));
    let tokens = load(Bench::new(DataFormat::Tokens));
    assert_eq!(
        (tokens[0].input_ids.as_slice(), tokens[1].labels.as_slice()),
        (&[5, 6, 7][..], &[-100, 9][..])
    );
    let chats = load(Bench::new(DataFormat::Messages).template("chatml"));
    let tail = "user\nGrüß Gott<|im_end|>\n<|im_start|>assistant\n[Hallo!<|im_end|>]\n";
    assert!(marked(&chats[0]).ends_with(tail));
}

#[test]
fn broken_parquet_is_an_error_wherever_it_breaks() {
    let whole = std::fs::read(fixture("records.parquet")).unwrap();
    let bench = Bench::new(DataFormat::Text);
    let intact = bench.load(&[bench.file("a.parquet", &whole)]).unwrap();
    for length in [0, 1, 4, 100, whole.len() / 2, whole.len() - 1] {
        assert!(
            bench
                .load(&[bench.file("a.parquet", &whole[..length])])
                .is_err(),
            "{length}"
        );
    }
    let mut differing = 0;
    for at in (0..whole.len()).step_by(17) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        // A flipped byte may hit padding or text; what counts is that nothing panics.
        let found = bench.load(&[bench.file("a.parquet", bytes)]).ok();
        differing += usize::from(found.as_ref() != Some(&intact));
    }
    assert!(differing > 10);
}
