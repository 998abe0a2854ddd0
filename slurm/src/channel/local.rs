//! Scripts on this machine: a shell for each.
//!
//! Rules: a script that takes too long, prints too much, or that nobody waits for any more is ended
//! with everything that it started in its process group.

use std::process::Stdio;

use async_trait::async_trait;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use super::capture;
use super::frame::{self, Frame};
use super::group::Group;
use super::{Channel, ChannelError, Limits, Output};

/// This machine.
#[derive(Clone, Debug, Default)]
pub struct LocalChannel {
    limits: Limits,
    environment: Vec<(String, String)>,
}

impl LocalChannel {
    /// Scripts may take so much.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            environment: Vec::new(),
        }
    }

    /// Scripts see these variables besides those of this process.
    #[must_use]
    pub fn with_environment(mut self, variables: Vec<(String, String)>) -> Self {
        self.environment = variables;
        self
    }

    fn spawn(&self) -> std::io::Result<Group> {
        let child = Command::new("sh")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        Ok(Group(child))
    }
}

#[async_trait]
impl Channel for LocalChannel {
    async fn run(&self, script: &str) -> Result<Output, ChannelError> {
        let frame = frame::once(script).map_err(|error| unreachable(&error))?;
        let mut group = self.spawn().map_err(|error| unreachable(&error))?;
        let talk = talk(&mut group.0, &frame, self.limits.output_bytes);
        match tokio::time::timeout(self.limits.timeout, talk).await {
            Ok(result) => result,
            Err(_) => Err(lost(&format!(
                "no answer within {} s",
                self.limits.timeout.as_secs()
            ))),
        }
    }

    fn place(&self) -> String {
        PLACE.to_owned()
    }

    fn logins(&self) -> u64 {
        0
    }
}

const PLACE: &str = "this machine";

async fn talk(
    child: &mut Child,
    frame: &Frame,
    limit_bytes: usize,
) -> Result<Output, ChannelError> {
    let (Some(mut stdin), Some(mut stdout), Some(mut stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(unreachable(&"its shell has no input or output"));
    };
    let body = stdin.write_all(frame.body.as_bytes()).await;
    body.map_err(|error| unreachable(&error))?;
    let end = stdin.write_all(frame.end.as_bytes()).await;
    end.map_err(|error| lost(&error))?;
    drop(stdin);
    let read = tokio::try_join!(
        capture::all(&mut stdout, limit_bytes),
        capture::all(&mut stderr, limit_bytes),
    );
    let (stdout, stderr) = read.map_err(|error| lost(&error))?;
    let status = child.wait().await.map_err(|error| lost(&error))?;
    Ok(Output {
        code: exit_code(status),
        stdout,
        stderr,
    })
}

/// As a shell would have it.
fn exit_code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => code,
        (None, signal) => 128 + signal.unwrap_or(0),
    }
}

fn unreachable(why: &dyn std::fmt::Display) -> ChannelError {
    ChannelError::Unreachable {
        place: PLACE.to_owned(),
        why: why.to_string(),
    }
}

fn lost(why: &dyn std::fmt::Display) -> ChannelError {
    ChannelError::Lost {
        place: PLACE.to_owned(),
        why: why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn run(script: &str) -> Output {
        LocalChannel::default()
            .run(script)
            .await
            .expect("an answer")
    }

    #[tokio::test]
    async fn outputs_and_code_are_told_apart() {
        let output = run("echo out; echo err >&2; exit 7").await;
        let (stdout, stderr) = (b"out\n".to_vec(), b"err\n".to_vec());
        let expected = Output {
            code: 7,
            stdout,
            stderr,
        };
        assert_eq!(output, expected);
    }

    #[tokio::test]
    async fn commands_do_not_eat_the_script() {
        let output = run("cat; echo after\ncat <<'EOF'\nit's $HOME\nEOF\n").await;
        assert_eq!(output.stdout, b"after\nit's $HOME\n");
    }

    #[tokio::test]
    async fn a_script_is_in_no_list_of_processes() {
        let output = run("tr '\\0' ' ' </proc/$$/cmdline # hidden-word").await;
        assert_eq!(output.stdout, b"sh ");
    }

    #[tokio::test]
    async fn a_signal_is_a_code() {
        assert_eq!(run("kill -TERM $$").await.code, 128 + 15);
    }

    #[tokio::test]
    async fn variables_are_added() {
        let channel = LocalChannel::default()
            .with_environment(vec![("SCHLIFF_WORD".to_owned(), "x y".to_owned())]);
        let output = channel.run("printf %s \"$SCHLIFF_WORD\"").await;
        assert_eq!(output.expect("an answer").stdout, b"x y");
    }

    #[tokio::test]
    async fn nul_never_reaches_a_shell() {
        let error = LocalChannel::default().run("echo \0").await;
        assert!(matches!(error, Err(ChannelError::Unreachable { .. })));
    }

    #[tokio::test]
    async fn too_much_is_lost() {
        let channel = LocalChannel::new(Limits {
            output_bytes: 100_000,
            ..Limits::default()
        });
        let error = channel.run("yes").await.expect_err("too much");
        assert!(matches!(error, ChannelError::Lost { .. }), "{error}");
        assert!(error.to_string().contains("100000 bytes"), "{error}");
    }

    #[tokio::test]
    async fn too_long_is_lost_and_ends_whatever_was_started() {
        let folder = tempfile::tempdir().expect("a folder");
        let note = folder.path().join("pid");
        let channel = LocalChannel::new(Limits {
            timeout: Duration::from_millis(300),
            ..Limits::default()
        });
        let script = format!("sleep 600 & echo $! >{}; wait", note.display());
        let error = channel.run(&script).await.expect_err("too long");
        assert!(matches!(error, ChannelError::Lost { .. }), "{error}");
        let pid = std::fs::read_to_string(&note).expect("it was started");
        let stat = format!("/proc/{}/stat", pid.trim());
        let is_over = || match std::fs::read_to_string(&stat) {
            Ok(stat) => stat.contains(") Z "),
            Err(_) => true,
        };
        for _ in 0..1000 {
            if is_over() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("process {pid} is still there");
    }
}
