use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{
    Pid, Signal, WaitOptions, kill_process, set_parent_process_death_signal, waitpid,
};
use schliff_backend::folder::Folder;
use schliff_coordinator::journal::{Journal, Options as JournalOptions};
use schliff_coordinator::{Access, Coordinator, Limits, Options, Site};

use crate::stage::{Stage, cluster_in, until, wait};

const STATE: &str = "SCHLIFF_TEST_SERVE_STATE";
const JOURNAL: &str = "SCHLIFF_TEST_SERVE_JOURNAL";
const PORT: &str = "SCHLIFF_TEST_SERVE_PORT";
/// What it says when it serves, before its URL, and when it has ended, before the reason.
const SERVES: &str = "serves at ";
const ENDED: &str = "ended: ";
/// For a process to serve.
const PATIENCE: Duration = Duration::from_secs(20);

/// A coordinator in a process of its own. It ends with this value.
pub(crate) struct Server {
    child: Child,
    url: String,
    said: mpsc::Receiver<String>,
}

impl Server {
    /// Waits until it leads, or knows who does.
    pub(crate) fn start(stage: &Stage, port: u16) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command
            .args(["--exact", "server::coordinator", "--nocapture"])
            .env(STATE, stage.folder())
            .env(JOURNAL, &stage.database)
            .env(PORT, port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("a process");
        let (sender, said) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().expect("its output"));
        std::thread::spawn(move || {
            let lines = stdout.lines().map_while(Result::ok);
            // The test may have ended.
            lines.for_each(|line| drop(sender.send(line)));
        });
        let mut server = Self {
            child,
            url: String::new(),
            said,
        };
        server.url = server.says(SERVES);
        server
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn port(&self) -> u16 {
        let port = self.url.rsplit(':').next().and_then(|it| it.parse().ok());
        port.expect("a port")
    }

    /// Dies at once.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it lived");
        self.child.wait().expect("it is dead");
    }

    /// Stops it wherever it is, except within a write to the cluster's log: no batch system would wait
    /// for it there.
    pub(crate) fn freeze(&self, stage: &Stage) {
        loop {
            self.signal(Signal::STOP);
            let stopped = waitpid(Some(self.pid()), WaitOptions::UNTRACED);
            let (_, status) = stopped.expect("its status").expect("a change of it");
            assert!(status.stopped(), "{status:?}");
            if stage.is_cluster_free() {
                return;
            }
            self.wake();
        }
    }

    pub(crate) fn wake(&self) {
        self.signal(Signal::CONT);
    }

    /// Why it ended by itself.
    pub(crate) async fn ended(mut self) -> String {
        let status = self.exit().await;
        assert!(!status.success(), "it did not end in good order");
        self.says(ENDED)
    }

    /// Ends in good order.
    pub(crate) async fn close(mut self) {
        drop(self.child.stdin.take());
        let status = self.exit().await;
        assert!(status.success(), "{status}: {}", self.says(ENDED));
    }

    async fn exit(&mut self) -> std::process::ExitStatus {
        let child = &mut self.child;
        let ended = async || child.try_wait().expect("its status");
        until("a coordinator ends", ended).await
    }

    /// The rest of the line that begins so.
    fn says(&self, begin: &str) -> String {
        loop {
            let line = self.said.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("it never said `{begin}`"));
            // The first line comes after the test's own name.
            if let Some((_, rest)) = line.split_once(begin) {
                return rest.to_owned();
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it lives");
    }

    fn pid(&self) -> Pid {
        let pid = i32::try_from(self.child.id()).ok();
        pid.and_then(Pid::from_raw).expect("a process")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The coordinator's process: does nothing unless it is started for that.
#[test]
fn coordinator() {
    let told = [STATE, JOURNAL, PORT].map(std::env::var);
    let [Ok(state), Ok(journal), Ok(port)] = told else {
        return;
    };
    // One that is frozen would outlive a test that is killed.
    set_parent_process_death_signal(Some(Signal::KILL)).expect("a wish of this process");
    wait(serve(
        PathBuf::from(state),
        &journal,
        port.parse().expect("a port"),
    ));
}

async fn serve(state: PathBuf, journal: &str, port: u16) {
    let url = journal.parse().expect("a journal's URL");
    let folder = Folder::open(cluster_in(&state)).expect("a cluster");
    let options = Options {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        url: None,
        other_urls: Vec::new(),
        journal: Journal::open(&url, JournalOptions::default())
            .await
            .expect("a journal"),
        sites: vec![Site {
            observe_every: Duration::from_millis(300),
            ..Site::new(Arc::new(folder))
        }],
        access: Access::open(&state).expect("secrets"),
        runs: state.join("runs"),
        tls: None,
        is_plain_allowed: false,
        limits: Limits::default(),
        version: "test".into(),
    };
    let handle = Coordinator::start(options).await.expect("a coordinator");
    let closing = handle.clone();
    // Whoever started it is done with it, or is gone.
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        closing.close();
    });
    handle.settled().await;
    say(&format!("{SERVES}{}", handle.url()));
    let end = handle.ended().await;
    let why = (*end)
        .as_ref()
        .err()
        .map_or(String::new(), ToString::to_string);
    say(&format!("{ENDED}{why}"));
    // Without the trace of a panic: some are expected to end like this.
    std::process::exit(i32::from(end.is_err()));
}

fn say(line: &str) {
    // Whoever started it may be gone.
    let _ = writeln!(std::io::stdout(), "{line}");
}
