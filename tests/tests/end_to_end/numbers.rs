//! Losses and training curves, through files and pipes, as a user gets them.

use std::fs;
use std::path::Path;

use schliff_tests::desk::{Desk, fixture, json_file};
use serde_json::Value;

/// How far a mean loss may lie from the reference.
const NLL_TOLERANCE: f64 = 1e-4;
/// How far a training curve may lie from the reference, relatively.
const CURVE_TOLERANCE: f64 = 1e-3;

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

/// Folders of the fixtures below `name`, in order.
fn folders(name: &str) -> Vec<String> {
    let entries = fs::read_dir(fixture(name)).expect("fixtures");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("fixtures"))
        .filter(|entry| entry.path().is_dir())
        .map(|entry| format!("{name}/{}", entry.file_name().to_string_lossy()))
        .collect();
    names.sort();
    assert!(names.len() >= 5, "the search itself works");
    names
}

/// Compares `eval` with the mean loss of the reference over each sequence.
fn agrees(desk: &Desk, base: &Path, adapter: Option<&Path>, expected: &Value) {
    for case in list(&expected["cases"]) {
        let ids = &case["input_ids"];
        let data = desk.file(
            "case.jsonl",
            &format!(r#"{{"input_ids":{ids},"labels":{ids}}}"#),
        );
        let result = desk.eval(base, adapter, &data);
        let (ours, theirs) = (number(&result["nll"]), number(&case["mean_nll"]));
        assert!(
            (ours - theirs).abs() <= NLL_TOLERANCE,
            "{base:?} {adapter:?}: {ours}, {theirs}"
        );
        assert_eq!(result["tokens"], list(ids).len());
    }
}

#[test]
fn every_family_has_the_losses_of_transformers() {
    let desk = Desk::new();
    for name in folders("tiny") {
        let base = fixture(&name);
        agrees(&desk, &base, None, &json_file(&base.join("expected.json")));
    }
}

/// An adapter that uses what is not built yet, and the key that says so.
const REFUSED: [(&str, &str); 1] = [("adapters/llama-sharded-layers", "layers_to_transform")];

#[test]
fn every_adapter_of_peft_has_its_losses() {
    let desk = Desk::new();
    let refused = |name: &String| REFUSED.iter().any(|(refused, _)| refused == name);
    for name in folders("adapters")
        .into_iter()
        .filter(|name| !refused(name))
    {
        let adapter = fixture(&name);
        let expected = json_file(&adapter.join("expected.json"));
        let base = fixture(expected["base"].as_str().expect("a base"));
        agrees(&desk, &base, Some(&adapter), &expected);
    }
}

#[test]
fn an_adapter_that_cannot_be_honoured_is_refused() {
    for (name, key) in REFUSED {
        let adapter = fixture(name);
        let base = json_file(&adapter.join("expected.json"))["base"].clone();
        let base = fixture(base.as_str().expect("a base"))
            .display()
            .to_string();
        let adapter = adapter.display().to_string();
        let args = [
            "eval",
            "--base",
            &base,
            "--adapter",
            &adapter,
            "--text",
            "words",
        ];
        let ended = Desk::new().schliff(&args);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(key), "{}", ended.stderr);
    }
}

/// A job that repeats a curve of the reference, from the reference's own first factors.
fn curve_job(name: &str, method: &str, micro_batch_samples: usize) -> String {
    let curve = json_file(&fixture(&format!("curves/{name}/curve.json")));
    let (training, adapter) = (&curve["training"], &curve["adapter"]);
    let path = |key: &str| {
        fixture(curve[key].as_str().expect("a path"))
            .display()
            .to_string()
    };
    format!(
        "name = {name:?}\n[model]\nbase = {:?}\n\
         [adapter]\nmethod = {method:?}\nrank = {}\nalpha = {}\ninit = {:?}\n\
         [data]\ntrain = {:?}\nformat = \"tokens\"\nshuffle = false\npacking = false\nmax_tokens = 64\n\
         [training]\nsteps = {}\nlr = {}\nschedule = {}\nwarmup_steps = {}\n\
         batch_samples = 8\nmicro_batch_samples = {micro_batch_samples}\nclip_norm = {}\n",
        path("base"),
        adapter["r"],
        adapter["lora_alpha"],
        path("init"),
        path("data"),
        training["steps"],
        training["lr"],
        training["schedule"],
        training["warmup_steps"],
        training["clip_norm"],
    )
}

#[test]
fn run_repeats_the_curves_of_peft() {
    let curves = [
        ("llama-lora", "lora", 1),
        ("llama-rslora", "rslora", 8),
        ("llama-dora", "dora", 4),
    ];
    for (name, method, micro_batch_samples) in curves {
        let desk = Desk::new();
        desk.file("job.toml", &curve_job(name, method, micro_batch_samples));
        let summary = desk
            .schliff(&["run", "job.toml", "--out", "out", "--json"])
            .json();
        assert_eq!(summary["interrupted"], false);
        assert_eq!(
            json_file(&desk.path("out/summary.json"))["steps"],
            summary["steps"]
        );
        assert!(desk.path("out/adapter/adapter_model.safetensors").is_file());

        let expected = json_file(&fixture(&format!("curves/{name}/curve.json")));
        let metrics = fs::read_to_string(desk.path("out/metrics.jsonl")).expect("metrics");
        let steps: Vec<Value> = metrics
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        for key in ["loss", "grad_norm", "lr"] {
            let reference = list(&expected[key]);
            assert_eq!(steps.len(), reference.len());
            for (step, theirs) in steps.iter().zip(reference) {
                let (ours, theirs) = (number(&step[key]), number(theirs));
                let near = (ours - theirs).abs() <= CURVE_TOLERANCE * theirs.abs();
                assert!(near, "{name} {key} {step}: {ours}, {theirs}");
            }
        }
    }
}

#[test]
fn smollm2_reads_a_text_as_transformers_does() {
    // `make test` fetches the model; without it there is nothing to read.
    let Some(base) = std::env::var_os("SCHLIFF_TEST_SMOLLM2") else {
        return;
    };
    let text = "The capital of France is Paris. Water boils at 100 degrees Celsius at sea level.";
    let args = [
        "eval".as_ref(),
        "--base".as_ref(),
        base.as_os_str(),
        "--text".as_ref(),
    ];
    let more = [text, "--json"].map(AsRef::<std::ffi::OsStr>::as_ref);
    let result = Desk::new().schliff(&[&args[..], &more[..]].concat()).json();
    assert_eq!(result["tokens"], 20);
    assert!(
        (number(&result["nll"]) - 2.0366).abs() <= NLL_TOLERANCE,
        "{result}"
    );
}
