//! A coordinator as a real process, and the command line that talks to it.
//!
//! For tests only: whatever cannot be set up panics. The state folder is in the desk, so nothing of the
//! user's is touched; what it started on this machine is ended with this value.

use std::cell::RefCell;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::desk::{Desk, Ended, end_of};
use crate::running::{Running, signal, trainers_below, wait_until};

/// A certificate in the desk that the command line trusts.
const CA: &str = "ca.pem";

/// It.
pub struct Serving {
    /// Where both work; the state folder is `state` in it.
    pub desk: Desk,
    process: Option<Running>,
    /// Where the page is, with its token.
    pub url: String,
    /// Environment of every start.
    env: Vec<(String, String)>,
    /// Arguments of every start.
    args: Vec<String>,
}

impl Serving {
    /// Starts one at this desk.
    pub fn start(desk: Desk) -> Self {
        Self::start_with(desk, &[])
    }

    /// Starts one with this environment.
    pub fn start_with(desk: Desk, env: &[(&str, &str)]) -> Self {
        Self::start_as(desk, &[], env)
    }

    /// Starts one with these further arguments and this environment.
    pub fn start_as(desk: Desk, args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut serving = Self {
            desk,
            process: None,
            url: String::new(),
            env: Vec::new(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        };
        serving.set_env(env);
        serving.start_again();
        serving
    }

    /// Starts it anew on the same state.
    #[track_caller]
    pub fn start_again(&mut self) {
        let mut args = vec!["serve"];
        if !self.args.iter().any(|arg| arg == "--listen") {
            args.extend(["--listen", "127.0.0.1:0"]);
        }
        args.extend(self.args.iter().map(String::as_str));
        let mut command = self.command(&args);
        command.envs(self.env.iter().cloned()).stdout(Stdio::null());
        let mut process = Running::start(command);
        // One that is to die may do so before it serves.
        let line = process.hear(|line| line.contains("/login?token="));
        if line.is_none() && self.env.is_empty() {
            panic!("it does not serve: {}", process.end().said);
        }
        let line = line.unwrap_or_default();
        let url = line
            .split_whitespace()
            .find(|word| word.contains("/login?token="));
        self.url = url.map(str::to_owned).unwrap_or_default();
        self.process = Some(process);
    }

    /// Its environment from the next start on.
    pub fn set_env(&mut self, env: &[(&str, &str)]) {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        self.env = env.iter().map(owned).collect();
    }

    /// Kills the coordinator alone, as `kill -9` does, and waits for its end.
    pub fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            signal("-KILL", process.id());
            drop(process.end());
        }
    }

    /// The coordinator's process number; 0 where none runs.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().map_or(0, Running::id)
    }

    /// Waits until it has ended by itself; gives what it said.
    #[track_caller]
    pub fn ended(&mut self) -> String {
        let process = self.process.take();
        process
            .map(|process| process.end().said)
            .unwrap_or_default()
    }

    /// `schliff` with the state folder of this desk, not yet started.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.desk.command(args);
        command.env("SCHLIFF_STATE", self.state());
        command.env_remove("SCHLIFF_COORDINATOR");
        let trusted = self.desk.path(CA);
        if trusted.exists() {
            command.env("SCHLIFF_CA_FILE", trusted);
        }
        command
    }

    /// `schliff` to its end.
    pub fn schliff(&self, args: &[&str]) -> Ended {
        end_of(self.command(args))
    }

    /// The state folder.
    pub fn state(&self) -> PathBuf {
        self.desk.path("state")
    }

    /// Submits a job file with further arguments; gives the job's number.
    #[track_caller]
    pub fn submit(&self, args: &[&str]) -> u64 {
        let mut all = vec!["submit", "--json"];
        all.extend(args);
        let submitted = self.schliff(&all).json();
        submitted["job"]["id"]
            .as_u64()
            .unwrap_or_else(|| panic!("no id: {submitted}"))
    }

    /// A job as `schliff status --json` has it.
    #[track_caller]
    pub fn status(&self, job: u64) -> Value {
        self.schliff(&["status", "--json", &job.to_string()]).json()
    }

    /// What the page answers to a path, as whoever started the coordinator sees it.
    #[track_caller]
    pub fn page(&self, path: &str) -> String {
        let (base, token) = self.url.split_once("/login?token=").expect("a URL");
        let host = base.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).expect("a coordinator");
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\
             Connection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        body.to_owned()
    }

    /// Waits for a state of a job; gives it.
    #[track_caller]
    pub fn wait_for(&self, job: u64, mut is_wanted: impl FnMut(&Value) -> bool) -> Value {
        // Both closures look at it.
        let last = RefCell::new((Value::Null, String::new()));
        let what = || {
            let (status, stderr) = &*last.borrow();
            format!("a state of job {job}: {status:#}\n{stderr}")
        };
        wait_until(what, || {
            let ended = self.schliff(&["status", "--json", &job.to_string()]);
            let status = serde_json::from_str(&ended.stdout).unwrap_or(Value::Null);
            let is_so = is_wanted(&status);
            last.replace((status, ended.stderr));
            is_so
        });
        last.into_inner().0
    }

    /// Waits for a job's end; gives its outcome.
    #[track_caller]
    pub fn outcome(&self, job: u64) -> String {
        let done = |status: &Value| {
            status["outcome"]
                .as_str()
                .is_some_and(|word| !word.is_empty())
        };
        let status = self.wait_for(job, done);
        status["outcome"].as_str().unwrap_or_default().to_owned()
    }

    /// Processes that train under them, the oldest first.
    pub fn trainers(&self) -> Vec<u32> {
        trainers_below(&self.agents())
    }

    /// Whether it has ended by itself.
    pub fn is_over(&mut self) -> bool {
        self.process.as_mut().is_none_or(Running::is_over)
    }

    /// Agents that live, as the cluster `local` notes their births.
    pub fn agents(&self) -> Vec<u32> {
        let folders = fs::read_dir(self.state().join("local"))
            .into_iter()
            .flatten()
            .flatten();
        let births =
            folders.filter_map(|folder| fs::read_to_string(folder.path().join("birth")).ok());
        let pids = births.filter_map(|birth| birth.split_whitespace().next()?.parse().ok());
        // A number may be used again by somebody else.
        pids.filter(|pid| self.is_ours(*pid)).collect()
    }

    fn is_ours(&self, pid: u32) -> bool {
        let args = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        args.contains(&self.state().display().to_string())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.kill();
        for agent in self.agents() {
            signal("-KILL", agent);
        }
    }
}
