use std::sync::Arc;

use async_trait::async_trait;
use schliff_backend::conformance::{self, World, WorldError};
use schliff_backend::{Backend, Launch};
use schliff_scheduler::allocation::AllocationEnd;
use schliff_scheduler::cluster::Queue;
use schliff_scheduler::shape::Shape;
use schliff_sim::backend::SharedSite;
use schliff_sim::scenario::SitePlan;
use schliff_spec::id::SubmitKey;

struct Conforming {
    site: SharedSite,
    queue: Queue,
}

impl Conforming {
    fn new(queue: Queue) -> Self {
        let plan = SitePlan {
            name: "simulated".into(),
            queue,
            nodes: 2,
            gpus: 0,
            cpus: 4,
            max_time_ms: None,
            max_waiting: None,
            chain: schliff_spec::cluster::Chain::None,
            country: None,
        };
        let site = SharedSite::new(&plan).expect("a site");
        Self { site, queue }
    }

    fn sized(&self, key: SubmitKey, nodes: u32) -> Launch {
        let on = ["simulated1", "simulated2"].into_iter();
        let on = on.map(|name| name.parse().expect("a name"));
        let is_ours = self.queue == Queue::Ours;
        Launch {
            key,
            name: "small".into(),
            shape: Shape {
                nodes,
                gpus_per_node: 0,
                cpus_per_node: 1,
                ranks: nodes,
            },
            min_nodes: None,
            placement: on.filter(|_| is_ours).take(nodes as usize).collect(),
            avoid: Vec::new(),
            time_limit_ms: None,
            work_ms: None,
            wish: schliff_spec::cluster::BatchWish::default(),
            args: Vec::new(),
            env: Vec::new(),
            files: Vec::new(),
        }
    }
}

#[async_trait]
impl World for Conforming {
    async fn open(&self) -> Result<Arc<dyn Backend>, WorldError> {
        Ok(Arc::new(self.site.open()))
    }

    fn launch(&self, key: SubmitKey) -> Launch {
        self.sized(key, 1)
    }

    fn unfit(&self, key: SubmitKey) -> Option<Launch> {
        Some(self.sized(key, 3))
    }

    async fn start(&self, _key: SubmitKey) -> Result<(), WorldError> {
        self.site.pass(1_000);
        Ok(())
    }

    async fn end(&self, key: SubmitKey, code: i32) -> Result<(), WorldError> {
        self.site.end(key, AllocationEnd::Exited { code });
        Ok(())
    }

    async fn kill(&self, key: SubmitKey) -> Result<(), WorldError> {
        let signal = Some(9);
        self.site.end(key, AllocationEnd::Killed { signal });
        Ok(())
    }

    async fn starts(&self, key: SubmitKey) -> Result<u32, WorldError> {
        Ok(self.site.starts(key))
    }

    async fn pause(&self) {
        self.site.pass(100);
    }
}

#[tokio::test]
async fn a_site_without_a_queue_conforms() {
    let world = Conforming::new(Queue::Ours);
    conformance::all(&world).await.expect("conforms");
}

#[tokio::test]
async fn a_site_with_a_queue_conforms() {
    let world = Conforming::new(Queue::Theirs);
    conformance::all(&world).await.expect("conforms");
}
