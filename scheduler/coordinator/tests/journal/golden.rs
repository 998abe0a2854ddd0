use std::collections::BTreeSet;

use schliff_coordinator::journal::{Journal, JournalUrl, Options};
use schliff_scheduler::fact::{Fact, What};
use sqlx::{AnyPool, Executor};

use crate::place::{on_both, open};

/// A journal as the first release wrote it. Lines are added when facts are, and never changed.
const FACTS: &str = include_str!("golden/facts.jsonl");

on_both! { an_old_journal_makes_the_same_state }

fn facts() -> Vec<Fact> {
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    FACTS.lines().map(read).collect()
}

/// A fact that is missing here does not compile, and one that is missing in the file fails below.
fn is_in_old_journals(what: &What) -> bool {
    match what {
        What::ClusterAdded { .. }
        | What::ClusterRemoved { .. }
        | What::Submitted { .. }
        | What::Planned { .. }
        | What::Chosen { .. }
        | What::Accepted { .. }
        | What::Granted { .. }
        | What::RequeuedInPlace { .. }
        | What::Joined { .. }
        | What::Started { .. }
        | What::Regrouped { .. }
        | What::Committed { .. }
        | What::Measured { .. }
        | What::Spoke { .. }
        | What::StopAsked { .. }
        | What::Ended { .. }
        | What::Requeued { .. }
        | What::RetryPlanned { .. }
        | What::NodeStruck { .. }
        | What::Paused { .. }
        | What::Promoted { .. }
        | What::Finished { .. } => true,
        What::NodesSeen { .. }
        | What::ClusterSeen { .. }
        | What::Heard { .. }
        | What::Waiting { .. }
        | What::Comparing { .. }
        | What::Estimated { .. }
        | What::Seen { .. }
        | What::Missed { .. } => false,
    }
}
/// How many of them are kept.
const KINDS: usize = 22;

#[test]
fn every_kind_of_fact_is_in_the_old_journal() {
    let facts = facts();
    assert!(
        facts
            .iter()
            .all(|fact| fact.is_kept() && is_in_old_journals(&fact.what))
    );
    let kinds: BTreeSet<_> = facts.iter().map(Fact::kind).collect();
    assert_eq!(kinds.len(), KINDS, "{kinds:?}");
}

#[test]
fn a_fact_is_named_as_it_is_written() {
    for (fact, line) in facts().iter().zip(FACTS.lines()) {
        let name = format!(r#""fact":"{}""#, fact.kind());
        assert!(line.contains(&name), "{name} is not in {line}");
    }
}

async fn an_old_journal_makes_the_same_state(url: JournalUrl) {
    let journal = Journal::open(&url, Options::default()).await.unwrap();
    write(&url).await;
    let replayed = journal.load().await.unwrap();
    assert_eq!(replayed.next_seq as usize, FACTS.lines().count() + 1);
    let state = serde_json::to_string_pretty(&replayed.state).unwrap();
    insta::assert_snapshot!("old_journal", state);
    open(&url).await.load().await.unwrap();
}

/// Puts the lines into the database as they are.
async fn write(url: &JournalUrl) {
    let text = match url {
        JournalUrl::Sqlite(path) => format!(
            "sqlite://{}",
            path.display().to_string().replace(' ', "%20")
        ),
        JournalUrl::Postgres(text) => text.clone(),
    };
    let pool = AnyPool::connect(&text).await.unwrap();
    for (seq, line) in (1_i64..).zip(FACTS.lines()) {
        let insert =
            "INSERT INTO facts (seq, at_ms, kind, version, body) VALUES ($1, 0, '', 1, $2)";
        pool.execute(sqlx::query(insert).bind(seq).bind(line))
            .await
            .unwrap();
    }
    pool.close().await;
}
