use std::fs::File;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use schliff_backend::folder::{FolderOptions, FolderWorld};
use schliff_coordinator::Access;
use sqlx::{AnyPool, AssertSqlSafe, Executor};
use tempfile::TempDir;

/// A server on which databases may be made and dropped.
const POSTGRES: &str = "SCHLIFF_TEST_POSTGRES";
/// The cluster's folder.
const CLUSTER: &str = "cluster";
/// For anything to come about.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Nodes of the cluster; each has room for one job.
pub(crate) const NODES: u32 = 200;

/// What coordinators share.
pub(crate) struct Stage {
    folder: TempDir,
    /// The journal, as coordinators and the database's driver take it.
    pub(crate) database: String,
    pub(crate) world: FolderWorld,
}

impl Stage {
    fn new(folder: TempDir, database: String) -> Self {
        let world = FolderWorld::open(cluster_in(folder.path())).expect("a world");
        world.set_equal_nodes(NODES, 0, 1).expect("nodes");
        Self {
            folder,
            database,
            world,
        }
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    pub(crate) fn access(&self) -> Access {
        Access::open(self.folder.path()).expect("secrets")
    }

    /// Whether nobody is writing to the cluster's log.
    pub(crate) fn is_cluster_free(&self) -> bool {
        let log = File::open(self.folder.path().join(CLUSTER).join("log.jsonl"));
        log.expect("the cluster's log").try_lock().is_ok()
    }
}

/// The cluster of a state folder. Its calls take their time, so that some are always under way.
pub(crate) fn cluster_in(folder: &Path) -> FolderOptions {
    let cluster = "desk".parse().expect("a name");
    FolderOptions {
        call_delay_ms: 40,
        ..FolderOptions::new(cluster, folder.join(CLUSTER))
    }
}

pub(crate) fn wait<T>(scenario: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().build();
    runtime.expect("a runtime").block_on(scenario)
}

pub(crate) fn on_sqlite<S: Future<Output = ()>>(scenario: impl FnOnce(Stage) -> S) {
    let folder = tempfile::tempdir().expect("a folder");
    let database = format!("sqlite://{}", folder.path().join("journal.db").display());
    wait(scenario(Stage::new(folder, database)));
}

pub(crate) fn on_postgres<S: Future<Output = ()>>(scenario: impl FnOnce(Stage) -> S) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let Ok(server) = std::env::var(POSTGRES) else {
        eprintln!("skipped: {POSTGRES} names no server");
        return;
    };
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("schliff_takeover_{}_{count}", std::process::id());
    let (base, _) = server.rsplit_once('/').expect("a URL with a database");
    let database = format!("{base}/{name}");
    let folder = tempfile::tempdir().expect("a folder");
    wait(async {
        run(&server, format!("CREATE DATABASE {name}")).await;
        scenario(Stage::new(folder, database)).await;
        run(&server, format!("DROP DATABASE {name} WITH (FORCE)")).await;
    });
}

async fn run(server: &str, statement: String) {
    sqlx::any::install_default_drivers();
    let pool = AnyPool::connect(server).await.expect("a server");
    let done = pool.execute(AssertSqlSafe(statement)).await;
    done.expect("done");
    pool.close().await;
}

/// Looks until there is what is waited for.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        let mut again = tokio::time::interval(Duration::from_millis(20));
        loop {
            again.tick().await;
            if let Some(found) = look().await {
                return found;
            }
        }
    };
    let found = tokio::time::timeout(PATIENCE, looking).await;
    found.unwrap_or_else(|_| panic!("not in time: {what}"))
}
