//! Searches: what can be asked for, and which jobs come of it.

use insta::assert_snapshot;
use proptest::prelude::*;
use schliff_spec::job::{Job, SweepMethod};
use schliff_spec::load::LoadedJob;
use schliff_spec::problem::Problems;
use schliff_spec::resolved::resolved_toml;
use schliff_spec::sweep::{Trial, child, children};

use crate::desk::{Desk, LEAST};

const BROKEN_TOML: &str = r#"
[resources]
nodes = 4
min_nodes = 8

[scheduling]
cluster = "-x"
priority = 101
retrys = 1
budget_gpu_hours = 0

[sweep]
method = "gird"
trials = 1001
eta = 1
rungs = [3, 3, 0, "x"]
sed = 3

[sweep.parameters]
"training.learning_rate" = [1]
"training.lr" = [1e-4, "x", 1e-4]
"adapter.rank" = []
"adapter.rank_pattern" = [{ q_proj = 3 }]
"adapter.alpha" = { min = 3, max = 1, step = 1, scale = "cubic" }
"adapter.dropout" = { min = 0.0, max = 0.5, scale = "log" }
"training.schedule" = { min = 1, max = 2 }
"training.eps" = { min = 0 }
"training.warmup" = 0.1
"name" = ["a", "b"]
"sweep.seed" = [1, 2]
"scheduling.priority" = [1, 2]
"checkpoint.uri" = ["x"]
training.lr = [1e-3]
"#;

const BROKEN_YAML: &str = r#"
resources: {nodes: 4, min_nodes: 8}
scheduling:
  cluster: -x
  priority: 101
  retrys: 1
  budget_gpu_hours: 0
sweep:
  method: gird
  trials: 1001
  eta: 1
  rungs: [3, 3, 0, x]
  sed: 3
  parameters:
    training.learning_rate: [1]
    training.lr: [1e-4, x, 1e-4]
    adapter.rank: []
    adapter.rank_pattern: [{q_proj: 3}]
    adapter.alpha: {min: 3, max: 1, step: 1, scale: cubic}
    adapter.dropout: {min: 0.0, max: 0.5, scale: log}
    training.schedule: {min: 1, max: 2}
    training.eps: {min: 0}
    training.warmup: 0.1
    name: [a, b]
    sweep.seed: [1, 2]
    scheduling.priority: [1, 2]
    checkpoint.uri: [x]
    training:
      lr: [1e-3]
"#;

const YAML: &str = "name: t\nmodel: {base: base}\ndata: {train: train.jsonl, format: messages}\n";

#[test]
fn many_problems_in_toml() {
    let desk = Desk::new();
    assert_snapshot!(desk.told(desk.least_with(BROKEN_TOML)));
}

#[test]
fn many_problems_in_yaml() {
    let desk = Desk::new();
    assert_snapshot!(desk.told(desk.load("job.yaml", format!("{YAML}{BROKEN_YAML}"))));
}

/// Sections that are right key by key.
const IMPOSSIBLE: &[&str] = &[
    "",
    "method = 'grid'",
    "parameters = { 'training.lr' = [1] }",
    "method = 'grid'\nparameters = {}",
    "method = 'grid'\nparameters = 3",
    "method = 'grid'\nparameters = { 'training.lr' = { min = 1, max = 2 } }",
    "method = 'grid'\ntrials = 3\neta = 4\nrungs = [1]\nparameters = { 'training.lr' = [1] }",
    "method = 'random'\nparameters = { 'training.lr' = [1] }",
    "method = 'random'\ntrials = 3\neta = 4\nparameters = { 'adapter.rank' = { min = 1, max = 2 } }",
    "method = 'halving'\ntrials = 3\nparameters = { 'training.seed' = [1, 2, 3] }",
    "method = 'halving'\ntrials = 2\nparameters = { 'training.steps' = [1, 2] }",
    "method = 'grid'\nparameters = { 'data.eval' = ['eval.jsonl'], 'data.train' = ['nowhere.jsonl'] }",
    "method = 'grid'\nparameters.training.batch_samples = [8, 9]\nparameters.training.micro_batch_samples = [4]",
    "method = 'grid'\nparameters = { 'training.lr' = [1], training = { lr = [2], 'x' = [3] }, data = 3 }",
    "method = 'grid'\nparameters.training = { steps = [1], epochs = [1, 2, 3, 4, 5] }",
];

