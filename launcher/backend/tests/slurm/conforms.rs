//! The suite on a real Slurm.

use schliff_backend::conformance;

use crate::world::{SlurmWorld, Way, cluster};

async fn conforms(way: Way) {
    let Some(cluster) = cluster() else { return };
    let world = SlurmWorld::new(&cluster, way);
    conformance::all(&world).await.expect("conforms");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_commands() {
    conforms(Way::Command).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_ssh() {
    conforms(Way::Ssh).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_slurmrestd() {
    conforms(Way::Rest).await;
}
