//! The files that a job names.

use std::fs;

use schliff_spec::job::BaseModel;
use schliff_spec::load::{Options, load_with};

use crate::desk::Desk;

fn with_base(desk: &Desk, base: &str) -> Result<BaseModel, String> {
    let job = format!(
        "name = 't'\nmodel.base = '{base}'\ndata = {{ train = 'train.jsonl', format = 'text' }}"
    );
    match desk.load("job.toml", job) {
        Ok(loaded) => Ok(loaded.job.model.base),
        error => Err(desk.told(error)),
    }
}

#[test]
fn base_models() {
    let desk = Desk::new();
    desk.write("model.bin", "GGUF");
    let folder = BaseModel::HfDirectory(desk.path("base"));
    assert_eq!(with_base(&desk, "base"), Ok(folder));
    let gguf = BaseModel::Gguf(desk.path("base.gguf"));
    assert_eq!(with_base(&desk, "base.gguf"), Ok(gguf.clone()));
    assert_eq!(with_base(&desk, "gguf:base.gguf"), Ok(gguf.clone()));
    let absolute = desk.path("base.gguf");
    assert_eq!(with_base(&desk, absolute.to_str().unwrap()), Ok(gguf));
    let odd_name = BaseModel::Gguf(desk.path("model.bin"));
    assert_eq!(with_base(&desk, "gguf:model.bin"), Ok(odd_name));
    let refused = [
        "model.bin",
        "gguf:base",
        "gguf:nowhere.gguf",
        "nowhere",
        "org/name",
        "hf:org/name@rev",
        "s3://bucket/key",
        "~/model",
        "",
    ];
    let told = refused.map(|base| with_base(&desk, base).unwrap_err());
    insta::assert_snapshot!(told.join("\n\n"));
}

#[test]
fn beside_the_job_file_first_then_in_the_working_directory() {
    let desk = Desk::new();
    // The working directory of a test is its crate.
    let job = "name = 't'\nmodel.base = 'base'\nmodel.tokenizer = 'src/lib.rs'\n\
               data = { train = ['train.jsonl', 'Cargo.toml'], format = 'text' }";
    let loaded = desk.load("job.toml", job).unwrap().job;
    assert_eq!(loaded.model.tokenizer, Some("src/lib.rs".into()));
    assert_eq!(
        loaded.data.train,
        [desk.path("train.jsonl"), "Cargo.toml".into()]
    );
    desk.write("Cargo.toml", "x");
    let loaded = desk.load("job.toml", job).unwrap().job;
    assert_eq!(loaded.data.train[1], desk.path("Cargo.toml"));
    let loaded = desk.set("", &["data.train=Cargo.toml"]).unwrap().job;
    assert_eq!(loaded.data.train[0].to_str(), Some("Cargo.toml"));
}

#[test]
fn data_files_and_folders() {
    let desk = Desk::new();
    for (line, words) in [
        ("data.eval = 'base'", "is a folder"),
        ("data.eval = 'empty.jsonl'", "is empty"),
        ("data.eval = ['eval.jsonl', 'x.jsonl']", "x.jsonl"),
        ("data.eval = ''", "no path"),
        ("adapter.init = 'eval.jsonl'", "is not a folder"),
        ("adapter.init = 'x'", "there is no DESK/x, nor HERE/x"),
        ("model.tokenizer = 'base'", "is a folder"),
    ] {
        let told = desk.told(desk.least_with(line));
        assert!(told.contains(words), "{line}: {told}");
        assert_eq!(told.matches("error:").count(), 1, "{told}");
    }
    assert!(
        desk.least_with("data.eval = []\nadapter.init = 'adapter'")
            .is_ok()
    );
}

#[test]
fn without_looking_at_files_paths_stay_as_written() {
    let desk = Desk::new();
    let job = "name = 't'\nmodel.base = 'm/x.gguf'\ndata.train = 'a.jsonl'\ndata.format = 'text'";
    let path = desk.write("job.toml", job);
    let options = Options { check_files: false };
    let job = load_with(&path, &[], options).unwrap().job;
    assert_eq!(job.model.base, BaseModel::Gguf("m/x.gguf".into()));
    assert_eq!(job.data.train[0].to_str(), Some("a.jsonl"));
}

#[test]
fn job_files_that_cannot_be_read() {
    let desk = Desk::new();
    fs::create_dir(desk.path("folder.toml")).unwrap();
    let big = format!("{}#{}", crate::desk::LEAST, " ".repeat(1 << 20));
    let told = [
        desk.told(schliff_spec::load::load(&desk.path("absent.toml"), &[])),
        desk.told(schliff_spec::load::load(&desk.path("folder.toml"), &[])),
        desk.told(desk.load("job.json", "{}")),
        desk.told(desk.load("job", "")),
        desk.told(desk.load("big.toml", big)),
        desk.told(desk.load("latin1.toml", b"name = 't'\n# \xe4\xf6\n")),
        desk.told(desk.load("utf16.yaml", b"\xff\xfen\0a\0")),
        desk.told(desk.load("empty.toml", "")),
        desk.told(desk.load("empty.yml", "# nothing\n")),
        desk.told(desk.load("null.yml", "---\n")),
        desk.told(desk.load("comment.toml", "\u{feff}# nothing\n")),
    ];
    insta::assert_snapshot!(told.join("\n\n"));
}
