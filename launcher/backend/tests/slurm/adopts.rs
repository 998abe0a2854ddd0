//! A job that was submitted by hand, found and adopted on a real Slurm.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use schliff_backend::conformance::World;
use schliff_backend::slurm::batch::{ByHand, by_hand};
use schliff_backend::{Backend, BackendError, FindError};
use schliff_scheduler::allocation::{AllocationEnd, AllocationId, AllocationStatus, StopHow};
use schliff_spec::cluster::BatchWish;
use schliff_spec::id::{Generation, JobId, SubmitKey};

use crate::world::{SlurmWorld, Way, cluster, slurm};

/// In the place of `schliff`: waits to be asked to end, and leaves the exit code.
const PROGRAM: &str = r#"#!/bin/sh
while [ "$1" != --exit-file ]; do shift; done
trap 'kill $waiting; echo 75 >"$2.part"; mv "$2.part" "$2"; exit 75' USR1 TERM
sleep 600 & waiting=$!
: >"$2.ready"
wait
"#;
const JOB: &str = "name = \"desk\"\n";

/// Submits it; gives Slurm's number.
fn submit(world: &SlurmWorld, options: &[&str]) -> AllocationId {
    let folder = world.folder();
    let program = folder.join("program");
    fs::write(&program, PROGRAM).expect("written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a mode");
    let mut site = world.site().clone();
    site.program = program.display().to_string();
    let name = format!("by-hand-{}", world.first_job());
    let job = ByHand {
        name: &name,
        job_toml: JOB,
        out: "runs/it's a",
        shape: world.launch(key(world)).shape,
        min_nodes: None,
        time_limit_ms: Some(600_000),
        work_ms: None,
        wish: &BatchWish::default(),
        trials: None,
    };
    let script = folder.join("job.sh");
    fs::write(&script, by_hand(&site, &job).expect("a script")).expect("written");
    let (folder, script) = (folder.display(), script.display().to_string());
    let chdir = format!("--chdir={folder}");
    let words = [
        &["sbatch", "--parsable", &chdir],
        options,
        &[script.as_str()],
    ];
    let printed = slurm(&words.concat()).expect("taken");
    AllocationId(printed.trim().to_owned())
}

fn key(world: &SlurmWorld) -> SubmitKey {
    SubmitKey {
        job: JobId(world.first_job()),
        generation: Generation(1),
    }
}

/// The listing's word for the key, once it is as wanted.
async fn listed(
    backend: &dyn Backend,
    key: SubmitKey,
    is: impl Fn(&AllocationStatus) -> bool,
) -> AllocationStatus {
    let mut last = None;
    for _ in 0..600 {
        let listing = backend.observe().await.expect("a listing");
        let mut own = listing.allocations.into_iter().filter(|it| it.key == key);
        last = own.next().map(|it| it.status);
        if let Some(status) = last.as_ref().filter(|status| is(status)) {
            return status.clone();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{key} does not become as wished: {last:?}");
}

/// Waits until the program runs, or nearly so.
async fn begun(ready: &Path) {
    for _ in 0..600 {
        if ready.exists() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// It is found as what it is, and nobody's yet.
async fn is_found(backend: &dyn Backend, id: &AllocationId, out: &Path) {
    let found = backend.find(id).await.expect("it can be adopted");
    assert_eq!((found.document.as_str(), found.nodes), (JOB, 1));
    assert_eq!(found.out, out.display().to_string());
    assert_eq!(found.time_limit_ms, Some(600_000));
    let listing = backend.observe().await.expect("a listing");
    assert!(listing.allocations.is_empty(), "it is nobody's yet");
}

/// Whoever asks is told whose it is, and cannot have it.
async fn is_ours(backend: &dyn Backend, key: SubmitKey, other: &SlurmWorld, id: &AllocationId) {
    let known = backend.find(id).await;
    assert!(
        matches!(&known, Err(FindError::Known { key: own, .. }) if *own == key),
        "{known:?}"
    );
    let theirs = other.backend().find(id).await;
    assert!(
        matches!(theirs, Err(FindError::OfCoordinator { .. })),
        "{theirs:?}"
    );
    let launch = other.launch(self::key(other));
    let refused = other.backend().adopt(&launch, id).await;
    assert!(
        matches!(refused, Err(BackendError::Rejected { .. })),
        "{refused:?}"
    );
}

/// It ends as it is asked to; what is the user's stays.
async fn ends_gently(backend: &dyn Backend, key: SubmitKey, out: &Path) {
    backend.stop(key, StopHow::Gently).await.expect("asked");
    let ended = |it: &AllocationStatus| matches!(it, AllocationStatus::Ended { .. });
    let end = listed(backend, key, ended).await;
    let end_of = AllocationStatus::Ended {
        end: AllocationEnd::Exited { code: 75 },
    };
    assert_eq!(end, end_of);
    backend.forget(key).await.expect("forgotten");
    assert!(out.join("starts").exists() && out.join("adopted").exists());
    assert!(!out.join("stop").exists());
}

async fn is_adopted(way: Way, options: &[&str]) {
    let Some(cluster) = cluster() else { return };
    let world = SlurmWorld::new(&cluster, way);
    let (backend, key) = (world.backend(), key(&world));
    let id = submit(&world, options);
    let waits = options.contains(&"--hold");
    let out = world.folder().join("runs/it's a");
    let ready = out.join("exit.ready");
    if !waits {
        begun(&ready).await;
    }
    is_found(&backend, &id, &out).await;
    let launch = world.launch(key);
    for _ in 0..2 {
        let adopted = backend.adopt(&launch, &id).await;
        assert_eq!(adopted.expect("ours"), id);
    }
    is_ours(&backend, key, &SlurmWorld::new(&cluster, way), &id).await;
    if waits {
        let pending = |it: &AllocationStatus| matches!(it, AllocationStatus::Pending { .. });
        listed(&backend, key, pending).await;
        slurm(&["scontrol", "release", &id.0]).expect("released");
    }
    listed(&backend, key, |it| *it == AllocationStatus::Running).await;
    begun(&ready).await;
    ends_gently(&backend, key, &out).await;
    let over = backend.find(&id).await;
    assert!(matches!(over, Err(FindError::Known { .. })), "{over:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_commands_while_it_runs() {
    is_adopted(Way::Command, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_commands_while_it_waits() {
    is_adopted(Way::Command, &["--hold"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_ssh() {
    is_adopted(Way::Ssh, &[]).await;
}
