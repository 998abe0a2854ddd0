//! A resolved job file loads to the job it was made of.

use proptest::prelude::*;
use schliff_spec::load::{Options, load, load_with};
use schliff_spec::resolved::resolved_toml;

use crate::desk::Desk;

/// Lines that do not contradict each other whichever are picked, one of each group.
const GROUPS: &[&[&str]] = &[
    &["", "training.steps = 7", "training.epochs = 0.5"],
    &["", "training.warmup_steps = 3", "training.warmup = 0.25"],
    &[
        "",
        "training.batch_samples = 8",
        "training.batch_samples = 8\ntraining.micro_batch_samples = 4",
        "training.batch_tokens = 4096",
        "training.micro_batch_tokens = 3000",
    ],
    &["", "adapter.method = 'dora'", "adapter.method = 'rslora'"],
    &[
        "",
        "adapter.targets = ['q_proj', 'v\"proj']",
        "adapter.targets = '''.*\\.(q|v)_proj'''",
    ],
    &[
        "",
        "adapter.rank_pattern = { '^model\\.layers\\.1\\.' = 4, q_proj = 8 }",
    ],
    &["", "adapter.alpha_pattern = { q_proj = 0.1 }"],
    &["", "adapter.modules_to_save = ['lm_head']"],
    &["", "adapter.init = 'adapter'"],
    &[
        "",
        "data.eval = ['eval.jsonl']\nevaluation.every_steps = 5\nevaluation.exact_match_samples = 3",
    ],
    &["", "data.overflow = 'split'", "data.overflow = 'drop'"],
    &["", "data.loss_on = 'all'"],
    &[
        "",
        "training.schedule = 'cosine_min_lr'",
        "training.schedule = 'inverse-sqrt'",
        "training.schedule = 'wsd'",
    ],
    &["", "training.clip_norm = false", "training.clip_norm = 0.5"],
    &["", "training.seed = 18446744073709551615"],
    &[
        "",
        "model.tokenizer = 'eval.jsonl'\nmodel.chat_template = 'eval.jsonl'",
    ],
    &[
        "",
        "resources = {}",
        "resources = { nodes = 1, gpus_per_node = 1, time = '1d2h' }",
        "resources = { nodes = 4, min_nodes = 2, gpus_per_node = 2, cpus_per_node = 16 }",
    ],
    &[
        "",
        "checkpoint = {}",
        "checkpoint = { uri = 's3://x', every = '2min', keep = 3 }",
    ],
    &[
        "",
        "result = {}",
        "result = { model = 'ü\\n', gates = ['eval.loss < 1.9'] }",
    ],
    &[
        "",
        "scheduling = { cluster = 'local', priority = 100, retries = 0, budget_gpu_hours = 0.5, budget_core_hours = 100 }",
        "scheduling = { account = 'a_b', partition = 'p,q', qos = 'q', reservation = 'r:1', constraint = '[a|b]&c*2' }",
    ],
    &[
        "",
        "sweep = { method = 'grid', parameters = { 'adapter.alpha' = [8, 16.5], 'data.shuffle' = [true, false] } }",
        "sweep = { method = 'random', trials = 3, seed = 9, max_parallel = 2, parameters = { training = { eps = { min = 1e-9, max = 1, scale = 'log' }, seed = [18446744073709551615] }, 'data.train' = ['train.jsonl', ['train.jsonl', 'eval.jsonl']] } }",
    ],
    &[
        "",
        "governance = {}",
        "governance = { purpose = 'p', data_class = 'personal', residency = ['DE'], retention_days = 1 }",
    ],
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_resolved_job_loads_to_itself(
        picks in prop::collection::vec(any::<prop::sample::Index>(), GROUPS.len()),
        lr in 1e-12_f64..1e3,
        dropout in 0.0_f64..1.0,
        alpha in prop::num::f64::POSITIVE | prop::num::f64::SUBNORMAL,
    ) {
        let desk = Desk::new();
        let mut lines: Vec<_> = GROUPS.iter().zip(&picks).map(|(group, pick)| *pick.get(group)).collect();
        let alpha = alpha.abs().max(f64::MIN_POSITIVE);
        let numbers = format!("training.lr = {lr:?}\nadapter.dropout = {dropout:?}\nadapter.alpha = {alpha:?}");
        lines.push(&numbers);
        let job = desk.least_with(&lines.join("\n")).map_err(|problems| TestCaseError::fail(problems.to_string()))?.job;
        let again = desk.load("resolved.toml", resolved_toml(&job)).map_err(|problems| TestCaseError::fail(problems.to_string()))?;
        prop_assert_eq!(&again.job, &job);
        let travelled: schliff_spec::job::Job = serde_json::from_str(&serde_json::to_string(&job).unwrap()).unwrap();
        prop_assert_eq!(&travelled, &job);
    }
}

#[test]
fn resolved_job() {
    let desk = Desk::new();
    let job = "name = 't'\nmodel.base = 'm.gguf'\ndata = { train = 'a.jsonl', format = 'text' }";
    let path = desk.write("job.toml", job);
    let options = Options { check_files: false };
    let loaded = load_with(&path, &[], options).unwrap();
    insta::assert_snapshot!(resolved_toml(&loaded.job));
    assert!(load(&path, &[]).is_err());
}
