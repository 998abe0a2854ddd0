//! Half precision and a base that is held in blocks, from the job file to the merged model.

use std::fs;
use std::path::Path;

use schliff_tests::desk::{Desk, fixture, json_file};
use schliff_tests::ranks::{adapter, tiny_desk};
use schliff_tests::running::Running;
use serde_json::Value;

/// Torch's growth interval of 2,000 steps lies within a run.
const LONG: usize = 2_400;
/// With a branch of this weight, gradients overflow at the first scales.
const HEAVY: [&str; 4] = [
    "--set",
    "training.precision=fp16-mixed",
    "--set",
    "adapter.alpha=1e4",
];

/// How far a run's peak may be from what `check` said, as a share.
const PEAK_TOLERANCE: f64 = 0.15;

/// The lines of a run's metrics.
fn metrics(desk: &Desk, out: &str) -> Vec<Value> {
    let text = fs::read_to_string(desk.path(out).join("metrics.jsonl")).expect("metrics");
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().expect("JSON")
}

#[test]
fn ranks_in_half_precision_skip_the_same_steps_and_give_the_same_bytes() {
    let desk = tiny_desk(40);
    let train = |ranks: &str| {
        let args = ["run", "job.toml", "--ranks", ranks, "--out", ranks];
        let ended = desk.schliff(&[&args[..], &HEAVY].concat());
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let summary = json_file(&desk.path(ranks).join("summary.json"));
        let skipped = summary["steps_skipped"].as_u64().expect("a count");
        assert!((1..20).contains(&skipped), "{summary}");
        let lines = metrics(&desk, ranks);
        assert_eq!(lines.len(), 40, "a skipped step is a step");
        let (mut scale, mut told) = (65_536.0, 0);
        for line in lines {
            assert_eq!(line["loss_scale"], scale, "{line}");
            if line["skipped"] == true {
                assert!(line["grad_norm"].is_null(), "{line}");
                scale /= 2.0;
                told += 1;
            }
        }
        assert_eq!(told, skipped);
        adapter(&desk, ranks)
    };
    let alone = train("1");
    assert!(train("2") == alone, "2 ranks give another adapter");
    assert!(train("4") == alone, "4 ranks give another adapter");
}

#[test]
fn a_run_in_half_precision_goes_on_with_the_scale_it_had() {
    let desk = tiny_desk(LONG);
    let args = ["run", "job.toml", "--set", "training.precision=fp16-mixed"];
    let out = |name| [&args[..], &["--out", name]].concat();
    let mut run = Running::start(desk.command(&[&out("killed")[..], &["--ranks", "2"]].concat()));
    let store = desk.path("killed/checkpoints").display().to_string();
    run.wait_for(|line| line.starts_with("step "));
    // Commits lie behind the steps, more so on a busy machine.
    while desk.schliff(&["checkpoints", &store]).code != Some(0) {
        run.wait_for(|line| line.starts_with("step "));
    }
    let said = run.kill_tree();
    let resumed = desk.schliff(&["run", "--resume", &store, "--out", "resumed"]);
    assert_eq!(resumed.code, Some(0), "{said}\n{}", resumed.stderr);
    let ended = desk.schliff(&out("whole"));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(adapter(&desk, "resumed") == adapter(&desk, "whole"));
    let (whole, rest) = (metrics(&desk, "whole"), metrics(&desk, "resumed"));
    assert!((1..LONG).contains(&rest.len()), "{} lines", rest.len());
    for (found, wanted) in rest.iter().rev().zip(whole.iter().rev()) {
        for key in ["step", "loss", "grad_norm", "loss_scale"] {
            assert_eq!(found[key], wanted[key], "{found} against {wanted}");
        }
    }
    let last = whole.last().expect("a step");
    assert_eq!(last["loss_scale"], 131_072.0, "it grew when it was due");
}

/// Mean loss of the curves' data under a model.
fn nll(desk: &Desk, base: &Path, adapter: Option<&Path>) -> f64 {
    let data = fixture("curves/data.jsonl");
    let result = desk.eval(base, adapter, &data);
    result["nll"].as_f64().expect("a loss")
}

