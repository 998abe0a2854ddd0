use schliff_scheduler::allocation::{Allocation, AllocationEnd};

use super::*;

/// A cluster that lists what it is told to.
struct Listed(Mutex<Vec<Allocation>>, Mutex<Vec<SubmitKey>>, ClusterName);

#[tonic::async_trait]
impl Backend for Listed {
    fn cluster(&self) -> &ClusterName {
        &self.2
    }
    fn terms(&self) -> Terms {
        Terms::of(schliff_scheduler::cluster::Queue::Theirs)
    }
    fn kind(&self) -> &'static str {
        "listed"
    }
    async fn submit(&self, _: &Launch) -> Result<AllocationId, BackendError> {
        Ok(AllocationId("1".into()))
    }
    async fn observe(&self) -> Result<Listing, BackendError> {
        Ok(Listing {
            cluster: self.2.clone(),
            asked_at: Timestamp(1),
            is_complete: true,
            allocations: self.0.lock().unwrap().clone(),
            nodes: None,
        })
    }
    async fn stop(&self, _: SubmitKey, _: StopHow) -> Result<(), BackendError> {
        Ok(())
    }
    async fn forget(&self, key: SubmitKey) -> Result<(), BackendError> {
        self.1.lock().unwrap().push(key);
        Ok(())
    }
    fn calls(&self) -> (u64, u64) {
        (0, 0)
    }
}

fn allocation(key: &str, status: AllocationStatus) -> Allocation {
    Allocation {
        key: key.parse().unwrap(),
        id: AllocationId("1".into()),
        status,
        nodes: Vec::new(),
    }
}

fn ended() -> AllocationStatus {
    AllocationStatus::Ended {
        end: AllocationEnd::Exited { code: 0 },
    }
}

fn names(listing: &Listing) -> Vec<String> {
    listing
        .allocations
        .iter()
        .map(|it| it.key.to_string())
        .collect()
}

#[tokio::test]
async fn an_end_is_told_once_the_last_words_are_shipped_or_cannot_be() {
    let allocations = vec![
        allocation("schliff-1-1", AllocationStatus::Running),
        allocation("schliff-2-1", ended()),
    ];
    let cluster = "c".parse().unwrap();
    let inner = Arc::new(Listed(Mutex::new(allocations), Mutex::default(), cluster));
    let (relay, mut asked) = drains();
    let relayed = Arc::new(Relayed::new(Arc::<Listed>::clone(&inner), relay));
    // The relay fails three times.
    let answers = tokio::spawn(async move {
        let mut count = 0;
        while let Some(Drain { key, done }) = asked.recv().await {
            assert_eq!(key, "schliff-2-1".parse().unwrap());
            count += 1;
            let _ = done.send(count > 3);
        }
        count
    });
    let early = relayed.forget("schliff-2-1".parse().unwrap()).await;
    assert!(matches!(early, Err(BackendError::Transient { .. })));
    for _ in 0..2 {
        let listing = relayed.observe().await.unwrap();
        assert_eq!(names(&listing), ["schliff-1-1"]);
        assert!(!listing.is_complete);
    }
    for _ in 0..3 {
        let listing = relayed.observe().await.unwrap();
        assert_eq!(names(&listing), ["schliff-1-1", "schliff-2-1"]);
        assert!(listing.is_complete);
    }
    relayed
        .forget("schliff-2-1".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(inner.1.lock().unwrap().len(), 1);
    drop(relayed);
    assert_eq!(answers.await.unwrap(), 5, "it is asked no more than needed");
}

#[test]
fn an_end_is_not_held_back_for_ever() {
    let mut ends = Ends::default();
    let key = "schliff-2-1".parse().unwrap();
    let tries = (0..TRIES)
        .map(|_| ends.tried(key, false))
        .collect::<Vec<_>>();
    assert_eq!(tries, [false, false, false, false, true]);
}
