//! `docs/job-file.md` and `docs/cluster-profile.md` say what the schema says.

use std::fs;
use std::path::Path;

use schliff_spec::schema::{cluster_reference, reference};

const START: &str = "<!-- keys: written by the test spec/tests/reference.rs -->\n";
const END: &str = "<!-- end of keys -->\n";

/// With `UPDATE_DOCS=1` the document is brought up to date instead.
fn holds(name: &str, reference: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(name);
    let document = fs::read_to_string(&path).expect("it can be read");
    let (before, rest) = document.split_once(START).expect("the mark of the start");
    let (keys, after) = rest.split_once(END).expect("the mark of the end");
    let reference = format!("\n{reference}\n");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, [before, START, &reference, END, after].concat())
            .expect("it can be written");
        return;
    }
    assert!(
        keys == reference,
        "docs/{name} differs from the schema; run\n  \
         UPDATE_DOCS=1 cargo test --release -p schliff-spec --test reference"
    );
}

#[test]
fn the_document_of_the_job_file_has_every_key() {
    holds("job-file.md", &reference());
}

#[test]
fn the_document_of_the_cluster_profile_has_every_key() {
    holds("cluster-profile.md", &cluster_reference());
}
