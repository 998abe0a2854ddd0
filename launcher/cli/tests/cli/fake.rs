//! A coordinator of a few lines, for the verbs that speak with one.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use schliff_wire::v1::jobs_server::{Jobs, JobsServer};
use schliff_wire::v1::*;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Code, Request, Response, Status};

use crate::stage::{Ended, Running, end_of, schliff};

/// What clients must show.
pub(crate) const TOKEN: &str = "open-sesame";
/// Jobs of one page of a list.
const PAGE: usize = 2;

/// What the coordinator knows and was told; it outlives the server.
#[derive(Default)]
pub(crate) struct Scene {
    pub(crate) jobs: BTreeMap<u64, JobView>,
    pub(crate) lines: Vec<LogLine>,
    pub(crate) clusters: Vec<ClusterView>,
    pub(crate) nodes: Vec<NodeView>,
    pub(crate) submitted: Vec<SubmitRequest>,
    pub(crate) cancelled: Vec<CancelRequest>,
    pub(crate) log_requests: Vec<LogsRequest>,
    /// So many next submits are taken, and their replies are lost.
    pub(crate) replies_to_lose: usize,
    /// So many next streams of a log break off at the first change after their first lines, as for a
    /// reader that is too slow.
    pub(crate) logs_to_break: usize,
    /// Every request is refused so: gRPC's code, our own, the message.
    pub(crate) refuses: Option<(Code, &'static str, String)>,
    /// It does not lead; this one does.
    pub(crate) leader: Option<String>,
}

impl Scene {
    fn job(&self, id: u64) -> Result<JobView, Status> {
        let absent = || {
            refusal(
                Code::NotFound,
                "no-such-job",
                format!("there is no job {id}"),
            )
        };
        self.jobs.get(&id).cloned().ok_or_else(absent)
    }

    /// A job in this phase, with the next number.
    pub(crate) fn add(&mut self, name: &str, phase: Phase) -> u64 {
        let id = self.jobs.len() as u64 + 1;
        let view = JobView {
            id,
            name: name.into(),
            phase: phase.into(),
            reason: Some(Reason {
                code: "x".into(),
                text: "so it is".into(),
                hint: "wait a little".into(),
            }),
            ..JobView::default()
        };
        self.jobs.insert(id, view);
        id
    }

    /// Ends a job.
    pub(crate) fn end(&mut self, id: u64, outcome: &str, exit_code: i32) {
        let job = self.jobs.get_mut(&id).expect("a job");
        job.phase = Phase::Done.into();
        job.outcome = outcome.into();
        job.exit_code = exit_code;
        if let Some(reason) = &mut job.reason {
            reason.text = format!("it {outcome}");
        }
    }

