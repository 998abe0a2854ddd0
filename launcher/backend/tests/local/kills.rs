//! Coordinators, agents and ranks that are killed, and allocations that must be.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;
use schliff_backend::conformance::World;
use schliff_backend::{Backend, chain};
use schliff_scheduler::allocation::{AllocationEnd, AllocationStatus, StopHow};

use crate::world::{LocalWorld, exists, key, signal, status};

/// Tells a coordinator in a process of its own which folder is its cluster's.
const FOLDER: &str = "SCHLIFF_TEST_FOLDER";
/// Allocations that a coordinator submits.
const COUNT: u64 = 12;

/// The coordinator: in a process of its own it is killed on the way, in this one it comes to its end.
#[tokio::test]
async fn a_coordinator_submits_one_after_the_other() {
    let shared = std::env::var_os(FOLDER).map(PathBuf::from);
    let world = match &shared {
        Some(folder) => LocalWorld::at(folder, 64),
        None => LocalWorld::new(64, 0),
    };
    let local = world.local();
    for job in 1..=COUNT {
        local
            .submit(&world.launch(key(job)))
            .await
            .expect("submitted");
    }
    let listing = local.observe().await.expect("a listing");
    assert_eq!(listing.allocations.len() as u64, COUNT);
    if shared.is_some() {
        // Waits to be killed.
        std::future::pending::<()>().await;
    }
}

/// A coordinator in a process of its own, killed at the latest when the test ends.
struct Coordinator(Child);

impl Coordinator {
    fn start(world: &LocalWorld) -> Self {
        let child = Command::new(std::env::current_exe().expect("this program"))
            .args([
                "--exact",
                "kills::a_coordinator_submits_one_after_the_other",
            ])
            .env(FOLDER, world.folder())
            .env("SLURM_JOB_ID", "4711")
            .env("OUTSIDE", "seen")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.expect("it starts"))
    }

    /// Kills it as soon as one of these is there.
    async fn kill_at(&mut self, places: &[PathBuf]) {
        while !places.iter().any(|place| exists(place)) {
            let ended = self.0.try_wait().expect("it can be asked");
            assert!(ended.is_none(), "it failed: {ended:?}");
            tokio::task::yield_now().await;
        }
        self.0.kill().expect("it lives");
        self.0.wait().expect("it is dead");
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        // It may have been killed before.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn allocations_outlive_their_coordinator() {
    let world = LocalWorld::new(64, 0);
    let mut coordinator = Coordinator::start(&world);
    world.begun(key(COUNT)).await.unwrap();
    coordinator.kill_at(&[world.folder().to_owned()]).await;
    let local = world.local();
    for job in 1..=COUNT {
        world.begun(key(job)).await.unwrap();
        assert_eq!(
            status(&local, key(job)).await,
            Some(AllocationStatus::Running)
        );
    }
    let environment = world.word(key(1), "env");
    assert!(environment.contains("OUTSIDE=seen") && !environment.contains("SLURM_JOB_ID"));
    local.submit(&world.launch(key(1))).await.unwrap();
    local.stop(key(1), StopHow::Gently).await.unwrap();
    local.stop(key(2), StopHow::Now).await.unwrap();
    world.end(key(3), 1).await.unwrap();
    assert_eq!(world.ended(&local, key(1)).await, "Exited { code: 75 }");
    assert_eq!(world.ended(&local, key(2)).await, "Killed { signal: None }");
    assert_eq!(world.ended(&local, key(3)).await, "Exited { code: 1 }");
    assert_eq!(World::starts(&world, key(1)).await.unwrap(), 1);
    assert_eq!(
        status(&local, key(4)).await,
        Some(AllocationStatus::Running)
    );
}

/// Wherever in a submit the coordinator is killed, its successor sees what came of it, and submits
/// everything again.
#[tokio::test]
async fn a_coordinator_killed_while_it_submits_starts_nothing_twice() {
    // What is there at different moments of a submit; a draft may be gone before it is seen.
    let moments = ["", "files", "record.json", "lock", "birth", "output.log"];
    for (nth, moment) in (1..=COUNT).zip(moments.iter().cycle()) {
        let world = LocalWorld::new(64, 0);
        let mut coordinator = Coordinator::start(&world);
        let cluster = world.folder().join("cluster");
        let drafted = cluster.join(format!(".new-{}", key(nth))).join(moment);
        let placed = cluster.join(key(nth).to_string()).join(moment);
        coordinator.kill_at(&[drafted, placed]).await;
        let local = world.local();
        for job in 1..=COUNT {
            local.submit(&world.launch(key(job))).await.unwrap();
        }
        let mut held = BTreeSet::new();
        for allocation in local.observe().await.unwrap().allocations {
            let key = allocation.key;
            match allocation.status {
                AllocationStatus::Running => {
                    world.begun(key).await.unwrap();
                    assert_eq!(World::starts(&world, key).await.unwrap(), 1, "{key}");
                    assert!(held.insert(key));
                }
                AllocationStatus::Ended {
                    end: AllocationEnd::NeverStarted { .. },
                } => assert_eq!(World::starts(&world, key).await.unwrap(), 0, "{key}"),
                status => panic!("{key} is {status:?}"),
            }
        }
        // At most the one that was at work is lost.
        assert!(held.len() as u64 >= COUNT - 1, "{held:?}");
        let names = fs::read_dir(&cluster).unwrap();
        let is_draft = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with('.');
        assert!(!names.flatten().any(|entry| is_draft(&entry.file_name())));
    }
}

