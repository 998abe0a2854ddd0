use schliff_scheduler::allocation::{Allocation, AllocationEnd};

use super::*;

/// A cluster that lists what it is told to.
struct Listed(
    Mutex<Vec<Allocation>>,
    Mutex<Vec<SubmitKey>>,
    ClusterName,
    Reports,
);

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
    fn reports(&self) -> Reports {
        self.3
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

/// A cluster's folder is mounted here.
fn supply(folder: &std::path::Path) -> Supply {
    let bandwidth = schliff_agent::relay::allowance::Bandwidth::new(None);
    let storage = crate::verb::serve::relayer::Storage::Here;
    let folder = folder.to_str().expect("UTF-8");
    Supply::new("c".parse().unwrap(), storage, folder, bandwidth)
}

fn launch(checkpoints: &str) -> Launch {
    let job = format!(
        "name = \"a\"\n[model]\nbase = \"/m.gguf\"\n[data]\nformat = \"text\"\n\
         train = \"/t.jsonl\"\n[checkpoint]\nuri = {checkpoints:?}\n"
    );
    Launch {
        key: "schliff-1-2".parse().unwrap(),
        name: "a".into(),
        shape: schliff_scheduler::shape::Shape {
            nodes: 1,
            gpus_per_node: 0,
            cpus_per_node: 1,
            ranks: 1,
        },
        min_nodes: None,
        placement: Vec::new(),
        avoid: Vec::new(),
        time_limit_ms: None,
        work_ms: None,
        wish: Default::default(),
        args: Vec::new(),
        env: Vec::new(),
        files: vec![schliff_backend::LaunchFile {
            name: "job.toml".into(),
            content: job.into_bytes(),
            is_secret: false,
        }],
    }
}

#[tokio::test]
async fn nothing_is_submitted_before_what_it_goes_on_from_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let relayed = |reports| {
        let cluster = "c".parse().unwrap();
        let inner = Listed(Mutex::default(), Mutex::default(), cluster, reports);
        let (relay, _asked) = drains();
        Relayed::new(Arc::new(inner), relay, supply(folder.path()))
    };
    let far = launch("ftp://x/y");
    let direct = relayed(Reports::Direct).prepare(&far, Some(Step(7))).await;
    assert!(direct.is_ok(), "nodes fetch it themselves: {direct:?}");
    let relayed = relayed(Reports::Spool);
    // Nodes see folders by themselves.
    for uri in ["/p/runs/a", "file:///p/runs/a"] {
        let ready = relayed.prepare(&launch(uri), Some(Step(7))).await;
        assert!(ready.is_ok(), "{uri}: {ready:?}");
    }
    let refused = relayed.prepare(&far, Some(Step(7))).await;
    let Err(error @ BackendError::Transient { .. }) = refused else {
        panic!("{refused:?}");
    };
    let words = schliff_backend::chain(&error);
    assert!(
        words.starts_with("cannot submit schliff-1-2 to c: "),
        "{words}"
    );
    assert!(words.contains("ftp://x/y"), "{words}");
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
    let inner = Arc::new(Listed(
        Mutex::new(allocations),
        Mutex::default(),
        cluster,
        Reports::Spool,
    ));
    let (relay, mut asked) = drains();
    let folder = tempfile::tempdir().unwrap();
    let supply = supply(folder.path());
    let relayed = Arc::new(Relayed::new(Arc::<Listed>::clone(&inner), relay, supply));
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
