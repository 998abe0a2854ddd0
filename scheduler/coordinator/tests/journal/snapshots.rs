use schliff_coordinator::journal::JournalUrl;

use crate::example::{at, measured, planned, state_of, story, submitted};
use crate::place::{led, meddle, on_both, open};

on_both! {
    a_snapshot_and_later_facts_make_the_state,
    a_snapshot_that_is_no_use_is_left_out,
    only_the_newest_are_kept,
    a_large_state_goes_in_parts,
}

async fn a_snapshot_and_later_facts_make_the_state(url: JournalUrl) {
    let (journal, lease) = led(&url).await;
    let mut facts = story();
    let next = journal.append(&lease, 1, &facts).await.unwrap();
    journal
        .snapshot(&lease, state_of(&facts), next)
        .await
        .unwrap();
    // Replay cannot read this one any more: it need not.
    meddle(&url, "UPDATE facts SET body = '' WHERE seq = 1").await;
    let later = at(9_000, measured(1, 4, 1.5));
    facts.push(later.clone());
    journal.append(&lease, next, &[later]).await.unwrap();
    let replayed = open_again(&url).await;
    assert_eq!(replayed.next_seq, next + 1);
    assert_eq!(replayed.state, state_of(&facts).kept(), "indexes and all");
    let cluster = &replayed.state.clusters[&"one".parse().unwrap()];
    assert_eq!(cluster.nodes[&"n1".parse().unwrap()].gpus_held, 1);
}

async fn open_again(url: &JournalUrl) -> schliff_coordinator::journal::Replayed {
    open(url).await.load().await.unwrap()
}

async fn a_snapshot_that_is_no_use_is_left_out(url: JournalUrl) {
    let (journal, lease) = led(&url).await;
    let facts = story();
    let next = journal.append(&lease, 1, &facts).await.unwrap();
    // One of nothing, so that using it would show.
    journal
        .snapshot(&lease, Default::default(), next)
        .await
        .unwrap();
    for break_it in [
        "UPDATE snapshot_parts SET body = '{\"jobs\":'",
        "UPDATE snapshots SET version = version + 1",
    ] {
        meddle(&url, break_it).await;
        assert_eq!(open_again(&url).await.state.kept(), state_of(&facts).kept());
    }
}

async fn only_the_newest_are_kept(url: JournalUrl) {
    let (journal, lease) = led(&url).await;
    let mut next = 1;
    for generation in 1..=4 {
        let fact = at(generation, planned(1, generation, "n1"));
        next = journal.append(&lease, next, &[fact]).await.unwrap();
        journal
            .snapshot(&lease, Default::default(), next)
            .await
            .unwrap();
    }
    // The newest is broken, so the one before is used, and then none is left.
    meddle(&url, "UPDATE snapshot_parts SET body = '' WHERE seq = 5").await;
    meddle(&url, "UPDATE facts SET body = '' WHERE seq < 3").await;
    assert_eq!(open_again(&url).await.next_seq, 5);
    meddle(&url, "UPDATE snapshot_parts SET body = '' WHERE seq = 4").await;
    let error = journal.load().await.unwrap_err().to_string();
    assert!(error.contains("entry 1 "), "{error}");
}

async fn a_large_state_goes_in_parts(url: JournalUrl) {
    let (journal, lease) = led(&url).await;
    let document = "ä".repeat(700_000);
    let facts = [1, 2].map(|job| at(job, submitted(job, &document)));
    let next = journal.append(&lease, 1, &facts).await.unwrap();
    journal
        .snapshot(&lease, state_of(&facts), next)
        .await
        .unwrap();
    meddle(&url, "UPDATE facts SET body = ''").await;
    assert_eq!(open_again(&url).await.state, state_of(&facts));
}