#[test]
fn eval_and_merge_use_the_base_as_training_held_it() {
    let base = fixture("tiny/llama");
    let data = fixture("curves/data.jsonl").display().to_string();
    // How far a merged model, which computes in 32 bits, may be from the branch: what it rounds no
    // more.
    for (set, tolerance) in [
        ("model.quantization=q4-0", 1e-5),
        ("model.quantization=nf4", 1e-5),
        ("training.precision=bf16-mixed", 2e-3),
    ] {
        let desk = tiny_desk(60);
        let eval = format!("data.eval={data:?}");
        let args = [
            "run", "job.toml", "--out", "out", "--set", set, "--set", &eval,
        ];
        let ended = desk.schliff(&args);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let trained = json_file(&desk.path("out/summary.json"))["final"]["loss"]
            .as_f64()
            .expect("a loss");
        let adapter = desk.path("out/adapter");
        let branch = nll(&desk, &base, Some(&adapter));
        assert!(
            (branch - trained).abs() < 1e-6,
            "{set}: {branch}, {trained}"
        );
        let words = [
            "merge",
            "--base",
            "BASE",
            "--adapter",
            "out/adapter",
            "--out",
            "merged",
        ];
        let base_name = base.display().to_string();
        let words = words.map(|word| if word == "BASE" { &base_name } else { word });
        let told = desk.schliff(&[&words[..], &["--dtype", "f32", "--json"]].concat());
        assert_eq!(told.code, Some(0), "{}", told.stderr);
        let merged = nll(&desk, &desk.path("merged"), None);
        assert!(
            (merged - branch).abs() < tolerance,
            "{set}: {merged}, {branch}"
        );
        // Without the note, the base is taken as its file has it, and the loss is another.
        fs::remove_file(adapter.join("schliff.json")).expect("a note");
        let plain = nll(&desk, &base, Some(&adapter));
        assert!((plain - trained).abs() > 1e-6, "{set}: {plain}, {trained}");
    }
}

#[test]
fn check_says_what_each_form_of_the_base_takes() {
    let plan = |desk: &Desk, set: &str| {
        let args = ["check", "job.toml", "--json", "--set", set];
        desk.schliff(&args).json()
    };
    let desk = tiny_desk(20);
    let bytes = |set: &str| plan(&desk, set)["frozen_bytes"].as_u64().expect("bytes");
    let weights = frozen_weights();
    // In 32 bits all but the embedding have a transposed copy, for speed.
    let plain = bytes("training.precision=f32");
    assert_eq!(plain, 4 * (2 * weights - 160 * 32));
    assert_eq!(bytes("training.precision=bf16-mixed"), 2 * weights);
    assert_eq!(bytes("training.precision=fp16-mixed"), 2 * weights);
    // Rows of 56 are no whole blocks and stay in 32 bits: one layer in each block.
    let odd = 2 * 32 * 56;
    assert_eq!(
        bytes("model.quantization=q8-0"),
        (weights - odd) / 32 * 34 + 4 * odd
    );
}

/// On the real model, whose weights outweigh the program: the plan is held against the run.
#[test]
fn check_foretells_the_peak_of_a_run() {
    let Some(model) = std::env::var_os("SCHLIFF_TEST_SMOLLM2") else {
        return;
    };
    let desk = tiny_desk(2);
    let base = format!("model.base={model:?}");
    for set in ["training.precision=f32", "model.quantization=q8-0"] {
        let sets = ["--set", &base, "--set", set];
        let told = desk.schliff(&[&["check", "job.toml", "--json"][..], &sets].concat());
        let run = ["run", "job.toml", "--force", "--out", "out"];
        let ended = desk.schliff(&[&run[..], &sets].concat());
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let summary = json_file(&desk.path("out/summary.json"));
        let number = |value: &Value| value.as_f64().expect("bytes");
        let foretold = number(&told.json()["memory_bytes_estimate"]);
        let peak = number(&summary["peak_rss_bytes"]);
        let off = (foretold / peak - 1.0).abs();
        assert!(off < PEAK_TOLERANCE, "{set}: {foretold} against {peak}");
    }
}

/// Weights of the tiny model's matrices.
fn frozen_weights() -> u64 {
    let attention = 32 * (64 + 2 * 32) + 64 * 32;
    let feed_forward = 3 * 32 * 56;
    2 * (attention + feed_forward) + 2 * 160 * 32
}
