//! Whatever happens to a job file, reading it ends in a job or in problems that name a line.

use proptest::prelude::*;

use crate::desk::Desk;

const TOML: &str = r#"name = "service-desk-de"
[model]
base = "gguf:base.gguf"
[adapter]
method = "dora"
rank = 16
targets = ["q_proj", 'v_proj']
rank_pattern = { "layers\\.1" = 4 }
[data]
train = ["train.jsonl"] # comment
format = "messages"
max_tokens = 1_024
packing = true
[training]
epochs = 3
lr = 2e-4
schedule = "cosine"
clip_norm = 1.0
[checkpoint]
every = "2min"
[sweep]
method = "grid"
parameters = { "training.lr" = [1e-4, 3e-4], adapter.rank = [4, 8] }
"#;

const YAML: &str = r#"name: service-desk-de
model:
  base: "gguf:base.gguf"
adapter:
  method: dora
  rank: 16
  targets: [q_proj, 'v_proj']
  rank_pattern: {layers\.1: 4}
data:
  train:
    - train.jsonl # comment
  format: messages
  max_tokens: 1_024
  packing: true
training:
  epochs: 3
  lr: 2e-4
  schedule: |-
    cosine
  clip_norm: 1.0
checkpoint: {every: 2min}
sweep:
  method: grid
  parameters: {training.lr: [1e-4, 3e-4], adapter: {rank: [4, 8]}}
"#;

const TOKENS: &[&str] = &[
    "[",
    "]",
    "{",
    "}",
    "=",
    ":",
    ",",
    ".",
    "\"",
    "'",
    "\"\"\"",
    "'''",
    "\n",
    "\r",
    "\t",
    " ",
    "#",
    "- ",
    "? ",
    "& ",
    "*a",
    "&a ",
    "!!int ",
    "!x ",
    "<<: ",
    "---\n",
    "...\n",
    "|\n",
    ">-\n",
    "%YAML",
    "nan",
    "inf",
    "-1",
    "0x",
    "1e999",
    "1979-05-27",
    "null",
    "~",
    "true",
    "[training]",
    "[[data]]",
    "training.lr = 1",
    "\u{0}",
    "\u{feff}",
    "\u{2028}",
    "é",
    "😀",
    "\\u00",
    "\\x",
    "99999999999999999999",
];

#[derive(Clone, Debug)]
enum Mutation {
    FlipByte(prop::sample::Index, u8),
    Delete(prop::sample::Index, usize),
    DuplicateLine(prop::sample::Index),
    Insert(prop::sample::Index, &'static str),
    SwapLines(prop::sample::Index, prop::sample::Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        (index(), any::<u8>()).prop_map(|(at, byte)| Mutation::FlipByte(at, byte)),
        (index(), 1_usize..40).prop_map(|(at, count)| Mutation::Delete(at, count)),
        index().prop_map(Mutation::DuplicateLine),
        (index(), prop::sample::select(TOKENS)).prop_map(|(at, token)| Mutation::Insert(at, token)),
        (index(), index()).prop_map(|(a, b)| Mutation::SwapLines(a, b)),
    ]
}

fn apply(mut bytes: Vec<u8>, mutation: &Mutation) -> Vec<u8> {
    let lines = |bytes: &[u8]| -> Vec<Vec<u8>> {
        bytes.split(|&b| b == b'\n').map(<[u8]>::to_vec).collect()
    };
    match mutation {
        Mutation::FlipByte(at, byte) => {
            let at = at.index(bytes.len().max(1));
            if let Some(b) = bytes.get_mut(at) {
                *b ^= byte;
            }
        }
        Mutation::Delete(at, count) => {
            let at = at.index(bytes.len() + 1);
            let end = (at + count).min(bytes.len());
            bytes.drain(at..end);
        }
        Mutation::DuplicateLine(at) => {
            let mut lines = lines(&bytes);
            let at = at.index(lines.len());
            lines.insert(at, lines[at].clone());
            bytes = lines.join(&b'\n');
        }
        Mutation::Insert(at, token) => {
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..at, token.bytes());
        }
        Mutation::SwapLines(a, b) => {
            let mut lines = lines(&bytes);
            let (a, b) = (a.index(lines.len()), b.index(lines.len()));
            lines.swap(a, b);
            bytes = lines.join(&b'\n');
        }
    }
    bytes
}

fn check(desk: &Desk, name: &str, content: &[u8]) -> Result<(), TestCaseError> {
    if let Err(problems) = desk.load(name, content) {
        prop_assert!(
            problems.iter().any(|problem| problem.line.is_some()),
            "{}",
            problems
        );
        prop_assert!(
            !problems.to_string().contains("defect in schliff"),
            "{}",
            problems
        );
    }
    Ok(())
}

#[test]
fn the_files_are_right_before_they_are_mutated() {
    let desk = Desk::new();
    let toml = desk.load("job.toml", TOML).unwrap().job;
    let yaml = desk.load("job.yaml", YAML).unwrap().job;
    assert_eq!(toml, yaml);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_files_never_panic(mutations in prop::collection::vec(mutation(), 1..6)) {
        thread_local!(static DESK: Desk = Desk::new());
        DESK.with(|desk| {
            for (name, content) in [("job.toml", TOML), ("job.yaml", YAML)] {
                let mutated = mutations.iter().fold(content.as_bytes().to_vec(), apply);
                check(desk, name, &mutated)?;
            }
            Ok::<_, TestCaseError>(())
        })?;
    }

    #[test]
    fn random_sets_never_panic(set in "[a-z_.=\\[\\]{}\"' 0-9\\PC]{0,40}", key in 0_usize..4) {
        thread_local!(static DESK: Desk = Desk::new());
        let set = ["", "training.lr=", "adapter.rank_pattern.", "data.train="][key].to_owned() + &set;
        DESK.with(|desk| {
            if let Err(problems) = desk.set("", &[&set]) {
                prop_assert!(problems.iter().all(|problem| problem.set.is_some()), "{}", problems);
            }
            Ok(())
        })?;
    }
}
