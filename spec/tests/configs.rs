//! Every example in `configs/jobs` is a right job file.

use std::fs;
use std::path::Path;

use schliff_spec::load::{Options, load_with};

#[test]
fn every_example_loads_without_a_warning() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/jobs");
    let files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        let options = Options { check_files: false };
        match load_with(&file, &[], options) {
            Ok(loaded) => assert_eq!(loaded.warnings, [], "{}", file.display()),
            Err(problems) => panic!("{problems}"),
        }
    }
}
