//! TOML and YAML, their syntax errors and their traps.

use schliff_spec::job::LossOn;

use crate::desk::Desk;

const YAML: &str =
    "name: t\nmodel: {base: base}\ndata:\n  train: train.jsonl\n  format: messages\n";

#[test]
fn syntax_errors() {
    let desk = Desk::new();
    let toml = [
        "name = ",
        "name = 't'\n[model\nbase = 'x'",
        "name = 't'\nmodel = { base = 'x'",
        "name = 'über' x",
        "= 3",
    ];
    let yaml = [
        "name: t\n  base: x\n",
        "a: [1, 2",
        "a:\n\tb: 1",
        "a: b: c",
        "name: \"t\n",
    ];
    let toml = toml.map(|content| desk.told(desk.load("job.toml", content)));
    let yaml = yaml.map(|content| desk.told(desk.load("job.yaml", content)));
    insta::assert_snapshot!([toml, yaml].concat().join("\n"));
}

#[test]
fn duplicate_keys_are_reported_with_the_rest() {
    let desk = Desk::new();
    let toml =
        "name = 't'\n[data]\nformat = 'x'\nformat = 'y'\n[training]\nlr = 1\nlr = 2\n[data]\n";
    let yaml = "name: t\ndata:\n  format: x\n  format: y\ntraining: {lr: 1, lr: 2}\ndata: {}\n";
    let told = [
        desk.told(desk.load("job.toml", toml)),
        desk.told(desk.load("job.yaml", yaml)),
    ];
    insta::assert_snapshot!(told.join("\n\n"));
}

#[test]
fn yaml_that_hides_what_is_set_is_refused() {
    let desk = Desk::new();
    let told = [
        "adapter: &a {rank: 4}\ntraining: *a\n",
        "adapter: {<<: {rank: 4}}\n",
        "adapter: !mine {rank: 4}\n",
        "adapter: {rank: !mine 4}\n",
        "? [a, b]\n: 3\n",
        "? {a: b}\n: 3\n",
        "---\nname: u\n",
        "adapter: {init: }\n",
        "adapter: *unknown\n",
        "a: &a b\n*a : c\n",
        "training: 3\n",
    ]
    .map(|lines| desk.told(desk.load("job.yaml", format!("{YAML}{lines}"))));
    insta::assert_snapshot!(told.join("\n\n"));
    assert!(
        desk.load("job.yaml", format!("{YAML}training:\n# lr: 1\n"))
            .is_ok()
    );
    let root = ["- a\n- b\n", "just words\n", "3\n"];
    for content in root {
        let told = desk.told(desk.load("job.yaml", content));
        assert!(told.contains("expected the sections of a job"), "{told}");
    }
}

#[test]
fn yaml_scalars() {
    let desk = Desk::new();
    let yaml = |lines: &str| desk.load("job.yaml", format!("{YAML}{lines}"));
    let job = yaml(
        "training: {lr: 2e-4, batch_tokens: 8_192, seed: 0, clip_norm: false, epochs: 3}\n\
         adapter: {alpha: 16, targets: [q_proj], init: !!str adapter}\n\
         governance: {residency: [DE, NO], purpose: 'yes', retention_days: 365}\n",
    );
    let job = job.unwrap().job;
    assert_eq!((job.training.lr, job.adapter.alpha), (2e-4, 16.0));
    assert_eq!(job.governance.unwrap().residency, ["DE", "NO"]);
    assert_eq!(job.data.loss_on, LossOn::Answer);
    for (lines, words) in [
        ("data2: 1\n", "unknown key"),
        ("adapter: {rank: 010}\n", "found the string \"010\""),
        ("adapter: {rank: 1__0}\n", "found the string"),
        ("adapter: {rank: '16'}\n", "without quotes"),
        ("adapter: {rank: 16.0}\n", "write 16"),
        ("adapter: {rank: 1e400}\n", "expected a whole number"),
        (
            "adapter: {rank: 99999999999999999999999999999999999999999999}\n",
            "expected a whole number",
        ),
        ("training: {lr: .inf}\n", "out of range"),
        ("training: {seed: -1}\n", "out of range"),
        ("training: {activation_checkpointing: no}\n", "write false"),
        ("result: {model: 3}\n", "put it in quotes"),
        ("resources: {time: 20:00}\n", "no length of time"),
    ] {
        let told = desk.told(yaml(lines));
        assert!(told.contains(words), "{lines}: {told}");
    }
}

#[test]
fn the_largest_seed() {
    let desk = Desk::new();
    let job = desk
        .least_with("training.seed = 18446744073709551615")
        .unwrap()
        .job;
    assert_eq!(job.training.seed, u64::MAX);
    assert!(
        desk.least_with("training.seed = 18446744073709551616")
            .is_err()
    );
    assert!(desk.least_with("training.seed = 0xFFFF_FFFF").is_ok());
}

/// A byte order mark and Windows line ends are no part of the job.
#[test]
fn windows_files() {
    let desk = Desk::new();
    let toml = format!("\u{feff}{}x = 1\n", crate::desk::LEAST).replace('\n', "\r\n");
    let told = desk.told(desk.load("job.toml", toml));
    assert!(
        told.starts_with("error: job.toml:5:1: x: unknown key"),
        "{told}"
    );
    let yaml = format!("\u{feff}{YAML}").replace('\n', "\r\n");
    assert!(desk.load("job.yaml", yaml).is_ok());
}

/// Nesting that would exhaust the stack, and files that are all problems.
#[test]
fn hostile_files() {
    let desk = Desk::new();
    let deep_dots = "a.".repeat(200_000) + "a = 1";
    let deep_quoted = "\"=\".".repeat(100_000) + "a = 1";
    let deep_header = format!("[{}a]", "a . ".repeat(200_000));
    let deep_lists = format!("a = {}", "[".repeat(500_000));
    let mixed = "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o = {\n".repeat(20_000);
    let many_keys: String = (0..50_000).map(|i| format!("key{i} = 1\n")).collect();
    let one_line = format!("a = [{}]", "1,".repeat(300_000));
    for content in [
        deep_dots,
        deep_quoted,
        deep_header,
        deep_lists,
        mixed,
        many_keys,
        one_line,
    ] {
        let problems = desk.load("job.toml", content).unwrap_err();
        assert!(problems.iter().all(|problem| problem.line.is_some()));
        assert!(problems.iter().count() <= 100);
    }
    let deep_flow = "[".repeat(500_000);
    let deep_block = "- ".repeat(400_000);
    let deep_keys = "? ".repeat(400_000);
    let deep_tables = "{a: ".repeat(200_000);
    let laughs = "a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\nc: [*b,*b,*b,*b]\n".to_owned();
    let many_keys: String = (0..50_000).map(|i| format!("key{i}: 1\n")).collect();
    for content in [
        deep_flow,
        deep_block,
        deep_keys,
        deep_tables,
        laughs,
        many_keys,
    ] {
        let problems = desk.load("job.yaml", content).unwrap_err();
        assert!(problems.iter().all(|problem| problem.line.is_some()));
        assert!(problems.iter().count() <= 100);
    }
}
