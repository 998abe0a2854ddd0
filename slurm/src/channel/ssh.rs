//! Scripts on another machine, by the user's own `ssh`.
//!
//! Rules: SSH-1 one log-in serves all scripts: a shell at the other end takes one after the other.
//! SSH-2 the user's configuration counts (jump hosts, agents, keys, Kerberos); where it shares
//! connections already, that sharing is used, so that whoever logged in with a second factor is not
//! asked again. SSH-3 nothing is ever asked: no terminal, no password. SSH-4 a connection that was lost
//! before a script was sent whole is [`ChannelError::Unreachable`], after that
//! [`ChannelError::Lost`]. SSH-5 log-ins are spaced by [`LoginGate`]; whoever comes too early gets an
//! error at once and comes again. Every start of `ssh` counts as a log-in.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::gate::LoginGate;
use super::{Channel, ChannelError, Limits, Output};

mod session;
mod sharing;

use session::{Failed, Session};
use sharing::Sharing;

/// Where to log in, and how often at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshOptions {
    /// OpenSSH's client.
    pub program: PathBuf,
    /// Host, as the user's configuration has it.
    pub host: String,
    /// Another configuration file.
    pub config: Option<PathBuf>,
    /// Log-ins in any minute.
    pub logins_per_minute: u32,
    /// What a script may take.
    pub limits: Limits,
}

impl SshOptions {
    /// The user's `ssh` and configuration, at most six log-ins a minute.
    pub fn new(host: &str) -> Self {
        Self {
            program: PathBuf::from("ssh"),
            host: host.to_owned(),
            config: None,
            logins_per_minute: 6,
            limits: Limits::default(),
        }
    }

    /// Arguments that say where to.
    fn place(&self) -> Vec<OsString> {
        let config = self.config.iter();
        let config = config.flat_map(|path| ["-F".into(), path.into()]);
        config.chain(["--".into(), (&self.host).into()]).collect()
    }
}

/// A machine behind ssh.
pub struct SshChannel {
    options: SshOptions,
    begun: Instant,
    logins: AtomicU64,
    /// Whoever holds it has the shell at the other end to itself.
    line: Mutex<Line>,
}

/// The one connection.
struct Line {
    gate: LoginGate,
    sharing: Option<Sharing>,
    session: Option<Session>,
}

impl SshChannel {
    /// Connects when it is first needed.
    pub fn new(options: SshOptions) -> Self {
        let line = Line {
            gate: LoginGate::new(options.logins_per_minute),
            sharing: None,
            session: None,
        };
        Self {
            options,
            begun: Instant::now(),
            logins: AtomicU64::new(0),
            line: Mutex::new(line),
        }
    }

    /// A session that answers: the one that is there, or a new one.
    async fn session(&self, line: &mut Line) -> Result<Session, ChannelError> {
        if let Some(mut session) = line.session.take()
            && session.is_alive()
        {
            return Ok(session);
        }
        if line.sharing.is_none() {
            let sharing = Sharing::find(&self.options).await;
            line.sharing = Some(sharing.map_err(|error| self.unreachable(&error))?);
        }
        let too_early = |wait: std::time::Duration| {
            let secs = wait.as_secs() + 1;
            self.unreachable(&format!(
                "the next log-in is allowed in {secs} s (at most {} a minute, fewer after failures)",
                self.options.logins_per_minute
            ))
        };
        line.gate.admit(self.begun.elapsed()).map_err(too_early)?;
        self.logins.fetch_add(1, Ordering::Relaxed);
        match timeout(self.options.limits.timeout, self.log_in(line)).await {
            Ok(Ok(session)) => {
                line.gate.succeeded();
                Ok(session)
            }
            failed => {
                line.gate.failed(self.begun.elapsed());
                let why = match failed {
                    Ok(Err(failed)) => failed.to_string(),
                    _ => format!(
                        "no shell there answers within {} s",
                        self.options.limits.timeout.as_secs()
                    ),
                };
                Err(self.unreachable(&why))
            }
        }
    }

    /// Starts ssh and waits for a first answer, which is the proof of a log-in.
    async fn log_in(&self, line: &Line) -> Result<Session, Failed> {
        let sharing = line.sharing.as_ref().map(Sharing::arguments);
        let mut session = Session::start(&self.options, &sharing.unwrap_or_default())?;
        session.run(":", self.options.limits.output_bytes).await?;
        Ok(session)
    }

    fn unreachable(&self, why: &dyn std::fmt::Display) -> ChannelError {
        ChannelError::Unreachable {
            place: self.place(),
            why: why.to_string(),
        }
    }

    fn lost(&self, why: &dyn std::fmt::Display) -> ChannelError {
        ChannelError::Lost {
            place: self.place(),
            why: why.to_string(),
        }
    }
}

#[async_trait]
impl Channel for SshChannel {
    async fn run(&self, script: &str) -> Result<Output, ChannelError> {
        let mut line = self.line.lock().await;
        // Out of its place while a script runs: if nobody waits for the answer any more, or there is
        // none, the connection goes with it. The next script must not read this one's answer.
        let mut session = self.session(&mut line).await?;
        let run = session.run(script, self.options.limits.output_bytes);
        match timeout(self.options.limits.timeout, run).await {
            Ok(Ok(output)) => {
                line.session = Some(session);
                Ok(output)
            }
            Ok(Err(Failed::Before(why))) => Err(self.unreachable(&why)),
            Ok(Err(Failed::After(why))) => Err(self.lost(&why)),
            Err(_) => Err(self.lost(&format!(
                "no answer within {} s",
                self.options.limits.timeout.as_secs()
            ))),
        }
    }

    fn place(&self) -> String {
        format!("ssh {}", self.options.host)
    }

    fn logins(&self) -> u64 {
        self.logins.load(Ordering::Relaxed)
    }
}