    /// A line of its log.
    pub(crate) fn say(&mut self, rank: u32, text: &str) {
        let position = self.lines.len() as u64 + 1;
        self.lines.push(LogLine {
            position,
            generation: 1,
            rank,
            at_ms: 1_772_373_909_000 + position as i64 * 1_000,
            text: text.into(),
        });
    }
}

fn refusal(grpc: Code, code: &str, message: String) -> Status {
    let mut status = Status::new(grpc, message);
    let code = code.parse().expect("ASCII");
    status.metadata_mut().insert("schliff-code", code);
    status
}

/// The scene, and word of its changes.
#[derive(Clone)]
struct World {
    scene: Arc<Mutex<Scene>>,
    changes: watch::Sender<u64>,
}

/// A server on a port of its own.
pub(crate) struct Fake {
    address: SocketAddr,
    world: World,
    /// Only its owner can read it.
    token: tempfile::NamedTempFile,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Fake {
    pub(crate) fn start() -> Self {
        let world = World {
            scene: Arc::default(),
            changes: watch::channel(0).0,
        };
        let mut fake = Self {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            world,
            token: tempfile::NamedTempFile::new().expect("a file"),
            running: None,
        };
        std::fs::write(fake.token.path(), TOKEN).expect("a token");
        fake.serve();
        fake
    }

    /// Begins to listen, where it listened before.
    pub(crate) fn serve(&mut self) {
        let (stop, stopped) = oneshot::channel::<()>();
        let (outbox, inbox) = std::sync::mpsc::channel();
        let (address, world) = (self.address, self.world.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::bind(address)
                    .await
                    .expect("a port");
                outbox
                    .send(listener.local_addr().expect("an address"))
                    .expect("heard");
                let server =
                    tonic::transport::Server::builder().add_service(JobsServer::new(world));
                let serve = server.serve_with_incoming(TcpListenerStream::new(listener));
                tokio::select! {
                    served = serve => served.expect("served"),
                    _ = stopped => {}
                }
            });
            // As a crash: what is open breaks off.
            runtime.shutdown_background();
        });
        self.address = inbox.recv().expect("it listens");
        self.running = Some((stop, thread));
    }

    /// Is gone, in the middle of whatever it did.
    pub(crate) fn crash(&mut self) {
        let (stop, thread) = self.running.take().expect("it runs");
        stop.send(()).expect("it runs");
        thread.join().expect("it ends");
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Looks at the scene.
    pub(crate) fn scene(&self) -> MutexGuard<'_, Scene> {
        self.world.scene.lock().expect("not poisoned")
    }

    /// Changes the scene, and tells those who watch.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Scene) -> T) -> T {
        let changed = change(&mut self.scene());
        self.world.changes.send_modify(|count| *count += 1);
        changed
    }

    /// `schliff` with this coordinator and its token, in a folder without any other.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = away_from_home(args);
        command.env("SCHLIFF_COORDINATOR", self.url());
        command.env("SCHLIFF_TOKEN_FILE", self.token.path());
        command
    }

    pub(crate) fn play(&self, args: &[&str]) -> Ended {
        end_of(self.command(args))
    }

    pub(crate) fn begin(&self, args: &[&str]) -> Running {
        Running::start(self.command(args))
    }
}

/// `schliff` that finds no coordinator and no token.
pub(crate) fn away_from_home(args: &[&str]) -> Command {
    let mut command = schliff(args, "");
    command.env("SCHLIFF_STATE", "/nowhere/schliff");
    for name in [
        "SCHLIFF_COORDINATOR",
        "SCHLIFF_TOKEN_FILE",
        "SCHLIFF_CA_FILE",
    ] {
        command.env_remove(name);
    }
    command
}

impl Drop for Fake {
    fn drop(&mut self) {
        if self.running.is_some() && !std::thread::panicking() {
            self.crash();
        }
    }
}

impl World {
    /// The scene, for whoever shows the token; refused where the scene says so.
    fn enter<T>(&self, request: &Request<T>) -> Result<MutexGuard<'_, Scene>, Status> {
        let scene = self.scene.lock().expect("not poisoned");
        if let Some(leader) = &scene.leader {
            let mut status = Status::unavailable("does not lead");
            let leader = leader.parse().expect("ASCII");
            status.metadata_mut().insert("schliff-leader", leader);
            return Err(status);
        }
        let shown = request.metadata().get("authorization");
        if shown.is_none_or(|shown| shown != format!("Bearer {TOKEN}").as_str()) {
            return Err(Status::unauthenticated(
                "this is not the coordinator's token",
            ));
        }
        match &scene.refuses {
            Some((grpc, code, message)) => Err(refusal(*grpc, code, message.clone())),
            None => Ok(scene),
        }
    }

    /// What `next` finds after each change, until it says that nothing more comes.
    fn stream<T: Send + 'static>(
        &self,
        mut next: impl FnMut(&Scene) -> (Option<Result<T, Status>>, bool) + Send + 'static,
    ) -> ReceiverStream<Result<T, Status>> {
        let (outbox, inbox) = mpsc::channel(4);
        let (scene, mut changes) = (self.scene.clone(), self.changes.subscribe());
        let mut outbox = Outbox(outbox, false);
        tokio::spawn(async move {
            while !outbox.1 {
                let (item, is_last) = next(&scene.lock().expect("not poisoned"));
                if let Some(item) = item
                    && outbox.0.send(item).await.is_err()
                {
                    return;
                }
                outbox.1 = is_last;
                if !is_last && changes.changed().await.is_err() {
                    return;
                }
            }
        });
        ReceiverStream::new(inbox)
    }
}

