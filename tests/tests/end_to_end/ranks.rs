//! Several ranks, and what may happen to them: the adapter's bytes stay the same.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use schliff_tests::desk::{Desk, end_of, json_file};
use schliff_tests::ranks::{adapter, tiny_desk, train};
use schliff_tests::running::{Running, signal};
use schliff_tests::weed::Weed;

/// Enough for ranks to be killed on their way.
const STEPS: usize = 8_000;
/// Ranks killed in one run.
const KILLS: usize = 10;

/// Starts a run that is going to be disturbed.
fn disturbed(desk: &Desk, ranks: &str) -> Running {
    let args = ["run", "job.toml", "--ranks", ranks, "--out", "disturbed"];
    let more = ["--max-restarts", "20", "--hang-timeout", "3"];
    Running::start(desk.command(&[&args[..], &more].concat()))
}

/// Whether a line tells of a step just done.
fn tells_step(line: &str) -> bool {
    line.starts_with("step ")
}

/// Chance, from the seed of this run's hash maps.
struct Chance(u64);

impl Chance {
    fn new() -> Self {
        Self(RandomState::new().build_hasher().finish())
    }

    fn below(&mut self, bound: u64) -> u64 {
        // The multiplier and increment of Knuth's MMIX generator.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

#[test]
fn one_two_and_four_ranks_give_the_same_bytes() {
    let desk = tiny_desk(60);
    let alone = train(&desk, "1");
    for ranks in ["2", "4", "8"] {
        assert!(
            train(&desk, ranks) == alone,
            "{ranks} ranks give another adapter"
        );
    }
}

#[test]
fn ranks_that_are_killed_again_and_again_change_nothing() {
    let desk = tiny_desk(STEPS);
    let mut run = disturbed(&desk, "2");
    let mut chance = Chance::new();
    let seed = chance.0;
    for _ in 0..KILLS {
        // A step is done that none was killed at before, so that no wait grows; then any moment.
        run.wait_for(tells_step);
        run.listen(Duration::from_millis(chance.below(50)));
        let trainers = run.trainers();
        let victim = trainers[usize::try_from(chance.below(2)).expect("small")];
        assert!(signal("-KILL", victim), "no rank {victim}; seed {seed}");
        run.wait_for(|line| line.contains("was killed by SIGKILL at step"));
    }
    let end = run.end();
    assert_eq!(end.code, Some(0), "seed {seed}: {}", end.said);
    let restarts = end.said.matches("; restarting from").count();
    assert_eq!(restarts, KILLS, "seed {seed}: {}", end.said);
    assert!(
        adapter(&desk, "disturbed") == train(&desk, "1"),
        "another adapter; seed {seed}"
    );
}

#[test]
fn what_is_killed_whole_goes_on_from_s3_with_another_number_of_ranks() {
    let Some(weed) = Weed::start() else {
        return;
    };
    let desk = tiny_desk(STEPS);
    let uri = weed.prefix();
    let with_store = |args: &[&str]| {
        let mut command = desk.command(args);
        command.envs(weed.settings());
        command
    };
    let set = format!("checkpoint.uri={uri}");
    let args = ["run", "job.toml", "--ranks", "4", "--out", "killed"];
    let mut run = Running::start(with_store(&[&args[..], &["--set", &set]].concat()));
    // The first commits pay for connections, so a few hundred steps may pass before there is one.
    let list = || end_of(with_store(&["checkpoints", &uri, "--json"])).code;
    while list() != Some(0) {
        run.wait_for(tells_step);
    }
    let said = run.kill_tree();
    let resume = ["run", "--resume", &uri, "--ranks", "2", "--out", "resumed"];
    let resumed = end_of(with_store(&resume));
    assert_eq!(resumed.code, Some(0), "{said}\n{}", resumed.stderr);
    let summary = json_file(&desk.path("resumed/summary.json"));
    assert!(summary["resumed_from_step"].as_u64() > Some(0), "{summary}");
    assert!(
        adapter(&desk, "resumed") == train(&desk, "1"),
        "another adapter"
    );
}

#[test]
fn a_stopped_rank_is_found_and_changes_nothing() {
    let desk = tiny_desk(STEPS);
    let mut run = disturbed(&desk, "2");
    run.wait_for(tells_step);
    let trainers = run.trainers();
    assert!(signal("-STOP", trainers[1]));
    run.wait_for(|line| line.contains("gave no sign of life"));
    let end = run.end();
    assert_eq!(end.code, Some(0), "{}", end.said);
    assert!(
        adapter(&desk, "disturbed") == train(&desk, "1"),
        "another adapter"
    );
}
