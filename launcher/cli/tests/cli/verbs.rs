//! The verbs that begin with a job file.

use serde_json::{Value, json};

use crate::stage::JobFolder;

/// Three steps and a result, the way the trainer reports them.
const TRAINED: &str = r#"
    say '{"event":"stage","name":"loading the base model"}'
    say '{"event":"evaluation","step":0,"measures":{"loss":3.4,"perplexity":29.96,"bits_per_byte":null,"tokens":100,"exact_match":0.0,"exact_match_samples":10}}'
    for step in 1 2 3; do
        say "{\"event\":\"step\",\"step\":$step,\"steps\":3,\"loss\":$((4 - step)).5,\"grad_norm\":1.0,\"lr\":0.0002,\"tokens\":64,\"tokens_per_s\":800.0}"
    done
    say "{\"event\":\"done\",\"result\":{\"name\":\"intents\",\"steps\":3,\"tokens\":192,\"tokens_per_s\":800.0,\"baseline\":{\"loss\":3.4},\"final\":{\"loss\":0.5},\"adapter\":\"runs/intents/adapter\",\"interrupted\":false,\"request\":$request}}"
"#;

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("one JSON value on standard output")
}

#[test]
fn run_reports_steps_and_ends_with_before_and_after() {
    let ended = JobFolder::with("").play(&["run", "job.toml"], TRAINED);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    insta::assert_snapshot!("run_stdout", ended.stdout);
    // The pace depends on the machine.
    let steps = ended
        .stderr
        .lines()
        .map(|line| line.split(" tok/s").next().unwrap_or(line));
    insta::assert_snapshot!(steps.collect::<Vec<_>>().join("\n"), @r"
    loading the base model ...
    held-out, base model: loss 3.4000, perplexity 29.96, exact match 0.0 %
    step 1/3  loss 3.5000  lr 2.00e-4  800
    step 2/3  loss 2.5000  lr 2.00e-4  800
    step 3/3  loss 1.5000  lr 2.00e-4  800
    ");
}

#[test]
fn run_sends_the_job_with_its_overrides_and_a_default_folder() {
    let args = ["run", "job.toml", "--set", "training.lr=1e-3", "--json"];
    let ended = JobFolder::with("").play(&args, TRAINED);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let request = parsed(&ended.stdout)["request"].clone();
    assert_eq!(request["verb"], "run");
    assert_eq!(request["out"], "runs/intents");
    assert_eq!(request["job"]["training"]["lr"], 1e-3);
}

#[test]
fn run_takes_an_empty_folder_and_spares_an_earlier_result() {
    let job = JobFolder::with("");
    std::fs::create_dir_all(job.path("out")).expect("a folder");
    let run = |more: &[&str]| {
        job.play(
            &[&["run", "job.toml", "--out", "out"], more].concat(),
            TRAINED,
        )
    };
    assert_eq!(run(&[]).code, Some(0));
    std::fs::create_dir(job.path("out/adapter")).expect("a folder");
    let refused = run(&[]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""));
    insta::assert_snapshot!(refused.stderr, @r"
    error: out holds an earlier result
    hint: --force replaces it, --out names another folder
    ");
    assert_eq!(run(&["--force"]).code, Some(0));
}

#[test]
fn check_reports_every_problem_of_the_file_without_the_trainer() {
    let job = JobFolder::with("[training]\nlearning_rate = 1\n[adapter]\nrank = 0\n");
    let ended = job.play(&["check", "job.toml"], "echo 'the trainer was asked' >&2");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    assert!(
        !ended.stderr.contains("the trainer was asked"),
        "{}",
        ended.stderr
    );
    let problems = |text: &str| {
        text.lines()
            .filter(|line| line.starts_with("error: job.toml:"))
            .count()
    };
    assert_eq!(problems(&ended.stderr), 2, "{}", ended.stderr);

    let as_json = job.play(&["check", "job.toml", "--json"], "");
    assert_eq!(as_json.code, Some(2));
    assert_eq!(
        parsed(&as_json.stdout)["problems"].as_array().map(Vec::len),
        Some(2)
    );
}

#[test]
fn check_prints_the_plan() {
    let plan = json!({"steps": 7, "tokens": 7168, "memory_bytes_estimate": 1_073_741_824});
    let scene = format!("say '{}'", json!({"event": "done", "result": plan}));
    let ended = JobFolder::with("").play(&["check", "job.toml"], &scene);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(
        ended.stdout,
        "steps   7\ntokens  7,168\nmemory  about 1.00 GiB\n"
    );
}

#[test]
fn config_shows_values_and_where_they_come_from() {
    let job = JobFolder::with("[adapter]\nrank = 8\n");
    let plain = job.play(&["config", "job.toml"], "");
    assert_eq!(plain.code, Some(0), "{}", plain.stderr);
    assert!(
        plain.stdout.lines().any(|line| line == "rank = 8"),
        "{}",
        plain.stdout
    );

    let args = [
        "config",
        "job.toml",
        "--set",
        "training.lr=1e-3",
        "--origin",
    ];
    let origins = job.play(&args, "").stdout;
    let origin_of = |key: &str| {
        let line = origins
            .lines()
            .find(|line| line.starts_with(key))
            .expect("the key is there");
        line.split("# ").last().expect("an origin").to_owned()
    };
    assert_eq!(origin_of("adapter.rank"), "job.toml:10:1");
    assert_eq!(origin_of("training.lr"), "--set training.lr=1e-3");
    assert_eq!(origin_of("adapter.alpha"), "default");

    let as_json = job.play(&["config", "job.toml", "--json"], "").stdout;
    assert_eq!(parsed(&as_json)["adapter"]["rank"], 8);
}

#[test]
fn data_shows_what_is_trained() {
    let result = json!({
        "report": {"samples": 1},
        "samples": [{"origin": "train.jsonl:1", "tokens": [
            {"text": "Licht", "trained": false}, {"text": " an", "trained": true}
        ]}]
    });
    let scene = format!("say '{}'", json!({"event": "done", "result": result}));
    let ended = JobFolder::with("").play(&["data", "job.toml"], &scene);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(
        ended.stdout,
        "training data\nsamples  1\n\n-- train.jsonl:1\nLicht⟦ an⟧\n"
    );
}