#[test]
fn impossible_searches() {
    let desk = Desk::new();
    let numbers = |from: usize| {
        let numbers: Vec<_> = (from..from + 32).map(|number| number.to_string()).collect();
        format!("[{}]", numbers.join(", "))
    };
    let many = format!(
        "method = 'grid'\nparameters = {{ 'training.seed' = {}, 'adapter.rank' = {} }}",
        numbers(0),
        numbers(1)
    );
    let told: Vec<_> = IMPOSSIBLE
        .iter()
        .copied()
        .chain([many.as_str()])
        .map(|lines| desk.told(desk.least_with(&format!("[sweep]\n{lines}\n"))))
        .collect();
    assert_snapshot!(told.join("\n\n"));
}

/// A halving that cannot be, with held-out data and a length.
#[test]
fn impossible_rungs() {
    let desk = Desk::new();
    let told: Vec<_> = [
        "trials = 9\nrungs = [10, 100]",
        "trials = 2",
        "trials = 9\nparameters.evaluation.every_steps = [1, 2]",
    ]
    .map(|lines| desk.told(halving(&desk, lines)))
    .into();
    assert_snapshot!(told.join("\n\n"));
}

fn halving(desk: &Desk, lines: &str) -> Result<LoadedJob, Problems> {
    desk.least_with(&format!(
        "data.eval = 'eval.jsonl'\ntraining.steps = 100\n[sweep]\nmethod = 'halving'\n\
         parameters.training.lr = {{ min = 1e-4, max = 1e-2, scale = 'log' }}\n{lines}\n"
    ))
}

fn search(lines: &str) -> Job {
    let desk = Desk::new();
    let loaded = desk.least_with(&format!("[sweep]\n{lines}\n"));
    loaded.unwrap_or_else(|problems| panic!("{problems}")).job
}

