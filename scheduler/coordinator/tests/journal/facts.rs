use schliff_coordinator::journal::JournalUrl;
use schliff_coordinator::journal::{Journal, JournalError, Options};
use schliff_scheduler::State;
use schliff_spec::id::JobId;

use crate::example::{at, planned, state_of, story, submitted};
use crate::place::{led, meddle, on_both, open};

on_both! {
    a_new_journal_is_empty,
    what_was_written_is_read,
    a_job_has_its_history,
    a_missing_entry_is_told,
    an_entry_that_cannot_be_read_is_named,
    a_number_is_used_once,
    a_database_of_a_newer_program_is_left_alone,
    many_open_a_new_database_at_once,
    many_facts_go_in_one_transaction,
}

async fn a_new_journal_is_empty(url: JournalUrl) {
    let replayed = open(&url).await.load().await.unwrap();
    assert_eq!((replayed.state, replayed.next_seq), (State::default(), 1));
}

async fn what_was_written_is_read(url: JournalUrl) {
    let (journal, lease) = led(&url).await;
    let facts = story();
    let next = journal.append(&lease, 1, &facts[..2]).await.unwrap();
    assert_eq!(next, 3);
    let next = journal.append(&lease, next, &facts[2..]).await.unwrap();
    assert_eq!(next, 5, "one of them is not kept");
    assert_eq!(journal.append(&lease, next, &[]).await.unwrap(), 5);
    journal.close().await;
    let replayed = open(&url).await.load().await.unwrap();
    assert_eq!(replayed.next_seq, 5);
    assert_eq!(replayed.state.kept(), state_of(&facts).kept());
    assert_eq!(replayed.state.jobs.len(), 1);
}

async fn a_job_has_its_history(url: JournalUrl) {
    let (journal, lease) = led(&url).await;
    let mut facts = story();
    facts.push(at(2_000, submitted(2, "b = 2")));
    journal.append(&lease, 1, &facts).await.unwrap();
    let history = journal.history(JobId(1)).await.unwrap();
    let told: Vec<_> = history
        .iter()
        .map(|entry| (entry.seq, entry.fact.kind()))
        .collect();
    assert_eq!(told, [(2, "submitted"), (3, "planned"), (4, "measured")]);
    assert!(
        history[1].body.contains(r#""fact":"planned""#),
        "{}",
        history[1].body
    );
}

async fn a_missing_entry_is_told(url: JournalUrl) {
    let (journal, lease) = led(&url).await;
    journal.append(&lease, 1, &story()).await.unwrap();
    meddle(&url, "DELETE FROM facts WHERE seq = 2").await;
    let error = journal.load().await.unwrap_err();
    assert!(
        matches!(
            error,
            JournalError::Gap {
                expected: 2,
                found: 3,
                ..
            }
        ),
        "{error}"
    );
}

async fn an_entry_that_cannot_be_read_is_named(url: JournalUrl) {
    let (journal, lease) = led(&url).await;
    journal.append(&lease, 1, &story()).await.unwrap();
    meddle(
        &url,
        r#"UPDATE facts SET body = '{"at":1,"fact":"unheard-of"}' WHERE seq = 3"#,
    )
    .await;
    let error = journal.load().await.unwrap_err().to_string();
    assert!(error.contains("cannot read entry 3 (`planned`)"), "{error}");
    assert!(!error.contains("secret"), "{error}");
}

async fn a_number_is_used_once(url: JournalUrl) {
    let (journal, lease) = led(&url).await;
    journal.append(&lease, 1, &story()).await.unwrap();
    let facts = [2, 3].map(|generation| at(9, planned(1, generation, "n2")));
    let error = journal.append(&lease, 4, &facts).await.unwrap_err();
    assert!(matches!(error, JournalError::Deposed { .. }), "{error}");
    let replayed = journal.load().await.unwrap();
    assert_eq!(replayed.next_seq, 5, "and nothing of it was written");
}

async fn a_database_of_a_newer_program_is_left_alone(url: JournalUrl) {
    open(&url).await.close().await;
    meddle(&url, "UPDATE form SET form = 7000").await;
    let error = Journal::open(&url, Options::default()).await.unwrap_err();
    assert!(
        matches!(error, JournalError::Newer { found: 7000, .. }),
        "{error}"
    );
    assert!(
        error.to_string().contains("use the program that wrote it"),
        "{error}"
    );
}

async fn many_open_a_new_database_at_once(url: JournalUrl) {
    let open = || Journal::open(&url, Options::default());
    let all = tokio::join!(open(), open(), open(), open());
    for journal in [all.0, all.1, all.2, all.3] {
        journal.unwrap().load().await.unwrap();
    }
}

async fn many_facts_go_in_one_transaction(url: JournalUrl) {
    let (journal, lease) = led(&url).await;
    let facts: Vec<_> = (1..=1_000).map(|job| at(job, submitted(job, ""))).collect();
    assert_eq!(journal.append(&lease, 1, &facts).await.unwrap(), 1_001);
    assert_eq!(
        journal.load().await.unwrap().state.kept(),
        state_of(&facts).kept()
    );
}
