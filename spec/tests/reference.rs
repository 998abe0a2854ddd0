//! `docs/job-file.md` says what the schema says.

use std::fs;
use std::path::Path;

const START: &str = "<!-- keys: written by the test spec/tests/reference.rs -->\n";
const END: &str = "<!-- end of keys -->\n";

/// With `UPDATE_DOCS=1` the document is brought up to date instead.
#[test]
fn the_document_has_every_key() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/job-file.md");
    let document = fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(START).unwrap();
    let (keys, after) = rest.split_once(END).unwrap();
    let reference = format!("\n{}\n", schliff_spec::schema::reference());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, [before, START, &reference, END, after].concat()).unwrap();
        return;
    }
    assert!(
        keys == reference,
        "docs/job-file.md differs from the schema; run\n  \
         UPDATE_DOCS=1 cargo test --release -p schliff-spec --test reference"
    );
}
