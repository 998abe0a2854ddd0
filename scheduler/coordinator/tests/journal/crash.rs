use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

use schliff_coordinator::journal::{
    Batch, CrashPoint, Faults, Journal, JournalUrl, Line, LineQuery, Options,
};
use schliff_scheduler::fact::Fact;
use schliff_scheduler::time::Timestamp;
use schliff_spec::id::JobId;

use crate::example::{at, key, planned, state_of, submitted};
use crate::leading::lead_soon;
use crate::place::{file_in, on_both, open, wait};

const PLACE: &str = "SCHLIFF_TEST_CRASH_PLACE";
const POINT: &str = "SCHLIFF_TEST_CRASH_POINT";
/// Rounds of the victim's work; each is two commits: facts, then what agents told.
const ROUNDS: u64 = 4;
/// Facts of each round.
const FACTS: u64 = 3;

on_both! { another_leads_after_a_crash }

/// What the victim writes in a round.
fn facts(round: u64) -> Vec<Fact> {
    let first = round * FACTS;
    let one = |number| match number {
        0 => at(0, submitted(1, "")),
        generation => at(generation, planned(1, generation, "n1")),
    };
    (first..first + FACTS).map(one).collect()
}

fn told(round: u64) -> Batch {
    let line = |rank| Line {
        key: key(1, 1),
        node: 0,
        sequence: round + 1,
        rank,
        at: Timestamp(0),
        text: "text".into(),
    };
    Batch {
        lines: vec![line(0), line(1)],
        ..Batch::default()
    }
}

/// The program that crashes: does nothing unless it is started for that.
#[test]
fn victim() {
    let (Ok(place), Ok(point)) = (std::env::var(PLACE), std::env::var(POINT)) else {
        return;
    };
    let crash_at: CrashPoint = point.parse().unwrap();
    let options = Options {
        faults: Faults {
            crash_at: Some(crash_at),
        },
        ..Options::default()
    };
    wait(async {
        let journal = Journal::open(&place.parse().unwrap(), options)
            .await
            .unwrap();
        let lease = journal
            .try_lead("victim", "")
            .await
            .unwrap()
            .expect("nobody else leads");
        for round in 0..ROUNDS {
            let first_seq = round * FACTS + 1;
            journal
                .append(&lease, first_seq, &facts(round))
                .await
                .unwrap();
            journal.record(&lease, &told(round)).await.unwrap();
        }
    });
}

fn crash(place: &str, point: &str) -> ExitStatus {
    let mut victim = Command::new(std::env::current_exe().unwrap());
    victim
        .args(["--exact", "crash::victim"])
        .env(PLACE, place)
        .env(POINT, point);
    victim.output().unwrap().status
}

/// All of it is there up to that commit, and nothing of what came after.
async fn holds(journal: &Journal, commits: u64) {
    let (appended, recorded) = (commits.div_ceil(2), commits / 2);
    let replayed = journal.load().await.unwrap();
    let written: Vec<_> = (0..appended).flat_map(facts).collect();
    assert_eq!(replayed.next_seq, written.len() as u64 + 1);
    assert_eq!(replayed.state.kept(), state_of(&written).kept());
    let log = journal.lines(&LineQuery::of(JobId(1))).await.unwrap();
    assert_eq!(log.lines.len() as u64, recorded * 2);
    let taken = journal.taken(key(1, 1)).await.unwrap();
    assert_eq!(taken.get(&0).copied().unwrap_or(0), recorded);
}

#[test]
fn a_crash_at_any_commit_leaves_all_of_it_or_nothing() {
    let crash_at = |point: String, commits: u64| {
        let folder = tempfile::tempdir().unwrap();
        let url = file_in(&folder);
        let ended = crash(&url.to_string(), &point);
        let is_last = commits > ROUNDS * 2;
        assert_eq!(ended.signal().is_some(), !is_last, "{point}: {ended}");
        wait(async { holds(&open(&url).await, commits.min(ROUNDS * 2)).await });
    };
    for number in 1..=ROUNDS * 2 {
        crash_at(format!("before:{number}"), number - 1);
        crash_at(format!("after:{number}"), number);
    }
    crash_at(format!("before:{}", ROUNDS * 2 + 1), ROUNDS * 2 + 1);
}

async fn another_leads_after_a_crash(url: JournalUrl) {
    let place = match &url {
        JournalUrl::Sqlite(_) => url.to_string(),
        JournalUrl::Postgres(text) => text.clone(),
    };
    let ended = crash(&place, "before:3");
    assert!(ended.signal().is_some(), "{ended}");
    let journal = open(&url).await;
    let lease = lead_soon(&journal).await;
    holds(&journal, 2).await;
    for round in 1..ROUNDS {
        journal
            .append(&lease, round * FACTS + 1, &facts(round))
            .await
            .unwrap();
        journal.record(&lease, &told(round)).await.unwrap();
    }
    holds(&journal, ROUNDS * 2).await;
}
