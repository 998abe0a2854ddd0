//! Every example in `configs` is a right file of its kind.

use std::fs;
use std::path::Path;

use schliff_spec::cluster;
use schliff_spec::load::{Options, load_with};
use schliff_spec::sweep::children;

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

#[test]
fn the_example_of_a_sweep_has_trials() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/jobs/sweep.toml");
    let loaded = load_with(&file, &[], Options { check_files: false }).unwrap();
    assert_eq!(children(&loaded.job).len(), 18);
}

#[test]
fn every_cluster_loads_and_is_called_as_its_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/clusters");
    let mut names = Vec::new();
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        let profile = cluster::load(&file).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(
            file.file_stem().unwrap().to_str(),
            Some(profile.name.as_str())
        );
        names.push(profile.name.to_string());
    }
    assert!(names.contains(&"local".to_owned()), "{names:?}");
    assert!(names.contains(&"jupiter-booster".to_owned()), "{names:?}");
}
