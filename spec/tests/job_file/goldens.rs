//! What the user reads, word for word.

use insta::assert_snapshot;
use schliff_spec::job::CheckpointEvery;

use crate::desk::Desk;

const BROKEN_TOML: &str = r#"
name = "bad name!"
lr = 1e-4

[model]
base = "hf:org/model@main"

[adapter]
metod = "lora"
rank = 0
alpha = "32"
dropout = 1.5
rank_pattern = { q_proj = 8, k_proj = "x" }

[data]
train = ["train.jsonl", "nowhere.jsonl", "empty.jsonl", 3]
format = "mesages"
packing = "yes"

[training]
learning_rate = 1e-4
epochs = 3
steps = 10
micro_batch_tokens = 100
precision = "fp8-mixed"
seed = 1.0
lr = nan

[evaluation]
every_steps = 5

[checkpoint]
every = "soon"

[trainning]
x = 1
"#;

const BROKEN_YAML: &str = r#"
name: bad name!
lr: 1e-4
model:
  base: hf:org/model@main
adapter:
  metod: lora
  rank: 0
  alpha: "32"
  dropout: 1.5
  rank_pattern: { q_proj: 8, k_proj: x }
data:
  train:
    - train.jsonl
    - nowhere.jsonl
    - empty.jsonl
    - 3
  format: mesages
  packing: yes
training:
  learning_rate: 1e-4
  epochs: 3
  steps: 10
  micro_batch_tokens: 100
  precision: fp8-mixed
  seed: 1.0
  lr: .nan
evaluation:
  every_steps: 5
checkpoint:
  every: soon
trainning:
  x: 1
"#;

#[test]
fn many_problems_in_toml() {
    let desk = Desk::new();
    assert_snapshot!(desk.told(desk.load("job.toml", BROKEN_TOML)));
}

#[test]
fn many_problems_in_yaml() {
    let desk = Desk::new();
    assert_snapshot!(desk.told(desk.load("job.yaml", BROKEN_YAML)));
}

/// Both notations lead to the same problems, at other places.
#[test]
fn notations_agree() {
    let desk = Desk::new();
    let problems = |name, content| {
        let problems = desk.load(name, content).unwrap_err();
        let mut keys: Vec<_> = problems
            .iter()
            .map(|problem| (problem.key.clone(), problem.message.clone()))
            .collect();
        keys.sort();
        keys
    };
    let toml = problems("job.toml", BROKEN_TOML);
    let yaml = problems("job.yaml", BROKEN_YAML);
    assert_eq!(toml.len(), yaml.len());
    for (toml, yaml) in toml.iter().zip(&yaml) {
        assert_eq!(toml.0, yaml.0);
    }
}

#[test]
fn an_empty_job() {
    let desk = Desk::new();
    assert_snapshot!(desk.told(desk.load("job.toml", "[model]\n\n[data]\neval = 'eval.jsonl'\n")));
}

#[test]
fn problems_as_json() {
    let desk = Desk::new();
    let problems = desk.set("[training]\nlearning_rate = 1\n", &["training.lr=abc"]);
    let json = serde_json::to_string_pretty(&problems.unwrap_err()).unwrap();
    let folder = format!("{}/", desk.path("").display()).replace("//", "/");
    assert_snapshot!(json.replace(&folder, ""));
}

#[test]
fn warnings() {
    let desk = Desk::new();
    let loaded = desk
        .least_with(
            "data.eval = 'train.jsonl'\n[training]\nsteps = 5\nwarmup_steps = 5\n\
             min_lr_ratio = 0.2\n[checkpoint]\nuri = 'here'\nevery = '1h30min'\n[resources]\n",
        )
        .unwrap();
    let told: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    let folder = format!("{}/", desk.path("").display()).replace("//", "/");
    assert_snapshot!(told.join("\n").replace(&folder, ""));
    assert_eq!(loaded.job.checkpoint.every, CheckpointEvery::Seconds(5400));
}
