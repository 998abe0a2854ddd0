use async_trait::async_trait;
use schliff_backend::Launch;
use schliff_scheduler::allocation::{AllocationId, Listing, StopHow};
use schliff_scheduler::cluster::{Queue, Terms};
use schliff_spec::id::{ClusterName, Generation, JobId};

use super::*;
use crate::access::Access;

const KEY: SubmitKey = SubmitKey {
    job: JobId(1),
    generation: Generation(1),
};

/// A cluster that counts what it is told to stop, and cannot be observed.
struct Counting {
    cluster: ClusterName,
    stops: Mutex<Vec<SubmitKey>>,
}

#[async_trait]
impl Backend for Counting {
    fn cluster(&self) -> &ClusterName {
        &self.cluster
    }

    fn terms(&self) -> Terms {
        Terms::of(Queue::Ours)
    }

    fn kind(&self) -> &'static str {
        "counting"
    }

    async fn submit(&self, launch: &Launch) -> Result<AllocationId, BackendError> {
        Ok(AllocationId(launch.key.to_string()))
    }

    async fn observe(&self) -> Result<Listing, BackendError> {
        std::future::pending().await
    }

    async fn stop(&self, key: SubmitKey, _how: StopHow) -> Result<(), BackendError> {
        self.stops.lock().unwrap().push(key);
        Ok(())
    }

    async fn forget(&self, _key: SubmitKey) -> Result<(), BackendError> {
        Ok(())
    }

    fn calls(&self) -> (u64, u64) {
        (0, 0)
    }
}

/// A keeper at work that has taken a stop from its queue, under a lease that has lapsed.
struct Scene {
    backend: Arc<Counting>,
    lease: Arc<Lease>,
    owner: mpsc::Receiver<Message>,
    closing: watch::Sender<bool>,
    keeper: tokio::task::JoinHandle<()>,
    _actions: mpsc::Sender<Action>,
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    let done = timeout(Duration::from_secs(20), future).await;
    done.expect("in time")
}

async fn scene() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let cluster: ClusterName = "desk".parse().unwrap();
    let backend = Arc::new(Counting {
        cluster: cluster.clone(),
        stops: Mutex::default(),
    });
    let site = Site::new(Arc::clone(&backend) as Arc<_>);
    let lease = Arc::new(Lease::lapsed());
    let (actions, queue) = mpsc::channel(1);
    let (sender, owner) = mpsc::channel(8);
    let (closing, is_closing) = watch::channel(false);
    let keeper = Keeper {
        standing: Standing::new(&site),
        site,
        actions: queue,
        nudge: Arc::default(),
        owner: sender,
        contact: Arc::new(Contact {
            urls: Vec::new(),
            ca_pem: None,
            access: Access::open(folder.path()).unwrap(),
        }),
        lease: Arc::clone(&lease),
    };
    let keeper = tokio::spawn(keeper.run(is_closing));
    let stop = Action::Stop {
        cluster,
        key: KEY,
        how: StopHow::Now,
    };
    actions.send(stop).await.unwrap();
    // There is room again once the keeper has taken it.
    drop(soon(actions.reserve()).await.unwrap());
    Scene {
        backend,
        lease,
        owner,
        closing,
        keeper,
        _actions: actions,
    }
}

#[tokio::test]
async fn nothing_is_done_once_the_lease_has_lapsed() {
    let scene = scene().await;
    scene.closing.send_replace(true);
    soon(scene.keeper).await.unwrap();
    assert!(scene.backend.stops.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_waited_for_a_late_renewal_is_done_after_it() {
    let mut scene = scene().await;
    scene.lease.renewed(std::time::Instant::now());
    let told = soon(scene.owner.recv()).await;
    assert!(matches!(told, Some(Message::Tried { key: KEY, .. })));
    assert_eq!(*scene.backend.stops.lock().unwrap(), [KEY]);
    scene.closing.send_replace(true);
    soon(scene.keeper).await.unwrap();
}

#[test]
fn a_cluster_that_fails_is_asked_ever_more_rarely() {
    let every = Duration::from_secs(1);
    let latest = [0, 1, 2, 3, 6, 7, 99].map(|failures| pauses(every, failures).1.as_secs());
    assert_eq!(latest, [1, 2, 4, 8, 60, 60, 60]);
    assert_eq!(pauses(every, 0).0, Duration::from_millis(200));
    assert_eq!(
        pauses(Duration::from_secs(90), 3).1,
        Duration::from_secs(90)
    );
}
