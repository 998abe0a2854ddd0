//! What a user can get wrong: one clear message, the right exit code, nothing half-written.

use std::fs;

use schliff_tests::desk::{Desk, Ended, fixture};

const TWO_SAMPLES: &str = "{\"input_ids\":[5,6,7,8],\"labels\":[5,6,7,8]}\n\
                           {\"input_ids\":[9,8,7],\"labels\":[-100,8,7]}\n";

/// A right job over the tiny Llama with `sections` put in place of these defaults.
fn job(data: &str, more: &str) -> (Desk, String) {
    let desk = Desk::new();
    desk.file("train.jsonl", data);
    let job = format!(
        "name = \"tiny\"\n[model]\nbase = {:?}\n[data]\ntrain = \"train.jsonl\"\n\
         format = \"tokens\"\nmax_tokens = 32\n[training]\nsteps = 2\nbatch_samples = 2\n{more}",
        fixture("tiny/llama").display().to_string()
    );
    desk.file("job.toml", &job);
    (desk, job)
}

/// `run` fails with `code`, says each of `words` once in its error, and leaves no adapter.
#[track_caller]
fn refused(desk: &Desk, args: &[&str], code: i32, words: &[&str]) -> Ended {
    let ended = desk.schliff(&[&["run", "job.toml", "--out", "out"], args].concat());
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    for word in words {
        assert!(ended.stderr.contains(word), "`{word}` in\n{}", ended.stderr);
    }
    assert!(!desk.path("out/adapter").exists(), "an adapter was written");
    ended
}

#[test]
fn the_job_of_these_tests_is_right() {
    let (desk, _) = job(TWO_SAMPLES, "");
    let ended = desk.schliff(&["run", "job.toml", "--out", "out"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(desk.path("out/adapter/adapter_config.json").is_file());
}

#[test]
fn the_job_file_is_wrong() {
    let (desk, job) = job(TWO_SAMPLES, "learning_rate = 1e-3\nlr = \"much\"\n");
    let ended = refused(
        &desk,
        &[],
        2,
        &["training.learning_rate", "did you mean", "training.lr"],
    );
    assert!(ended.stderr.contains("job.toml:11:"), "{}", ended.stderr);
    assert!(ended.stderr.contains("job.toml:12:"), "{}", ended.stderr);
    desk.file("job.toml", &job.replace("train.jsonl", "gone.jsonl"));
    refused(&desk, &["--set", "training.lr=1e-3"], 2, &["gone.jsonl"]);
}

#[test]
fn the_data_is_wrong() {
    let (desk, _) = job("", "");
    refused(&desk, &[], 2, &["train.jsonl is empty"]);
    let (desk, _) = job(&format!("{TWO_SAMPLES}not JSON\n"), "");
    refused(&desk, &[], 2, &["train.jsonl:3"]);
    let (desk, _) = job("{\"input_ids\":[5,6],\"labels\":[-100,-100]}\n", "");
    refused(&desk, &[], 2, &["train.jsonl:1"]);
    let (desk, _) = job("{\"input_ids\":[5,160],\"labels\":[5,160]}\n", "");
    refused(&desk, &[], 2, &["160"]);
}

#[test]
fn the_adapter_does_not_fit_the_model() {
    let (desk, _) = job(TWO_SAMPLES, "");
    refused(&desk, &["--set", "adapter.rank=0"], 2, &["adapter.rank"]);
    refused(&desk, &["--set", "adapter.rank=4096"], 2, &["rank", "4096"]);
    refused(
        &desk,
        &["--set", "adapter.targets=[\"nothing_proj\"]"],
        2,
        &["nothing_proj"],
    );
    refused(&desk, &["--set", "data.max_tokens=100000"], 2, &["256"]);
}

#[test]
fn the_model_is_wrong() {
    let (desk, job) = job(TWO_SAMPLES, "");
    let model = desk.path("model");
    fs::create_dir(&model).expect("a folder");
    for name in ["config.json", "model.safetensors"] {
        fs::copy(fixture("tiny/llama").join(name), model.join(name)).expect("a copy");
    }
    let whole = fs::read(model.join("model.safetensors")).expect("weights");
    fs::write(model.join("model.safetensors"), &whole[..whole.len() / 2]).expect("half of them");
    let base = fixture("tiny/llama").display().to_string();
    desk.file("job.toml", &job.replace(&base, "model"));
    refused(&desk, &[], 2, &["model.safetensors"]);
    let config = fs::read_to_string(model.join("config.json")).expect("a config");
    let unknown = config
        .replace("\"llama\"", "\"abacus\"")
        .replace("LlamaFor", "AbacusFor");
    fs::write(model.join("config.json"), unknown).expect("another config");
    refused(&desk, &[], 2, &["abacus"]);
}

#[test]
fn the_result_cannot_be_written() {
    let (desk, _) = job(TWO_SAMPLES, "");
    desk.file("out", "in the way");
    let ended = desk.schliff(&["run", "job.toml", "--out", "out"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    let ended = desk.schliff(&["run", "job.toml", "--out", "out/below"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("out/below"), "{}", ended.stderr);
}