/// Where a stream is fed, and whether all is told: what ends before that ends in disorder.
struct Outbox<T>(mpsc::Sender<Result<T, Status>>, bool);

impl<T> Drop for Outbox<T> {
    fn drop(&mut self) {
        if !self.1 {
            let _ = self.0.try_send(Err(Status::unavailable("crashed")));
        }
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Jobs for World {
    type WatchStream = ReceiverStream<Result<JobView, Status>>;
    type LogsStream = ReceiverStream<Result<LogChunk, Status>>;

    async fn server(&self, _: Request<ServerRequest>) -> Answer<ServerReply> {
        Ok(Response::new(ServerReply::default()))
    }

    async fn submit(&self, request: Request<SubmitRequest>) -> Answer<SubmitReply> {
        let mut scene = self.enter(&request)?;
        let request = request.into_inner();
        let known = scene
            .submitted
            .iter()
            .position(|it| it.request_id == request.request_id);
        let id = match known {
            Some(place) => place as u64 + 1,
            None => {
                scene.submitted.push(request);
                scene.add("desk", Phase::Queued)
            }
        };
        if scene.replies_to_lose > 0 {
            scene.replies_to_lose -= 1;
            return Err(Status::unavailable("restarts"));
        }
        Ok(Response::new(SubmitReply {
            job: Some(scene.job(id)?),
            repeated_request: known.is_some(),
        }))
    }

    async fn adopt(&self, request: Request<AdoptRequest>) -> Answer<SubmitReply> {
        let mut scene = self.enter(&request)?;
        let request = request.into_inner();
        let name = format!("{} of {}", request.allocation, request.cluster);
        let id = scene.add(&name, Phase::Running);
        Ok(Response::new(SubmitReply {
            job: Some(scene.job(id)?),
            repeated_request: false,
        }))
    }

    async fn list(&self, request: Request<ListRequest>) -> Answer<ListReply> {
        let scene = self.enter(&request)?;
        let request = request.into_inner();
        let wanted = |job: &&JobView| {
            (request.before == 0 || job.id < request.before)
                && (request.phases.is_empty() || request.phases.contains(&job.phase))
                && job.name.contains(&request.name_contains)
        };
        let found: Vec<_> = scene.jobs.values().rev().filter(wanted).cloned().collect();
        let page: Vec<_> = found
            .iter()
            .take(PAGE.min(request.limit as usize))
            .cloned()
            .collect();
        let more = found.len() > page.len();
        let next_before = page.last().filter(|_| more).map_or(0, |job| job.id);
        let done = scene
            .jobs
            .values()
            .filter(|job| job.phase() == Phase::Done)
            .count() as u64;
        let counts = [
            (Phase::Done, done),
            (Phase::Queued, scene.jobs.len() as u64 - done),
        ];
        let counts = counts.map(|(phase, jobs)| PhaseCount {
            phase: phase.into(),
            jobs,
        });
        Ok(Response::new(ListReply {
            jobs: page,
            next_before,
            counts: counts.to_vec(),
            ..ListReply::default()
        }))
    }

    async fn get(&self, request: Request<JobRequest>) -> Answer<JobView> {
        let scene = self.enter(&request)?;
        scene.job(request.into_inner().job).map(Response::new)
    }

    async fn explain(&self, request: Request<JobRequest>) -> Answer<Explanation> {
        let scene = self.enter(&request)?;
        let job = scene.job(request.into_inner().job)?;
        Ok(Response::new(Explanation {
            job: job.id,
            phase: job.phase,
            reason: job.reason,
            ahead: vec![40],
            ahead_count: 1,
            ..Explanation::default()
        }))
    }

    async fn cancel(&self, request: Request<CancelRequest>) -> Answer<JobView> {
        let mut scene = self.enter(&request)?;
        let request = request.into_inner();
        let id = request.job;
        if scene.job(id)?.phase() == Phase::Done {
            let message = format!("job {id} has ended");
            return Err(refusal(Code::FailedPrecondition, "has-ended", message));
        }
        scene.cancelled.push(request);
        scene.jobs.get_mut(&id).expect("a job").stopping = true;
        scene.job(id).map(Response::new)
    }

    async fn retry(&self, request: Request<RetryRequest>) -> Answer<JobView> {
        let mut scene = self.enter(&request)?;
        let id = request.into_inner().job;
        scene.job(id)?;
        scene.jobs.get_mut(&id).expect("a job").phase = Phase::Queued.into();
        scene.job(id).map(Response::new)
    }

    async fn watch(&self, request: Request<JobRequest>) -> Answer<Self::WatchStream> {
        let id = {
            let scene = self.enter(&request)?;
            scene.job(request.get_ref().job)?.id
        };
        let next = move |scene: &Scene| {
            let job = scene.jobs[&id].clone();
            let is_last = job.phase() == Phase::Done;
            (Some(Ok(job)), is_last)
        };
        Ok(Response::new(self.stream(next)))
    }

    async fn logs(&self, request: Request<LogsRequest>) -> Answer<Self::LogsStream> {
        let is_breaking = {
            let mut scene = self.enter(&request)?;
            scene.job(request.get_ref().job)?;
            scene.log_requests.push(request.get_ref().clone());
            let left = scene.logs_to_break;
            scene.logs_to_break = left.saturating_sub(1);
            left > 0
        };
        let mut request = request.into_inner();
        let next = move |scene: &Scene| {
            if is_breaking && request.after > 0 {
                let message = "what was told was not read in time".to_owned();
                let slow = refusal(Code::ResourceExhausted, "slow-reader", message);
                return (Some(Err(slow)), true);
            }
            let wanted = |line: &&LogLine| {
                line.position > request.after
                    && request.rank.is_none_or(|rank| rank == line.rank)
                    && line.text.contains(&request.contains)
            };
            let mut lines: Vec<_> = scene.lines.iter().filter(wanted).cloned().collect();
            if request.tail > 0 {
                lines.drain(..lines.len().saturating_sub(request.tail as usize));
                request.tail = 0;
            }
            request.after = scene.lines.len() as u64;
            let has_ended = scene.jobs[&request.job].phase() == Phase::Done;
            let chunk = (!lines.is_empty()).then_some(Ok(LogChunk { lines }));
            (chunk, has_ended || !request.follow)
        };
        Ok(Response::new(self.stream(next)))
    }

    async fn series(&self, request: Request<SeriesRequest>) -> Answer<SeriesReply> {
        drop(self.enter(&request)?);
        let point = |step: u64| StepPoint {
            step,
            steps: 3,
            loss: 4.0 - step as f64,
            ..StepPoint::default()
        };
        let steps = (1..=3).map(point).collect();
        Ok(Response::new(SeriesReply {
            steps,
            evals: Vec::new(),
        }))
    }

    async fn clusters(&self, request: Request<ClustersRequest>) -> Answer<ClustersReply> {
        let clusters = self.enter(&request)?.clusters.clone();
        Ok(Response::new(ClustersReply { clusters }))
    }

    async fn nodes(&self, request: Request<NodesRequest>) -> Answer<NodesReply> {
        let cluster = request.get_ref().cluster.clone();
        let nodes = self.enter(&request)?.nodes.clone();
        let wanted = |node: &NodeView| cluster.is_empty() || node.cluster == cluster;
        let nodes = nodes.into_iter().filter(wanted).collect();
        Ok(Response::new(NodesReply { nodes }))
    }

    async fn history(&self, request: Request<JobRequest>) -> Answer<HistoryReply> {
        drop(self.enter(&request)?);
        Ok(Response::new(HistoryReply::default()))
    }
}
