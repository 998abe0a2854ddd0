//! `schliff agent` with a coordinator: what is told, what is obeyed, what is left behind.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use schliff_wire::v1::agents_server::{Agents, AgentsServer};
use schliff_wire::v1::news::Body;
use schliff_wire::v1::{Directive, Ended, ReportReply, ReportRequest};
use tokio::runtime::Runtime;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::group::RANK;
use crate::stage::{JobFolder, Running, schliff};

/// Writes down all that it is told.
#[derive(Clone, Default)]
pub(crate) struct Far(Arc<Mutex<Told>>);

#[derive(Default)]
pub(crate) struct Told {
    pub(crate) bodies: Vec<Body>,
    directive: Directive,
    pub(crate) names: Vec<String>,
}

impl Far {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Told> {
        self.0.lock().expect("no panic")
    }

    /// The last word.
    pub(crate) fn ended(&self) -> Ended {
        let told = self.lock();
        let ended = told.bodies.iter().find_map(|body| match body {
            Body::Ended(ended) => Some(ended.clone()),
            _ => None,
        });
        ended.unwrap_or_else(|| panic!("no last word in {:?}", told.bodies))
    }
}

#[tonic::async_trait]
impl Agents for Far {
    async fn report(
        &self,
        request: Request<ReportRequest>,
    ) -> Result<Response<ReportReply>, Status> {
        let token = request.metadata().get("authorization");
        if token.is_none_or(|token| token != "Bearer let me in") {
            return Err(Status::unauthenticated("another token"));
        }
        let request = request.into_inner();
        let taken = request.first_sequence + request.news.len() as u64 - 1;
        let mut told = self.lock();
        told.names
            .push(format!("{}-{}", request.job, request.generation));
        let bodies = request.news.into_iter().filter_map(|news| news.body);
        told.bodies.extend(bodies);
        Ok(Response::new(ReportReply {
            taken,
            directive: told.directive.into(),
            reason: None,
            pause_ms: 0,
        }))
    }
}

/// A job on one node, with a coordinator that takes its reports.
pub(crate) struct Site {
    pub(crate) job: JobFolder,
    pub(crate) far: Far,
    pub(crate) url: String,
    _runtime: Runtime,
}

impl Site {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let (far, guard) = (Far::default(), runtime.enter());
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let incoming = TcpIncoming::bind(free).expect("a free port");
        let address = incoming.local_addr().expect("an address");
        let service = AgentsServer::new(far.clone());
        let server = tonic::transport::Server::builder().add_service(service);
        runtime.spawn(server.serve_with_incoming(incoming));
        drop(guard);
        let job = JobFolder::with("");
        std::fs::write(job.path("token"), "let me in\n").expect("a file");
        Self {
            job,
            far,
            url: format!("http://{address}"),
            _runtime: runtime,
        }
    }

    fn agent(&self, args: &[&str], scene: &str) -> Command {
        let agent = ["agent", "job.toml", "--ranks-per-node", "2", "--json"];
        let place = ["--nodes", "1"];
        let report = ["--coordinator", &self.url, "--token-file", "token"];
        let key = ["--job", "42", "--generation", "3", "--exit-file", "exit"];
        let all = [&agent[..], &place, &report, &key, args].concat();
        let mut command = schliff(&all, scene);
        command.current_dir(self.job.path("")).env("BEFORE", RANK);
        command
    }

    fn exit_file(&self) -> PathBuf {
        self.job.path("exit")
    }

    fn exit(&self) -> String {
        std::fs::read_to_string(self.exit_file()).expect("the exit file")
    }
}

/// Works until it is asked to stop at a step boundary.
const OBEDIENT: &str = r#"
    stop() {
        commit 9
        say '{"event":"failed","error":"stopped after step 9","causes":[],"hint":null,"exit":75,"saved":null}'
        exit 75
    }
    trap stop TERM
    work 9 computing
"#;

