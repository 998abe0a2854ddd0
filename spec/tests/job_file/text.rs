//! Jobs from memory.

use schliff_spec::load::{LARGEST_FILE_BYTES, Options, load_text, load_with};

use crate::desk::{Desk, LEAST};

const UNCHECKED: Options = Options { check_files: false };

#[test]
fn a_text_is_read_as_a_file_of_its_name() {
    let desk = Desk::new();
    let sets = ["training.lr=1e-3".to_owned()];
    let path = desk.write("job.toml", LEAST);
    let from_file = load_with(&path, &sets, UNCHECKED).unwrap();
    let from_text = load_text(LEAST, "job.toml", &sets, UNCHECKED).unwrap();
    assert_eq!(from_text.job, from_file.job);
    let yaml = "name: t\nmodel: {base: base}\ndata: {train: train.jsonl, format: messages}\n";
    let from_yaml = load_text(yaml, "job.yaml", &sets, UNCHECKED).unwrap();
    assert_eq!(from_yaml.job, from_file.job);
}

#[test]
fn bad_texts() {
    let load = |text: &str, name: &str| {
        let told = load_text(text, name, &["training.sed=1".to_owned()], UNCHECKED);
        told.unwrap_err().to_string()
    };
    let large = " ".repeat(usize::try_from(LARGEST_FILE_BYTES).unwrap() + 1);
    let told = [
        load("", "job.toml"),
        load(LEAST, "job.txt"),
        load("nane = 't'", "sent/by.toml"),
        load(&large, "job.yaml"),
    ];
    insta::assert_snapshot!(told.join("\n\n"));
}
