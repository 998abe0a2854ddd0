//! SeaweedFS as a real process: an S3 server on this machine.
//!
//! For tests only: whatever cannot be set up panics. The program comes from the variable
//! `SCHLIFF_TEST_WEED`, which `make test` sets; without it the tests that need it say that they are
//! skipped. There is no S3 client here: whoever tests brings one, with the settings that a server gives.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// No start takes so long, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
const BUCKET: &str = "checkpoints";
const KEY: &str = "testkey";
const SECRET: &str = "testsecrettestsecret";

/// Flags that name a port; the first two are those of the S3 gateway and of the filer.
const PORTS: [&str; 10] = [
    "s3.port",
    "filer.port",
    "s3.port.grpc",
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port.grpc",
    "admin.port",
    "admin.port.grpc",
];

/// A server with its data, ended and removed with this value.
pub struct Weed {
    program: PathBuf,
    data: tempfile::TempDir,
    ports: Vec<u16>,
    process: Option<Child>,
    prefixes: AtomicU32,
}

impl Weed {
    /// Starts a server; `None`, loudly, where there is no program.
    pub fn start() -> Option<Self> {
        let Some(program) = std::env::var_os("SCHLIFF_TEST_WEED").filter(|path| !path.is_empty())
        else {
            eprintln!(
                "SKIPPED: SCHLIFF_TEST_WEED names no SeaweedFS; `make test` fetches it, or \
                 reference/fetch_seaweedfs.py does"
            );
            return None;
        };
        let mut weed = Self {
            program: program.into(),
            data: tempfile::tempdir().unwrap_or_else(|error| panic!("no folder: {error}")),
            ports: free_ports(PORTS.len()),
            process: None,
            prefixes: AtomicU32::new(0),
        };
        weed.run();
        Some(weed)
    }

    /// Starts the server on its ports and data, and waits until it takes a write.
    pub fn run(&mut self) {
        let until = Instant::now() + PATIENCE;
        let started = self.command().spawn();
        self.process = Some(started.unwrap_or_else(|error| panic!("SeaweedFS: {error}")));
        // The gateway answers before the bucket is made and before volumes take a write, which the
        // filer can tell.
        while !self.refuses_strangers() || !self.has_bucket() || !self.takes_a_write() {
            self.assert_is_starting(until);
            wait_a_moment();
        }
    }

    /// Ends the server as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("SIGKILL");
            process.wait().expect("an exit status");
        }
    }

    /// The address of a new and empty prefix.
    pub fn prefix(&self) -> String {
        let number = self.prefixes.fetch_add(1, Ordering::Relaxed);
        format!("s3://{BUCKET}/runs/job {number}")
    }

    /// How clients find and enter the server: names as in the environment, and their values.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            (
                "AWS_ENDPOINT_URL",
                format!("http://127.0.0.1:{}", self.ports[0]),
            ),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ]
    }

    fn command(&self) -> Command {
        let log = std::fs::File::create(self.path("log")).expect("a log");
        let mut command = Command::new(&self.program);
        command
            .arg("mini")
            .args([
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                "-admin.ui=false",
                "-webdav=false",
            ])
            .args([
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                "-master.telemetry=false",
            ])
            .arg(format!("-dir={}", self.path("data").display()))
            .arg(format!("-bucket={BUCKET}"))
            .arg(format!(
                "-s3.localSocket={}",
                self.path("s3.sock").display()
            ))
            .arg(format!(
                "-filer.localSocket={}",
                self.path("filer.sock").display()
            ))
            .env("AWS_ACCESS_KEY_ID", KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET)
            .env("GOMEMLIMIT", "512MiB")
            .env("TMPDIR", self.data.path())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log);
        for (name, port) in PORTS.iter().zip(&self.ports) {
            command.arg(format!("-{name}={port}"));
        }
        std::fs::create_dir_all(self.path("data")).expect("a folder");
        command
    }

    /// Whether the gateway refuses a request without a signature, as it does once it serves.
    fn refuses_strangers(&self) -> bool {
        answer(self.ports[0], &format!("GET /{BUCKET}"), "").starts_with("HTTP/1.1 403")
    }

    fn has_bucket(&self) -> bool {
        let what = format!("GET /buckets/{BUCKET}/?limit=1");
        answer(self.ports[1], &what, "").starts_with("HTTP/1.1 200")
    }

    fn takes_a_write(&self) -> bool {
        answer(self.ports[1], "PUT /ready", "x").starts_with("HTTP/1.1 201")
    }

    fn assert_is_starting(&mut self, until: Instant) {
        let process = self.process.as_mut().expect("a process");
        let ended = process.try_wait().expect("a state");
        if ended.is_some() || Instant::now() > until {
            let log = std::fs::read_to_string(self.path("log")).unwrap_or_default();
            panic!("SeaweedFS does not start ({ended:?}):\n{log}");
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(self.data.path()).join(name)
    }
}

impl Drop for Weed {
    fn drop(&mut self) {
        self.kill();
        // It makes these at a fixed place and leaves them.
        for (name, port) in PORTS.iter().zip(&self.ports) {
            if let Some(service) = name.strip_suffix(".port.grpc") {
                let socket = format!("/tmp/seaweedfs-{service}-grpc-{port}.sock");
                std::fs::remove_file(socket).ok();
            }
        }
    }
}

/// What a server on this machine answers; nothing where there is none.
fn answer(port: u16, what: &str, body: &str) -> String {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let bytes = body.len();
        let request = format!(
            "{what} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Length: {bytes}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().unwrap_or_default()
}

/// So many ports that were free a moment ago.
fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<_> = (0..count)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"))
        .collect();
    let ports = listeners
        .iter()
        .map(|listener| listener.local_addr().expect("an address").port());
    ports.collect()
}

/// Between two looks at a state that is waited for with a bound.
fn wait_a_moment() {
    std::thread::park_timeout(Duration::from_millis(50));
}
