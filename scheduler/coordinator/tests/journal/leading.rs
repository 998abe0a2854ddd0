use std::time::Duration;

use schliff_coordinator::journal::{Batch, Journal, JournalError, JournalUrl, Lease, Taken};

use crate::example::{key, story};
use crate::place::{led, on_both, open};

on_both! {
    one_leads_at_a_time,
    who_leads_is_told,
    whoever_was_deposed_writes_nothing,
    the_next_leads_soon_after_a_death,
    a_lease_that_is_renewed_is_held,
}

/// Leads as soon as nobody else does.
pub(crate) async fn lead_soon(journal: &Journal) -> Lease {
    let mut tries = tokio::time::interval(Duration::from_millis(100));
    let lead = async {
        loop {
            tries.tick().await;
            if let Some(lease) = journal
                .try_lead("next", "http://127.0.0.1:2")
                .await
                .unwrap()
            {
                return lease;
            }
        }
    };
    let within = tokio::time::timeout(Duration::from_secs(5), lead);
    within.await.expect("the next leads within five seconds")
}

async fn one_leads_at_a_time(url: JournalUrl) {
    let (first, lease) = led(&url).await;
    let second = open(&url).await;
    assert!(second.try_lead("second", "").await.unwrap().is_none());
    assert!(first.try_lead("first again", "").await.unwrap().is_none());
    let epoch = lease.epoch();
    first.release(lease).await.unwrap();
    let lease = second
        .try_lead("second", "")
        .await
        .unwrap()
        .expect("the first gave it back");
    assert!(lease.epoch() > epoch);
}

async fn who_leads_is_told(url: JournalUrl) {
    let other = open(&url).await;
    assert_eq!(other.leader().await.unwrap(), None);
    let (journal, lease) = led(&url).await;
    let leader = other.leader().await.unwrap().expect("somebody leads");
    assert_eq!(
        (leader.holder.as_str(), leader.url.as_str()),
        ("test", "http://127.0.0.1:1")
    );
    assert_eq!(leader.pid, u64::from(std::process::id()));
    assert_eq!(leader.epoch, lease.epoch());
    journal.release(lease).await.unwrap();
    assert_eq!(other.leader().await.unwrap(), None);
}

async fn whoever_was_deposed_writes_nothing(url: JournalUrl) {
    let (first, old) = led(&url).await;
    first.append(&old, 1, &story()).await.unwrap();
    // As if the first had been thought dead: its lease is gone, and it does not know.
    crate::place::meddle(
        &url,
        "UPDATE lease SET epoch = epoch + 1, holder = 'another'",
    )
    .await;
    let taken = Taken {
        key: key(1, 1),
        node: 0,
        sequence: 1,
    };
    let batch = Batch {
        taken: vec![taken],
        ..Batch::default()
    };
    let refused = [
        first.append(&old, 5, &story()).await.unwrap_err(),
        first.record(&old, &batch).await.unwrap_err(),
        first
            .snapshot(&old, Default::default(), 5)
            .await
            .unwrap_err(),
        first.renew(&old).await.unwrap_err(),
    ];
    for error in refused {
        assert!(matches!(error, JournalError::Deposed { .. }), "{error}");
    }
    assert_eq!(first.load().await.unwrap().next_seq, 5);
    assert!(first.taken(key(1, 1)).await.unwrap().is_empty());
}

async fn the_next_leads_soon_after_a_death(url: JournalUrl) {
    let (first, old) = led(&url).await;
    assert!(old.is_held());
    // A death closes everything and gives nothing back.
    let is_file = matches!(url, JournalUrl::Sqlite(_));
    let old = if is_file {
        drop(old);
        None
    } else {
        Some(old)
    };
    let second = open(&url).await;
    let lease = lead_soon(&second).await;
    if let Some(old) = old {
        assert!(!old.is_held(), "the first knows by its own clock");
        assert!(first.append(&old, 1, &story()).await.is_err());
    }
    second.append(&lease, 1, &story()).await.unwrap();
}

async fn a_lease_that_is_renewed_is_held(url: JournalUrl) {
    let (first, lease) = led(&url).await;
    let second = open(&url).await;
    let mut beats = tokio::time::interval(Duration::from_millis(500));
    // Longer than a lease lasts unless it is renewed.
    for _ in 0..8 {
        beats.tick().await;
        first.renew(&lease).await.unwrap();
        assert!(lease.is_held());
        assert!(second.try_lead("second", "").await.unwrap().is_none());
    }
}

/// The old leader writes as fast as it can and never renews; only Postgres takes a lease from the living.
#[test]
fn nothing_is_written_behind_the_next_leaders_back() {
    crate::place::on_postgres(async |url| {
        let (first, old) = led(&url).await;
        let write = async {
            for seq in 1.. {
                let fact = crate::example::at(seq, crate::example::submitted(seq, ""));
                match first.append(&old, seq, &[fact]).await {
                    Ok(next) => assert_eq!(next, seq + 1),
                    Err(error) => return (seq, error),
                }
            }
            unreachable!("numbers do not end")
        };
        let second = open(&url).await;
        let follow = async {
            let lease = lead_soon(&second).await;
            (lease, second.load().await.unwrap().next_seq)
        };
        let ((refused, error), (lease, next)) = tokio::join!(write, follow);
        assert!(matches!(error, JournalError::Deposed { .. }), "{error}");
        assert_eq!(
            refused, next,
            "the next leader saw everything that was written"
        );
        second.append(&lease, next, &story()).await.unwrap();
    });
}