#[tokio::test]
async fn a_rank_without_an_agent_holds_its_allocation() {
    let world = LocalWorld::new(1, 0);
    let local = world.local();
    let pids = world.running(&local, world.launch(key(1))).await;
    signal(pids[0], Signal::KILL);
    wait_for_the_end(&world, &local, pids[0]).await;
    assert_eq!(
        status(&local, key(1)).await,
        Some(AllocationStatus::Running)
    );
    let error = local.submit(&world.launch(key(2))).await.unwrap_err();
    assert!(
        chain(&error).contains("too little of this host is free"),
        "{error}"
    );
    // There is nobody to be asked.
    local.stop(key(1), StopHow::Gently).await.unwrap();
    assert_eq!(
        status(&local, key(1)).await,
        Some(AllocationStatus::Running)
    );
    local.stop(key(1), StopHow::Now).await.unwrap();
    assert_eq!(world.ended(&local, key(1)).await, "Killed { signal: None }");
    local.submit(&world.launch(key(2))).await.unwrap();
}

#[tokio::test]
async fn a_rank_that_left_the_session_is_found_by_its_lock() {
    let world = LocalWorld::new(1, 0);
    let local = world.local();
    let mut launch = world.launch(key(1));
    launch.env = vec![("RANK".to_owned(), "setsid --fork".to_owned())];
    // Its parent tells of it by a number that is not the rank's own.
    launch.args[1] = launch.args[1].replace("wait $rank", "sh -c 'kill -STOP $PPID'");
    let pids = world.running(&local, launch).await;
    // A stopped agent is no obstacle either.
    local.stop(key(1), StopHow::Now).await.unwrap();
    assert_eq!(world.ended(&local, key(1)).await, "Killed { signal: None }");
    wait_for_the_end(&world, &local, pids[0]).await;
}

#[tokio::test]
async fn time_that_is_over_ends_it() {
    let world = LocalWorld::new(2, 0);
    let local = world.local();
    let mut launch = world.launch(key(1));
    launch.time_limit_ms = Some(200);
    world.running(&local, launch).await;
    world.running(&local, world.launch(key(2))).await;
    assert_eq!(world.ended(&local, key(1)).await, "TimedOut");
    assert_eq!(
        status(&local, key(2)).await,
        Some(AllocationStatus::Running)
    );
}

#[tokio::test]
async fn a_process_with_a_reused_number_is_left_alone() {
    let world = LocalWorld::new(1, 0);
    let local = world.local();
    let pids = world.running(&local, world.launch(key(1))).await;
    let birth = world.folder().join("cluster/schliff-1-1/birth");
    let line = fs::read_to_string(&birth).unwrap();
    // As if the agent had been born at another time.
    let (head, tail) = line.rsplit_once(") ").unwrap();
    let mut fields: Vec<_> = tail.split(' ').collect();
    fields[19] = "1";
    fs::write(&birth, format!("{head}) {}", fields.join(" "))).unwrap();
    local.stop(key(1), StopHow::Gently).await.unwrap();
    assert_eq!(
        status(&local, key(1)).await,
        Some(AllocationStatus::Running)
    );
    assert!(exists(&PathBuf::from(format!("/proc/{}/stat", pids[0]))));
    // All the same it is found by its lock.
    local.stop(key(1), StopHow::Now).await.unwrap();
    assert_eq!(world.ended(&local, key(1)).await, "Killed { signal: None }");
}

/// Waits until a child of this process is neither there nor a zombie.
async fn wait_for_the_end(world: &LocalWorld, local: &dyn Backend, pid: i32) {
    let path = PathBuf::from(format!("/proc/{pid}/stat"));
    for _ in 0..2_000 {
        if !exists(&path) {
            return;
        }
        local.observe().await.expect("a listing");
        world.pause().await;
    }
    panic!("a zombie is left");
}
