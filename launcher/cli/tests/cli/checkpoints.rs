//! `schliff checkpoints` on a folder.

use std::path::Path;
use std::time::Duration;

use schliff_registry::checkpoint::{BackOff, Flushed, Part, Snapshot, Writer, WriterSettings};
use schliff_registry::{JobDigest, Store};
use serde_json::{Value, json};

use crate::stage::{Ended, play};

/// Commits these steps of a job.
fn commit(folder: &Path, job: &[u8], steps: &[u64]) {
    let store = Store::open(&folder.display().to_string()).expect("a store");
    let settings = WriterSettings {
        keep: 9,
        generation: 1,
        back_off: BackOff::default(),
    };
    let writer = Writer::start(&store, settings, |_| {}).expect("a thread");
    for step in steps {
        writer.offer(Snapshot {
            step: *step,
            job: JobDigest::of(job),
            state: json!({"cursor": step}),
            parts: vec![Part {
                name: "adapter",
                bytes: vec![7; 2048].into(),
            }],
        });
        let committed = Some(*step);
        let flushed = writer.flush(Duration::from_secs(60));
        assert_eq!(flushed, Flushed::All { committed });
    }
}

/// Path of the object in `folder` whose name contains `words`.
fn object(folder: &Path, words: &str) -> std::path::PathBuf {
    let mut entries = std::fs::read_dir(folder).expect("a folder");
    let found = entries.find_map(|entry| {
        let path = entry.expect("an entry").path();
        path.display().to_string().contains(words).then_some(path)
    });
    found.expect("the object")
}

fn checkpoints(folder: &Path, more: &[&str]) -> Ended {
    let folder = folder.display().to_string();
    play(&[&["checkpoints", folder.as_str()], more].concat(), "")
}

/// Ages depend on the machine.
fn without_ages(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let cells = line.split_whitespace().enumerate();
        let cells = cells.filter(|(column, _)| *column != 1);
        cells.map(|(_, cell)| cell).collect::<Vec<_>>().join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn good_ones_are_listed_and_the_newest_would_be_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    commit(folder.path(), b"job", &[10, 20]);
    let ended = checkpoints(folder.path(), &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    insta::assert_snapshot!(without_ages(&ended.stdout), @r"
    step size job verdict
    20 2.00 KiB 5e8c9902207a good
    10 2.00 KiB 5e8c9902207a good
    ");
    insta::assert_snapshot!(ended.stderr, @r"
    a resume takes step 20
    sizes were compared; --verify reads every byte
    ");
}

#[test]
fn damaged_ones_are_passed_over_with_a_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    commit(folder.path(), b"job", &[10, 20, 30, 40]);
    let parts = folder.path().join("parts");
    std::fs::remove_file(object(&parts, "0000000040")).expect("removed");
    let changed = object(&parts, "0000000030");
    let mut bytes = std::fs::read(&changed).expect("bytes");
    bytes[100] ^= 1;
    std::fs::write(&changed, bytes).expect("written");
    let manifest = object(&folder.path().join("manifests"), "0000000010");
    std::fs::write(manifest, "{").expect("written");

    // A change that keeps the size is seen only by reading.
    let quick = checkpoints(folder.path(), &["--json"]);
    let quick: Value = serde_json::from_str(&quick.stdout).expect("JSON");
    assert_eq!(quick["resume"], 30);

    let ended = checkpoints(folder.path(), &["--verify"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    insta::assert_snapshot!(ended.stderr, @r"
    a resume takes step 20
    it passes over step 40, which is torn: its part adapter is missing
    it passes over step 30, which is tampered: its part adapter is not what its digest says
    ");
    let json = checkpoints(folder.path(), &["--verify", "--json"]);
    let json: Value = serde_json::from_str(&json.stdout).expect("JSON");
    let verdicts: Vec<_> = json["checkpoints"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|line| (line["step"].clone(), line["verdict"].clone()))
        .collect();
    let expected = [
        (40, "torn"),
        (30, "tampered"),
        (20, "good"),
        (10, "unreadable"),
    ];
    assert_eq!(
        verdicts,
        expected.map(|(step, word)| (json!(step), json!(word)))
    );
    assert_eq!(json["checkpoints"][2]["bytes"], 2048);
}

#[test]
fn other_jobs_under_the_prefix_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    commit(folder.path(), b"one", &[10]);
    commit(folder.path(), b"two", &[20]);
    let ended = checkpoints(folder.path(), &["--verify"]);
    assert_eq!(ended.code, Some(0));
    insta::assert_snapshot!(ended.stderr, @r"
    a resume takes step 20
    step 10 is of another job: a resume takes the newest of its own job
    ");
}

#[test]
fn none_to_go_on_from_is_exit_1() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("missing");
    let ended = checkpoints(&missing, &[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    let told = format!("there is no checkpoint in {}\n", missing.display());
    assert_eq!(ended.stderr, told);
    assert!(!missing.exists(), "looking makes no folder");
    commit(folder.path(), b"job", &[1]);
    let part = object(&folder.path().join("parts"), "0000000001");
    std::fs::remove_file(part).expect("removed");
    let ended = checkpoints(folder.path(), &[]);
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.stderr, "none of these can be resumed from\n");
}

#[test]
fn the_folder_of_a_result_leads_to_the_one_below_it() {
    let folder = tempfile::tempdir().expect("a folder");
    commit(&folder.path().join("checkpoints"), b"job", &[1]);
    let ended = checkpoints(folder.path(), &[]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("/checkpoints' looks below it"),
        "{}",
        ended.stderr
    );
    let json = checkpoints(folder.path(), &["--json"]);
    let json: Value = serde_json::from_str(&json.stdout).expect("JSON");
    let uri = folder.path().display().to_string();
    assert_eq!(json, json!({"uri": uri, "resume": null, "checkpoints": []}));
}

#[test]
fn the_shape_of_the_json_is_as_documented() {
    let folder = tempfile::tempdir().expect("a folder");
    commit(folder.path(), b"job", &[1]);
    let ended = checkpoints(folder.path(), &["--json"]);
    let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let keys = |value: &Value| -> Vec<String> {
        value
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect()
    };
    assert_eq!(keys(&json), ["uri", "resume", "checkpoints"]);
    let line = &json["checkpoints"][0];
    let expected = [
        "step",
        "generation",
        "job",
        "bytes",
        "written_at_unix_ms",
        "writer",
        "verdict",
    ];
    assert_eq!(keys(line), expected);
}

#[test]
fn a_file_and_a_store_without_its_settings_are_usage_errors() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let ended = checkpoints(file.path(), &[]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("this is a file"), "{}", ended.stderr);
    let ended = play(&["checkpoints", "az://container/prefix"], "");
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("AZURE_*"), "{}", ended.stderr);
}

#[test]
fn an_address_that_is_none_is_a_usage_error() {
    let ended = play(&["checkpoints", "ftp://host/prefix"], "");
    assert_eq!(ended.code, Some(2));
    insta::assert_snapshot!(ended.stderr, @"error: cannot open the store ftp://host/prefix: ftp:// is not known; known are s3://, az://, gs://, file:// and plain folders");
}
