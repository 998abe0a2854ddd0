use std::collections::BTreeSet;
use std::fs;

use super::other_names::OTHER_NAMES;
use super::{CLUSTER, Form, JOB, Section};
use crate::load::{Options, load_with};

const LEAST: &str = "name = 't'\nmodel.base = 'm.gguf'\n\
    data = { train = 'a.jsonl', eval = 'b.jsonl', format = 'messages' }\n";

/// The keys of a sweep need each other, and have their own tests.
fn independent() -> impl Iterator<Item = &'static Section> {
    JOB.sections
        .iter()
        .filter(|section| section.name != "sweep")
}

fn loads_with(set: String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("job.toml");
    fs::write(&path, LEAST).unwrap();
    let options = Options { check_files: false };
    let loaded = load_with(&path, std::slice::from_ref(&set), options);
    let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}"));
    let key = set.split('=').next().unwrap();
    let set = format!("--set {set}");
    assert_eq!(loaded.origins.get(key).to_string(), set);
}

/// A word that the table declares and the job's types do not know would be a defect.
#[test]
fn every_word_of_every_choice_is_read() {
    for section in independent() {
        for key in section.keys {
            if let Form::Choice(words) = key.form {
                for word in words {
                    loads_with(format!("{}={word}", section.path(key.name)));
                }
            }
        }
    }
}

/// Each key alone, with a value of its form, makes a job: no key is declared and then not read.
#[test]
fn every_key_can_be_set() {
    for section in independent() {
        for key in section.keys {
            let value = match key.form {
                Form::Choice(words) => words[0],
                Form::WholeByPattern | Form::NumberByPattern => "{ q_proj = 8 }",
                Form::Flag => "true",
                Form::Time => "1h",
                // Large enough for a batch, small enough for a count of GPUs.
                Form::Whole(_) if key.name.contains("tokens") => "4096",
                Form::Whole(_) | Form::WholeIn(..) | Form::Number(_) | Form::NumberOrOff => {
                    if matches!(key.form, Form::Number(interval) if !interval.contains(1.0)) {
                        "0.5"
                    } else {
                        "1"
                    }
                }
                _ => "word.gguf",
            };
            // It needs its batch beside it, and has its own test.
            if key.name != "micro_batch_samples" {
                loads_with(format!("{}={value}", section.path(key.name)));
            }
        }
    }
}

#[test]
fn keys_are_unique_and_other_names_lead_to_keys() {
    for section in JOB.sections.iter().chain(CLUSTER.sections) {
        let names: BTreeSet<_> = section.keys.iter().map(|key| key.name).collect();
        assert_eq!(names.len(), section.keys.len());
    }
    for (other, path) in OTHER_NAMES {
        let (home, name) = path.split_once('.').unwrap();
        assert!(JOB.section(home).unwrap().key(name).is_some(), "{path}");
        let is_ours = JOB.sections.iter().any(|home| home.key(other).is_some());
        assert!(!is_ours, "{other} is a key already");
    }
}
