//! One `ssh` process with a shell at its other end.

use std::ffi::OsString;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::{ChildStderr, ChildStdin, ChildStdout, Command};

use super::super::capture::{self, CaptureError};
use super::super::frame;
use super::super::group::Group;
use super::SshOptions;
use crate::channel::Output;

/// Never a question, never a terminal, no forwarding that another connection of the user's may hold;
/// a dead peer is noticed within a minute.
const ARGUMENTS: [&str; 13] = [
    "-T",
    "-oBatchMode=yes",
    "-oRequestTTY=no",
    "-oRemoteCommand=none",
    "-oClearAllForwardings=yes",
    "-oForwardX11=no",
    "-oForwardAgent=no",
    "-oPermitLocalCommand=no",
    "-oConnectTimeout=20",
    "-oServerAliveInterval=15",
    "-oServerAliveCountMax=3",
    "-oEscapeChar=none",
    "-oLogLevel=ERROR",
];

/// Words of ssh that an error shows at most.
const SHOWN_BYTES: usize = 2000;

/// How long to wait for them.
const LAST_WORDS: std::time::Duration = std::time::Duration::from_secs(1);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    /// The script did not get there whole, so it did not run.
    #[error("{0}")]
    Before(String),
    /// It may have run.
    #[error("{0}")]
    After(String),
}

/// One connection.
pub(super) struct Session {
    ssh: Group,
    stdin: ChildStdin,
    stdout: ChildStdout,
    stderr: ChildStderr,
}

impl Session {
    /// Starts `ssh`; whether it gets anywhere is seen by a first script.
    pub(super) fn start(options: &SshOptions, sharing: &[OsString]) -> Result<Self, Failed> {
        let mut ssh = Command::new(&options.program)
            .args(ARGUMENTS)
            .args(sharing)
            .args(options.place())
            .arg("exec sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C at the terminal is for who starts us, not for the connection.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                Failed::Before(format!(
                    "cannot start {}: {error}",
                    options.program.display()
                ))
            })?;
        match (ssh.stdin.take(), ssh.stdout.take(), ssh.stderr.take()) {
            (Some(stdin), Some(stdout), Some(stderr)) => Ok(Self {
                ssh: Group(ssh),
                stdin,
                stdout,
                stderr,
            }),
            _ => Err(Failed::Before("ssh has no input or output".to_owned())),
        }
    }

    /// Its process has not ended, as far as is known.
    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.ssh.0.try_wait(), Ok(None))
    }

    /// Runs a script in the shell at the other end. After an error the session is of no more use.
    pub(super) async fn run(&mut self, script: &str, limit_bytes: usize) -> Result<Output, Failed> {
        let before = |error: &dyn std::fmt::Display| Failed::Before(error.to_string());
        let mark = frame::mark().map_err(|error| before(&error))?;
        let frame = frame::marked(script, &mark).map_err(|error| before(&error))?;
        if let Err(error) = self.stdin.write_all(frame.body.as_bytes()).await {
            let words = self.last_words(Vec::new(), &mark).await;
            return Err(Failed::Before(words.unwrap_or(error.to_string())));
        }
        let end = self.stdin.write_all(frame.end.as_bytes()).await;
        end.map_err(|error| Failed::After(error.to_string()))?;
        let find = |bytes: &[u8], new_from| frame::answer(bytes, new_from, &mark);
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let answers = tokio::try_join!(
            capture::until(&mut self.stdout, &mut stdout, limit_bytes, find),
            capture::until(&mut self.stderr, &mut stderr, limit_bytes, find),
        );
        match answers {
            Ok((out, err)) => Ok(Output {
                code: out.code,
                stdout: stdout[out.output].to_vec(),
                stderr: stderr[err.output].to_vec(),
            }),
            Err(error @ CaptureError::TooMuch(_)) => Err(Failed::After(error.to_string())),
            Err(error) => {
                let words = self.last_words(stderr, &mark).await;
                Err(Failed::After(words.unwrap_or(error.to_string())))
            }
        }
    }

    /// What ssh said before it ended.
    async fn last_words(&mut self, mut stderr: Vec<u8>, mark: &str) -> Option<String> {
        // A master in the background may hold it open for longer than anybody wants to wait.
        let rest = capture::all(&mut self.stderr, SHOWN_BYTES);
        if let Ok(Ok(rest)) = tokio::time::timeout(LAST_WORDS, rest).await {
            stderr.extend(rest);
        }
        let words = String::from_utf8_lossy(&stderr);
        let said = words.lines().map(str::trim);
        let said: Vec<_> = said
            .filter(|line| !line.is_empty() && !line.contains(mark))
            .collect();
        (!said.is_empty()).then(|| said.join("; "))
    }
}
