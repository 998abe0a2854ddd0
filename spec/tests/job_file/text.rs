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

/// They become lines that a batch system reads.
#[test]
fn words_for_a_batch_system_are_words() {
    let lines = "[scheduling]\naccount = '-p'\npartition = 'a b'\nqos = \"a\\u0000\"\n\
        reservation = \"a\\n#SBATCH --uid=0\"\nconstraint = '$(id)'\n";
    let told = load_text(&format!("{LEAST}{lines}"), "job.toml", &[], UNCHECKED);
    insta::assert_snapshot!(told.unwrap_err().to_string());
    let set = ["scheduling.account=a;b".to_owned()];
    let told = load_text(LEAST, "job.toml", &set, UNCHECKED).unwrap_err();
    let said = "error: --set scheduling.account=a;b: \"a;b\" contains ';'";
    assert!(told.to_string().starts_with(said), "{told}");
}
