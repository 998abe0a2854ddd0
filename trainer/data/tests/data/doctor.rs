use schliff_data::doctor::{Bucket, preview};
use schliff_spec::job::DataFormat;

use crate::workbench::{Bench, tokenizer};

#[test]
fn the_report_counts_what_is_there() {
    let sample = |length: usize, trained: usize| {
        let ids: Vec<usize> = (1..=length).collect();
        let label = |&id: &usize| {
            if id > length - trained {
                id as i64
            } else {
                -100
            }
        };
        let labels: Vec<i64> = ids.iter().map(label).collect();
        serde_json::json!({ "input_ids": ids, "labels": labels }).to_string()
    };
    let lines = [
        sample(4, 1),
        sample(6, 2),
        sample(6, 2),
        sample(2, 1),
        sample(10, 10),
        String::new(),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let mut bench = Bench::new(DataFormat::Tokens);
    bench.data.max_tokens = 12;
    let lines = format!("{}\n", lines.join("\n"));
    let report = bench
        .load(&[bench.file("data.jsonl", lines)])
        .unwrap()
        .report;
    assert_eq!(
        (report.samples, report.skipped, report.duplicates),
        (5, 1, 1)
    );
    // The first label of the last sample does not count.
    assert_eq!(
        (report.tokens, report.trained_tokens),
        (28, 1 + 2 + 2 + 1 + 9)
    );
    let lengths = &report.lengths;
    assert_eq!(
        (
            lengths.min,
            lengths.p50,
            lengths.p90,
            lengths.p99,
            lengths.max
        ),
        (2, 6, 10, 10, 10)
    );
    assert_eq!(lengths.mean, 5.6);
    let bars = [(2, 1), (4, 1), (8, 2), (16, 1)].map(|(up_to, samples)| Bucket { up_to, samples });
    assert_eq!(lengths.histogram, bars);
    assert!((report.padding_share - (1.0 - 28.0 / 50.0)).abs() < 1e-12);
    // Rows of 12: 4+6, 6+2, 10.
    assert!((report.packed_padding_share - (1.0 - 28.0 / 36.0)).abs() < 1e-12);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["lengths"]["histogram"][0]["up_to"], 2);
}

#[test]
fn the_preview_spells_a_sample_with_its_mask() {
    let bench = Bench::new(DataFormat::PromptCompletion);
    let prompt = "Schalte 🙂 das Licht im Wohnzimmer ein, 日本語 bitte!\n";
    let completion = "Grüße: 👨‍👩‍👧 {\"value\": 21.5}";
    let line = serde_json::json!({ "prompt": prompt, "completion": completion }).to_string();
    let sample = bench.lines(&[&line]).unwrap().samples[0].clone();
    let tokens = preview(&sample, &tokenizer()).unwrap();
    assert_eq!(tokens.len(), sample.input_ids.len());
    let joined = |trained| {
        let fitting = tokens.iter().filter(|token| token.trained == trained);
        fitting.map(|token| token.text.as_str()).collect::<String>()
    };
    assert_eq!(joined(false), prompt);
    assert_eq!(joined(true), format!("{completion}<|im_end|>"));
}
