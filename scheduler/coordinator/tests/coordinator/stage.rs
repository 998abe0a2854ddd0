//! What the tests stand on.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use schliff_coordinator::journal::{Journal, JournalUrl, Options as JournalOptions};
use schliff_coordinator::{Access, Coordinator, Handle, Limits, Options, Role, Site};
use schliff_spec::id::{Generation, JobId, SubmitKey};
use schliff_wire::PROTOCOL;
use schliff_wire::v1::agents_client::AgentsClient;
use schliff_wire::v1::jobs_client::JobsClient;
use schliff_wire::v1::news::Body;
use schliff_wire::v1::{
    JobRequest, JobView, Joined, News, Phase, ReportReply, ReportRequest, StepPoint, SubmitRequest,
};
use tonic::metadata::AsciiMetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::pretend::Pretend;

/// For anything to come about.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const JOB: &str = "name = \"desk\"\n[model]\nbase = \"gguf:/m.gguf\"\n[data]\nformat = \"messages\"\ntrain = [\"/t.jsonl\"]\n[resources]\ncpus_per_node = 1\n";

pub(crate) struct Stage {
    folder: tempfile::TempDir,
    pub(crate) cluster: Arc<Pretend>,
    pub(crate) limits: Limits,
}

/// A token in front of every request.
#[derive(Clone)]
pub(crate) struct Bearer(pub(crate) String);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let value = AsciiMetadataValue::try_from(format!("Bearer {}", self.0));
        let metadata = request.metadata_mut();
        metadata.insert("authorization", value.expect("ASCII"));
        metadata.insert("schliff-user", AsciiMetadataValue::from_static("ada"));
        Ok(request)
    }
}

pub(crate) type Jobs = JobsClient<InterceptedService<Channel, Bearer>>;
pub(crate) type Agents = AgentsClient<InterceptedService<Channel, Bearer>>;

impl Stage {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            cluster: Arc::new(Pretend::new("desk")),
            limits: Limits::default(),
        }
    }

    pub(crate) fn access(&self) -> Access {
        Access::open(self.folder.path()).expect("secrets")
    }

    pub(crate) async fn journal(&self) -> Journal {
        let url = JournalUrl::Sqlite(self.folder.path().join("journal.db"));
        let journal = Journal::open(&url, JournalOptions::default()).await;
        journal.expect("a journal")
    }

    /// A coordinator that may be on standby.
    pub(crate) async fn start(&self) -> Handle {
        let options = self.options().await;
        Coordinator::start(options).await.expect("a coordinator")
    }

    pub(crate) async fn options(&self) -> Options {
        Options {
            listen: "127.0.0.1:0".parse().expect("an address"),
            url: None,
            other_urls: Vec::new(),
            journal: self.journal().await,
            sites: vec![Site {
                observe_every: Duration::from_millis(100),
                ..Site::new(Arc::clone(&self.cluster) as Arc<_>)
            }],
            access: self.access(),
            runs: PathBuf::from("/runs"),
            tls: None,
            is_plain_allowed: false,
            limits: self.limits,
            version: "test".into(),
        }
    }

    /// A coordinator that leads.
    pub(crate) async fn lead(&self) -> Handle {
        let handle = self.start().await;
        until("it leads", async || handle.is_leading().then_some(())).await;
        handle
    }

    pub(crate) async fn jobs(&self, handle: &Handle) -> Jobs {
        self.jobs_as(handle, self.access().token(Role::User)).await
    }

    pub(crate) async fn jobs_as(&self, handle: &Handle, token: &str) -> Jobs {
        JobsClient::with_interceptor(channel(handle).await, Bearer(token.into()))
    }

    /// The agent of an attempt, with the token that came with its launch.
    pub(crate) async fn agent(&self, handle: &Handle, key: SubmitKey) -> Agents {
        let launch = until("it is launched", async || self.cluster.launch(key)).await;
        let token = launch.files.iter().find(|file| file.name == "token");
        let token = String::from_utf8(token.expect("a token").content.clone()).expect("text");
        AgentsClient::with_interceptor(channel(handle).await, Bearer(token))
    }
}

async fn channel(handle: &Handle) -> Channel {
    let url = format!("http://{}", handle.address());
    let endpoint = Channel::from_shared(url).expect("a URL");
    endpoint.connect_lazy()
}

/// Ends a coordinator in good order.
pub(crate) async fn close(handle: Handle) {
    handle.close();
    let end = tokio::time::timeout(PATIENCE, handle.ended()).await;
    let end = end.expect("in time");
    assert!(end.is_ok(), "{end:?}");
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

pub(crate) fn key(job: u64, generation: u64) -> SubmitKey {
    SubmitKey {
        job: JobId(job),
        generation: Generation(generation),
    }
}

pub(crate) fn submit_request(request_id: &str) -> SubmitRequest {
    SubmitRequest {
        protocol: PROTOCOL,
        request_id: request_id.into(),
        job_toml: JOB.into(),
        ..SubmitRequest::default()
    }
}

/// Submits a job and gives its number.
pub(crate) async fn submit(jobs: &mut Jobs, request_id: &str) -> u64 {
    let reply = jobs.submit(submit_request(request_id)).await;
    let reply = reply.expect("submitted").into_inner();
    reply.job.expect("a job").id
}

pub(crate) async fn get(jobs: &mut Jobs, job: u64) -> JobView {
    let view = jobs.get(JobRequest { job }).await;
    view.expect("a view").into_inner()
}

pub(crate) async fn in_phase(jobs: &mut Jobs, job: u64, phase: Phase) -> JobView {
    until(phase.as_str_name(), async || {
        let view = get(jobs, job).await;
        (view.phase() == phase).then_some(view)
    })
    .await
}

pub(crate) fn report(key: SubmitKey, first_sequence: u64, bodies: Vec<Body>) -> ReportRequest {
    let news = bodies.into_iter().map(|body| News {
        at_ms: 0,
        body: Some(body),
    });
    ReportRequest {
        protocol: PROTOCOL,
        job: key.job.0,
        generation: key.generation.0,
        node: 0,
        node_name: "n1".into(),
        first_sequence,
        news: news.collect(),
    }
}

pub(crate) async fn tell(
    agents: &mut Agents,
    request: ReportRequest,
) -> Result<ReportReply, Status> {
    agents.report(request).await.map(|reply| reply.into_inner())
}

pub(crate) fn joined() -> Body {
    Body::Joined(Joined {
        nodes: 1,
        ranks: 1,
        version: "test".into(),
    })
}

pub(crate) fn step(step: u64) -> Body {
    Body::Step(StepPoint {
        step,
        steps: 10,
        loss: 2.0 / step as f64,
        lr: 1e-4,
        tokens_per_s: 100.0,
        ..StepPoint::default()
    })
}

/// Bounds something that must not take long.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(PATIENCE, future).await;
    done.unwrap_or_else(|_| panic!("not in time: {what}"))
}
