//! The cluster, and jobs that are gone when a test is over.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use schliff_slurm::Slurm;
use schliff_slurm::batch::{Ask, Batch};
use schliff_slurm::channel::{Channel, LocalChannel};
use schliff_slurm::client::Cancel;
use schliff_slurm::client::command::CommandSlurm;
use schliff_slurm::job::{Job, JobId};
use schliff_slurm::state::BaseState;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(40);
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// The cluster of `make slurm-up`, whose variables the environment has.
pub(crate) struct Cluster {
    /// For scripts and logs of a test's jobs; every node sees it, as all are this machine.
    pub(crate) folder: tempfile::TempDir,
    /// Begins the names of this test's jobs.
    pub(crate) prefix: String,
    /// To look and clean up with.
    pub(crate) commands: CommandSlurm,
    _turn: Turn,
}

/// Most tests share the cluster; one that breaks it has it for itself.
static TURN: RwLock<()> = RwLock::const_new(());

enum Turn {
    Shared(#[expect(dead_code, reason = "held")] RwLockReadGuard<'static, ()>),
    Alone(#[expect(dead_code, reason = "held")] RwLockWriteGuard<'static, ()>),
}

/// A variable that `slurm/dev/slurm env` sets.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: eval \"$(slurm/dev/slurm env)\""))
}

impl Cluster {
    /// None, and a line that says so, where there is no cluster.
    pub(crate) async fn find(test: &str) -> Option<Self> {
        is_there(test).then_some(Self::new(Turn::Shared(TURN.read().await)))
    }

    /// The same for a test that breaks the cluster and mends it: nobody else uses it meanwhile.
    pub(crate) async fn find_alone(test: &str) -> Option<Self> {
        is_there(test).then_some(Self::new(Turn::Alone(TURN.write().await)))
    }

    fn new(turn: Turn) -> Self {
        let folder = tempfile::Builder::new().prefix("wire-").tempdir();
        let folder = folder.expect("a folder");
        let name = folder.path().file_name().expect("a name");
        let prefix = name.to_str().expect("UTF-8").to_owned();
        Self {
            folder,
            prefix,
            commands: CommandSlurm::new(here()),
            _turn: turn,
        }
    }

    /// A job of one node that has not been asked to run yet.
    pub(crate) fn batch(&self, name: &str, body: &str) -> Batch {
        let folder = self.folder.path();
        Batch {
            name: format!("{}-{name}", self.prefix),
            comment: "schliff wire it's a \"test\"".to_owned(),
            ask: Ask {
                nodes: 1,
                tasks_per_node: 1,
                memory_mib: Some(50),
                time_min: Some(5),
                ..Ask::default()
            },
            output: path(folder.join("%j.log")),
            folder: path(folder.to_owned()),
            body: body.to_owned(),
        }
    }

    /// The same, held: it never starts.
    pub(crate) fn held(&self, name: &str) -> Batch {
        let mut batch = self.batch(name, "sleep 300\n");
        batch.ask.is_held = true;
        batch
    }

    /// Waits until a job is as wished, by the client under test.
    pub(crate) async fn until(
        &self,
        slurm: &dyn Slurm,
        id: JobId,
        is: impl Fn(&Job) -> bool,
    ) -> Job {
        let begun = Instant::now();
        let mut last = None;
        while begun.elapsed() < PATIENCE {
            let jobs = slurm.queue(&self.prefix).await.expect("a queue");
            last = jobs.into_iter().find(|job| job.id == id);
            if let Some(job) = last.as_ref().filter(|job| is(job)) {
                return job.clone();
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        panic!("job {id} did not become as wished: {last:#?}");
    }

    /// Cancels whatever is left.
    pub(crate) async fn clean(&self) {
        let jobs = self.commands.queue(&self.prefix).await.expect("a queue");
        let left = jobs.iter().filter(|job| {
            job.state.base == BaseState::Pending || job.state.base == BaseState::Running
        });
        let left: Vec<_> = left.map(|job| job.id).collect();
        self.commands
            .cancel(&left, Cancel::End)
            .await
            .expect("cancelled");
    }
}

fn is_there(test: &str) -> bool {
    let is_there = std::env::var_os("SCHLIFF_SLURM_STATE").is_some();
    if !is_there {
        eprintln!("SKIPPED {test}: SCHLIFF_SLURM_STATE is not set; see make slurm-up");
    }
    is_there
}

/// A verb of `slurm/dev/slurm`.
pub(crate) async fn dev(verb: &str) {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/dev/slurm");
    let output = tokio::process::Command::new(program).arg(verb).output();
    let output = output.await.expect("slurm/dev/slurm runs");
    assert!(output.status.success(), "{verb}: {output:?}");
}

/// This machine.
pub(crate) fn here() -> Arc<dyn Channel> {
    Arc::new(LocalChannel::default())
}

fn path(path: PathBuf) -> String {
    path.to_str().expect("UTF-8").to_owned()
}
