//! What an allocation gets, and what it is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use schliff_backend::conformance::World;
use schliff_backend::{Backend, BackendError, LaunchFile, chain};
use schliff_scheduler::cluster::Queue;

use crate::world::{LocalWorld, key};

#[tokio::test]
async fn cores_and_gpus_belong_to_one_allocation() {
    let world = LocalWorld::new(4, 2);
    let local = world.local();
    assert_eq!(local.terms().queue, Queue::Ours);
    let node = local.observe().await.unwrap().nodes.unwrap().remove(0);
    assert_eq!((node.cpus, node.gpus, node.is_up), (4, 2, true));
    let launch = |job| {
        let mut launch = world.launch(key(job));
        launch.shape.gpus_per_node = 1;
        launch.placement = vec![node.name.clone()];
        launch
    };
    let gpu = |job| {
        let environment = world.word(key(job), "env");
        let line = environment
            .lines()
            .find(|line| line.starts_with("CUDA_VISIBLE_DEVICES="));
        line.expect("set").to_owned()
    };
    world.running(&local, launch(1)).await;
    world.running(&local, launch(2)).await;
    assert_eq!(gpu(1), "CUDA_VISIBLE_DEVICES=0");
    assert_eq!(gpu(2), "CUDA_VISIBLE_DEVICES=1");
    // Another coordinator knows as well what is held.
    let error = world.local().submit(&launch(3)).await.unwrap_err();
    assert!(matches!(error, BackendError::Transient { .. }));
    assert_eq!(
        chain(&error),
        "cannot start schliff-3-1 on this host: too little of this host is free for 1 GPU on 1 node"
    );
    world.running(&local, world.launch(key(4))).await;
    assert_eq!(gpu(4), "CUDA_VISIBLE_DEVICES=");
    world.end(key(1), 0).await.unwrap();
    world.ended(&local, key(1)).await;
    world.running(&local, launch(3)).await;
    assert_eq!(gpu(3), "CUDA_VISIBLE_DEVICES=0");
}

#[tokio::test]
async fn a_process_is_bound_to_its_cores() {
    let allowed = rustix::thread::sched_getaffinity(None).expect("cores");
    let all = 0..rustix::thread::CpuSet::MAX_CPU;
    let allowed: Vec<_> = all.filter(|core| allowed.is_set(*core)).collect();
    let world = LocalWorld::new(u32::try_from(allowed.len()).unwrap(), 0);
    let local = world.local();
    for (job, core) in (1..).zip(allowed.iter().take(2)) {
        world.running(&local, world.launch(key(job))).await;
        let told = world.word(key(job), "cores");
        assert_eq!(told, format!("Cpus_allowed_list:\t{core}"));
    }
    let mut launch = world.launch(key(9));
    launch.shape.cpus_per_node = u32::try_from(allowed.len()).unwrap();
    let told = local.submit(&launch).await;
    assert!(
        matches!(told, Err(BackendError::Transient { .. })),
        "{told:?}"
    );
}

#[tokio::test]
async fn files_lie_where_only_their_owner_looks() {
    let world = LocalWorld::new(1, 0);
    let mut launch = world.launch(key(1));
    let file = |name: &str, is_secret| LaunchFile {
        name: name.to_owned(),
        content: b"content".to_vec(),
        is_secret,
    };
    launch.files = vec![file("job.toml", false), file("token", true)];
    launch.args[3] = "{dir}/../../..".to_owned();
    let local = world.local();
    world.running(&local, launch).await;
    let place = world.folder().join("cluster/schliff-1-1");
    let mode = |path: &str| {
        let data = fs::metadata(place.join(path)).expect("it is there");
        data.permissions().mode() & 0o777
    };
    assert_eq!(mode(""), 0o700);
    assert_eq!(mode("files"), 0o700);
    assert_eq!(mode("files/token"), 0o600);
    assert_eq!(fs::read(place.join("files/job.toml")).unwrap(), b"content");
    world.end(key(1), 0).await.unwrap();
    world.ended(&local, key(1)).await;
    local.forget(key(1)).await.unwrap();
    assert!(!place.exists());
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_leaves_nothing() {
    let mut world = LocalWorld::new(2, 0);
    world.options.max_time_ms = Some(1_000);
    let local = world.local();
    let launch = || world.launch(key(1));
    let (mut elsewhere, mut many, mut long, mut outside) = (launch(), launch(), launch(), launch());
    elsewhere.placement = vec!["some-other-host".parse().unwrap()];
    many.shape.nodes = 2;
    long.time_limit_ms = Some(2_000);
    outside.files = vec![LaunchFile {
        name: "../job.toml".to_owned(),
        content: Vec::new(),
        is_secret: false,
    }];
    for (launch, why) in [
        (elsewhere, "there is no node some-other-host"),
        (many, "this host is one node, not 2"),
        (long, "its time limit is over 1000 ms"),
        (outside, "cannot use `../job.toml` as a name of a file"),
    ] {
        let error = local.submit(&launch).await.unwrap_err();
        assert!(matches!(error, BackendError::Rejected { .. }), "{error:?}");
        assert!(error.to_string().contains(why), "{error}");
    }
    let left = fs::read_dir(world.folder().join("cluster")).unwrap();
    let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["forgotten", "lock"]);
    assert_eq!(local.calls(), (4, 4));
}

#[tokio::test]
async fn a_missing_program_is_told_and_not_tried_again() {
    let mut world = LocalWorld::new(1, 0);
    world.options.program = PathBuf::from("/nowhere/schliff");
    let local = world.local();
    let id = local.submit(&world.launch(key(1))).await.unwrap();
    let end = world.ended(&local, key(1)).await;
    assert!(
        end.starts_with("NeverStarted { why: \"cannot start /nowhere/schliff: "),
        "{end}"
    );
    assert_eq!(local.submit(&world.launch(key(1))).await.unwrap(), id);
    // It holds nothing.
    local.submit(&world.launch(key(2))).await.unwrap();
}
