//! The suite over processes on this host.

use schliff_backend::conformance;

use crate::world::LocalWorld;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_on_this_host_conform() {
    let world = LocalWorld::new(4, 0);
    conformance::all(&world).await.expect("conforms");
}
