//! Several ranks, and what may happen to them: the adapter's bytes stay the same.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStderr, Command};

use schliff_tests::desk::{Desk, fixture};

/// Enough for ranks to be killed on their way.
const STEPS: usize = 1_500;

/// A tiny job of `steps` steps with eight logical micro-batches each.
fn desk(steps: usize) -> Desk {
    let desk = Desk::new();
    let job = format!(
        "name = \"tiny\"\n[model]\nbase = {:?}\n[data]\ntrain = {:?}\nformat = \"tokens\"\n\
         max_tokens = 64\n[training]\nsteps = {steps}\nbatch_samples = 8\n\
         micro_batch_samples = 1\nlr = 1e-3\n[checkpoint]\nevery_steps = 5\n",
        fixture("tiny/llama").display().to_string(),
        fixture("curves/data.jsonl").display().to_string()
    );
    desk.file("job.toml", &job);
    desk
}

fn adapter(desk: &Desk, out: &str) -> Vec<u8> {
    let path = desk.path(out).join("adapter/adapter_model.safetensors");
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Trains undisturbed.
fn train(desk: &Desk, ranks: &str) -> Vec<u8> {
    let out = format!("out-{ranks}");
    let ended = desk.schliff(&["run", "job.toml", "--ranks", ranks, "--out", &out]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    adapter(desk, &out)
}

/// A run whose ranks are disturbed.
struct Disturbed {
    schliff: Child,
    words: Lines<BufReader<ChildStderr>>,
    said: Vec<String>,
}

impl Disturbed {
    fn start(desk: &Desk) -> Self {
        let args = ["run", "job.toml", "--ranks", "2", "--out", "disturbed"];
        let more = ["--max-restarts", "20", "--hang-timeout", "3"];
        let mut schliff = desk
            .command(&[&args[..], &more].concat())
            .spawn()
            .expect("starts");
        let words = BufReader::new(schliff.stderr.take().expect("a pipe")).lines();
        Self {
            schliff,
            words,
            said: Vec::new(),
        }
    }

    fn wait_for(&mut self, words: &str) {
        while !self.said.last().is_some_and(|line| line.contains(words)) {
            let line = self
                .words
                .next()
                .unwrap_or_else(|| panic!("ended: {:#?}", self.said));
            self.said.push(line.expect("UTF-8"));
        }
        self.said.push(String::new());
    }

    /// Signals one of its ranks; `nth` picks which.
    fn signal_rank(&self, signal: &str, nth: usize) {
        let pid = self.schliff.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.expect("it runs");
        let ranks: Vec<_> = children.split_whitespace().collect();
        let rank = ranks[nth % ranks.len()];
        let sent = Command::new("kill").args([signal, rank]).status();
        assert!(sent.expect("kill runs").success(), "{:#?}", self.said);
    }

    fn end(mut self) -> String {
        self.said.extend(self.words.by_ref().map_while(Result::ok));
        let code = self.schliff.wait().expect("an exit status").code();
        assert_eq!(code, Some(0), "{:#?}", self.said);
        self.said.join("\n")
    }
}

#[test]
fn one_two_and_four_ranks_give_the_same_bytes() {
    let desk = desk(60);
    let alone = train(&desk, "1");
    for ranks in ["2", "4", "8"] {
        assert!(
            train(&desk, ranks) == alone,
            "{ranks} ranks give another adapter"
        );
    }
}

#[test]
fn a_stopped_rank_is_found_and_changes_nothing() {
    let desk = desk(STEPS);
    let mut run = Disturbed::start(&desk);
    run.wait_for("step ");
    run.signal_rank("-STOP", 1);
    run.wait_for("gave no sign of life");
    run.end();
    assert!(
        adapter(&desk, "disturbed") == train(&desk, "1"),
        "another adapter"
    );
}