fn shown(trials: &[Trial]) -> String {
    let lines = trials
        .iter()
        .map(|trial| format!("{}  {}", trial.label, trial.sets.join("  ")));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_grid_is_every_combination() {
    let job = search(
        "method = 'grid'\n[sweep.parameters]\ntraining.lr = [3e-4, 1e-3]\nadapter.rank = [8, 16]\n\
         adapter.targets = ['all-linear', ['q_proj', 'v_proj']]\nadapter.method = ['rslora']",
    );
    assert_snapshot!(shown(&children(&job)));
}

#[test]
fn what_is_drawn_follows_from_the_seed() {
    let lines = "method = 'random'\ntrials = 6\n[sweep.parameters]\n\
        training.lr = { min = 1e-5, max = 1e-3, scale = 'log' }\n\
        adapter.rank = { min = 4, max = 64, scale = 'log' }\nadapter.dropout = { min = 0, max = 0.2 }\n\
        checkpoint.every_steps = [1, 2]\nevaluation.max_new_tokens = [5]\n";
    let drawn = children(&search(lines));
    assert_snapshot!(shown(&drawn));
    assert_eq!(drawn, children(&search(lines)));
    let other = lines.replace("trials = 6", "trials = 6\nseed = 1");
    assert_ne!(drawn, children(&search(&other)));
}

#[test]
fn as_many_trials_as_there_are_combinations() {
    let job = search(
        "method = 'random'\ntrials = 1000\n[sweep.parameters]\n\
         training.seed = { min = 1, max = 100 }\nadapter.alpha = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n",
    );
    assert_eq!(children(&job).len(), 1000);
}

#[test]
fn halving_evaluates_at_its_rungs() {
    let desk = Desk::new();
    let method = |lines| {
        let job = halving(&desk, lines).unwrap().job;
        let every = children(&job)[0].sets.last().unwrap().clone();
        match job.sweep.unwrap().method {
            SweepMethod::Halving { rungs, .. } => (rungs, every),
            other => panic!("{other:?}"),
        }
    };
    for (lines, rungs, every) in [
        ("trials = 27", vec![3, 9, 27, 81], 3),
        ("trials = 9", vec![11, 33, 99], 11),
        ("trials = 8\neta = 2", vec![12, 24, 48, 96], 12),
        ("trials = 1000\neta = 2", vec![1, 2, 4, 8, 16, 32, 64], 1),
        ("trials = 2\nrungs = [40, 60]", vec![40, 60], 20),
    ] {
        let every = format!("evaluation.every_steps={every}");
        assert_eq!(method(lines), (rungs, every), "{lines}");
    }
}

/// Trials that shared a prefix would take each other's checkpoints for their own.
#[test]
fn each_trial_has_its_own_prefix_and_loads_from_the_resolved_search() {
    let desk = Desk::new();
    let lines = "checkpoint.uri = 's3://bucket/search/'\nscheduling.priority = 7\n[sweep]\n\
        method = 'grid'\n[sweep.parameters]\ntraining.steps = [5, 6]\ntraining.schedule = ['wsd']\n";
    let job = desk.least_with(lines).unwrap().job;
    let text = resolved_toml(&job);
    let trials = children(&job);
    assert_eq!(trials.len(), 2);
    for (trial, (number, steps)) in trials.iter().zip([(1, 5), (2, 6)]) {
        let own = child(&text, trial).unwrap_or_else(|problems| panic!("{problems}"));
        let uri = format!("s3://bucket/search/trial-{number}");
        assert_eq!(own.checkpoint.uri, Some(uri));
        assert_eq!(own.sweep, None);
        assert_eq!(own.scheduling, job.scheduling);
        assert_eq!(children(&own), []);
        let set = format!("training.steps={steps}");
        assert!(trial.sets.contains(&set), "{trial:?}");
    }
}

#[test]
fn paths_of_a_search_become_absolute_with_the_job() {
    let desk = Desk::new();
    // The working directory of a test is its crate.
    let lines = "[sweep]\nmethod = 'grid'\n[sweep.parameters]\n\
        data.train = ['Cargo.toml', ['src/lib.rs', 'Cargo.toml']]\nmodel.base = ['gguf:Cargo.toml']\n";
    let job = desk.least_with(lines).unwrap().job;
    let trials = children(&job.with_absolute_paths().unwrap());
    let here = env!("CARGO_MANIFEST_DIR");
    let told = shown(&trials).replace(here, "HERE");
    assert_snapshot!(told);
    assert!(!told.contains("\"Cargo"), "{told}");
}

#[test]
fn a_set_varies_another_key_or_the_same_one_otherwise() {
    let desk = Desk::new();
    let lines = "[sweep]\nmethod = 'grid'\n[sweep.parameters]\ntraining.lr = [1, 2]\n";
    let job = desk.set(
        lines,
        &[
            "sweep.parameters.training.lr=[3, 4, 5]",
            "sweep.parameters.adapter.rank=[2]",
            "sweep.max_parallel=3",
        ],
    );
    let job = job.unwrap_or_else(|problems| panic!("{problems}")).job;
    let labels: Vec<_> = children(&job).into_iter().map(|it| it.label).collect();
    assert_eq!(labels, ["lr=3,rank=2", "lr=4,rank=2", "lr=5,rank=2"]);
    let unset = desk.set(lines, &["sweep.parameters.name=['a']", "sweep.trials=2"]);
    let told = desk.told(unset);
    assert!(
        told.contains("cannot be varied") && told.contains("sweep.trials=2"),
        "{told}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is drawn is a job, and no two are alike.
    #[test]
    fn every_trial_is_a_job_of_its_own(seed: u64, trials in 1_usize..40) {
        let desk = Desk::new();
        let job = desk.least_with(&format!(
            "[sweep]\nmethod = 'random'\nseed = {seed}\ntrials = {trials}\n[sweep.parameters]\n\
             training.lr = {{ min = 1e-6, max = 0.5, scale = 'log' }}\n\
             adapter.rank = {{ min = 1, max = 256 }}\ntraining.clip_norm = {{ min = 0, max = 1 }}\n"
        )).map_err(|problems| TestCaseError::fail(problems.to_string()))?.job;
        let text = resolved_toml(&job);
        let found = children(&job);
        prop_assert_eq!(found.len(), trials);
        let labels: std::collections::BTreeSet<_> = found.iter().map(|it| &it.label).collect();
        prop_assert_eq!(labels.len(), trials);
        for trial in &found {
            let own = child(&text, trial).map_err(|problems| TestCaseError::fail(problems.to_string()))?;
            prop_assert!((1e-6..=0.5).contains(&own.training.lr));
            prop_assert!((1..=256).contains(&own.adapter.rank));
        }
    }
}

#[test]
fn a_job_without_these_tables_is_as_it_was() {
    let desk = Desk::new();
    let job = desk.load("job.toml", LEAST).unwrap().job;
    let json = serde_json::to_string(&job).unwrap();
    assert!(
        !json.contains("scheduling") && !json.contains("sweep"),
        "{json}"
    );
    assert_eq!(serde_json::from_str::<Job>(&json).unwrap(), job);
    assert_eq!((job.scheduling.priority, job.scheduling.retries), (50, 3));
    let old = r#"{"nodes":2,"gpus_per_node":null,"time_s":60}"#;
    let old: schliff_spec::job::Resources = serde_json::from_str(old).unwrap();
    assert_eq!((old.nodes, old.min_nodes), (Some(2), None));
}