#[test]
fn a_run_is_told_with_its_result_and_the_exit_code_is_left() {
    let site = Site::new();
    let scene = r#"beat 0 computing; echo "words of rank $rank" >&2
        [ "$rank" = 0 ] && say '{"event":"step","step":1,"steps":3,"loss":1.5,"grad_norm":1,"lr":1,"tokens":1,"tokens_per_s":1}'
        result"#;
    let ended = Running::start(site.agent(&[], scene)).end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(site.exit(), "0\n");
    let last = site.far.ended();
    assert_eq!((last.exit_code, last.error.as_str()), (0, ""));
    assert!(last.result_json.contains(r#""steps":3"#), "{last:?}");
    let told = site.far.lock();
    assert!(told.names.iter().all(|name| name == "42-3"));
    let steps = told
        .bodies
        .iter()
        .filter(|body| matches!(body, Body::Step(_)));
    assert_eq!(steps.count(), 1);
    let words = format!("{:?}", told.bodies);
    assert!(words.contains("words of rank 1"), "{words}");
}

#[test]
fn a_job_file_that_cannot_be_read_is_told_too() {
    let site = Site::new();
    std::fs::write(site.job.path("job.toml"), "name = 3").expect("a file");
    let ended = Running::start(site.agent(&["--out", "out"], "")).end();
    assert_eq!((ended.code, site.exit().as_str()), (Some(2), "2\n"));
    let last = site.far.ended();
    assert_eq!(last.exit_code, 2);
    assert!(last.error.contains("name"), "{last:?}");
}

#[test]
fn a_lost_group_names_its_culprit() {
    let site = Site::new();
    let scene = r#"beat 1 computing
        [ "$rank" = 1 ] && { echo "last words" >&2; kill -KILL $$; }
        work 1 reducing"#;
    let ended = Running::start(site.agent(&["--max-restarts", "0"], scene)).end();
    assert_eq!(ended.code, Some(76), "{}", ended.stderr);
    let last = site.far.ended();
    assert_eq!((last.exit_code, last.rank), (76, Some(1)));
    assert_eq!(last.last_lines, ["last words"]);
    assert!(last.causes[0].contains("SIGKILL"), "{last:?}");
}

#[test]
fn the_coordinator_stops_an_attempt_at_a_step() {
    let site = Site::new();
    site.far.lock().directive = Directive::Stop;
    let ended = Running::start(site.agent(&[], OBEDIENT)).end();
    assert_eq!(ended.code, Some(75), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("the coordinator asks to stop"),
        "{}",
        ended.stderr
    );
    assert_eq!(
        (site.far.ended().exit_code, site.exit().as_str()),
        (75, "75\n")
    );
}

#[test]
fn the_coordinator_ends_an_attempt_that_does_not_listen() {
    let site = Site::new();
    let mut agent =
        Running::start(site.agent(&[], "trap '' TERM INT; echo deaf >&2; work 1 computing"));
    agent.wait_for("deaf");
    site.far.lock().directive = Directive::Abort;
    let ended = agent.end();
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert_eq!(site.far.ended().exit_code, 130);
}

#[test]
fn ranks_stop_before_the_wall_time_is_over() {
    let job = JobFolder::with("");
    let args = [
        "agent",
        "job.toml",
        "--nodes",
        "1",
        "--time-limit",
        "2",
        "--exit-file",
        "exit",
    ];
    let mut command = schliff(&args, OBEDIENT);
    command.current_dir(job.path("")).env("BEFORE", RANK);
    let ended = Running::start(command).end();
    assert_eq!(ended.code, Some(75), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("the time limit is near"),
        "{}",
        ended.stderr
    );
    assert_eq!(
        std::fs::read_to_string(job.path("exit")).expect("a file"),
        "75\n"
    );
}

#[test]
fn an_agent_outlives_whoever_started_it() {
    let site = Site::new();
    let scene = r#"echo "at work" >&2; until [ -e go ] || [ ! -e job.toml ]; do beat 1 computing; sleep 0.05; done
        for line in 1 2 3; do echo "nobody reads this" >&2; done; result"#;
    let agent = site.agent(&[], scene);
    let mut parent = Command::new("sh");
    parent
        .args(["-c", "\"$@\" & wait", "sh"])
        .arg(agent.get_program())
        .args(agent.get_args())
        .current_dir(site.job.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (name, value) in agent.get_envs() {
        match value {
            Some(value) => parent.env(name, value),
            None => parent.env_remove(name),
        };
    }
    let mut parent = Running::start(parent);
    parent.wait_for("at work");
    // The whole group, with all that reads what the agent says.
    parent.signal_group(Signal::KILL);
    drop(parent);
    std::fs::write(site.job.path("go"), "").expect("a file");
    let begun = Instant::now();
    while !site.exit_file().exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not end");
        std::thread::park_timeout(Duration::from_millis(10));
    }
    assert_eq!(
        (site.exit().as_str(), site.far.ended().exit_code),
        ("0\n", 0)
    );
}

#[test]
fn flags_of_the_coordinator_come_together_and_keep_the_token_safe() {
    let site = Site::new();
    let job = JobFolder::with("");
    for args in [
        &["agent", "job.toml", "--job", "1"][..],
        &["agent", "job.toml", "--coordinator", &site.url],
        &["agent", "job.toml", "--generation", "01"],
    ] {
        assert_eq!(job.play(args, "").code, Some(2), "{args:?}");
    }
    let plain = ["--coordinator", "http://192.0.2.1:9"];
    let ended = Running::start(site.agent(&plain, "result")).end();
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("hint: https://"), "{}", ended.stderr);
    assert_eq!(site.exit(), "2\n");
}
