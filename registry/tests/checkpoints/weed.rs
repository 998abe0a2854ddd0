//! SeaweedFS as a real process: an S3 server on this machine.
//!
//! Its program comes from the variable `SCHLIFF_TEST_WEED`, which `make test` sets; without it the
//! tests that need it say that they are skipped.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use schliff_registry::Store;

use crate::desk::PATIENCE;

const BUCKET: &str = "checkpoints";
const KEY: &str = "testkey";
const SECRET: &str = "testsecrettestsecret";

/// Flags that name a port; the first one is that of the S3 gateway.
const PORTS: [&str; 10] = [
    "s3.port",
    "s3.port.grpc",
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "admin.port",
    "admin.port.grpc",
];

/// A server with its data, ended and removed with this value.
pub(crate) struct Weed {
    program: PathBuf,
    data: tempfile::TempDir,
    ports: Vec<u16>,
    process: Option<Child>,
    prefixes: AtomicU32,
}

impl Weed {
    /// Starts a server; `None`, loudly, where there is no program.
    pub(crate) fn start() -> Option<Self> {
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
            data: tempfile::tempdir().expect("a folder"),
            ports: free_ports(PORTS.len()),
            process: None,
            prefixes: AtomicU32::new(0),
        };
        weed.run();
        Some(weed)
    }

    /// Starts the server on its ports and data, and waits until it takes a write.
    pub(crate) fn run(&mut self) {
        let until = Instant::now() + PATIENCE;
        self.process = Some(self.command().spawn().expect("SeaweedFS starts"));
        while !self.answers() {
            self.assert_is_starting(until);
            wait_a_moment();
        }
        // It answers before its volumes take a write.
        while let Err(error) = self.store().probe() {
            assert!(Instant::now() < until, "{}", error.in_words());
            wait_a_moment();
        }
    }

    /// Ends the server as a power cut would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("SIGKILL");
            process.wait().expect("an exit status");
        }
    }

    /// A new and empty prefix.
    pub(crate) fn store(&self) -> Store {
        let number = self.prefixes.fetch_add(1, Ordering::Relaxed);
        let uri = format!("s3://{BUCKET}/runs/job {number}");
        let endpoint = format!("http://127.0.0.1:{}", self.ports[0]);
        let settings = [
            ("aws_endpoint_url", endpoint.as_str()),
            ("aws_allow_http", "true"),
            ("aws_region", "us-east-1"),
            ("aws_access_key_id", KEY),
            ("aws_secret_access_key", SECRET),
        ];
        Store::open_with(&uri, &settings).expect("a store")
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
    fn answers(&self) -> bool {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.ports[0]))?;
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            let request =
                format!("GET /{BUCKET} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes())?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 403"))
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
