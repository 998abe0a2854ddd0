//! A program that is asked one thing and given a limit.

use std::io::{ErrorKind, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Longer than any answer takes on a busy machine; drivers that hang do so for ever.
const LIMIT: Duration = Duration::from_secs(60);

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// There is no such program.
    Missing,
    /// It did not end as it should, in words.
    Failed(String),
}

/// What the program says on standard output.
pub(super) fn ask(program: &Path, arguments: &[&str]) -> Result<String, Silence> {
    ask_within(program, arguments, LIMIT)
}

fn ask_within(program: &Path, arguments: &[&str], limit: Duration) -> Result<String, Silence> {
    let started = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = started.map_err(|error| match error.kind() {
        ErrorKind::NotFound => Silence::Missing,
        _ => Silence::Failed(format!("it does not start: {error}")),
    })?;
    let said = child.stdout.take().map(read);
    let errors = child.stderr.take().map(read);
    let wait = |pipe: Option<Receiver<String>>| pipe?.recv_timeout(limit).ok();
    let (said, errors) = (wait(said), wait(errors));
    let (Some(said), Some(errors)) = (said, errors) else {
        // It may have ended just now.
        let _ = child.kill();
        let _ = child.wait();
        let limit = limit.as_secs_f64();
        return Err(Silence::Failed(format!("no answer within {limit} s")));
    };
    match child.wait() {
        Ok(status) if status.success() => Ok(said),
        Ok(status) => {
            let last = errors.lines().rev().find(|line| !line.trim().is_empty());
            let last = last.map(|line| format!(": {line}"));
            let told = format!("it ended with {status}{}", last.unwrap_or_default());
            Err(Silence::Failed(told))
        }
        Err(error) => Err(Silence::Failed(error.to_string())),
    }
}

/// All that comes out of a pipe, once it has ended.
fn read(mut pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (outbox, inbox) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before an error is still worth showing.
        let _ = pipe.read_to_end(&mut bytes);
        let _ = outbox.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    inbox
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Result<String, Silence> {
        ask_within(Path::new("sh"), &["-c", script], limit)
    }

    #[test]
    fn an_answer_a_failure_and_a_silence_are_told_apart() {
        assert_eq!(shell("echo yes", LIMIT), Ok("yes\n".into()));
        let failed = shell("echo no >&2; exit 3", LIMIT);
        let told = Silence::Failed("it ended with exit status: 3: no".into());
        assert_eq!(failed, Err(told));
        let hangs = shell("exec cat /dev/zero > /dev/null", Duration::from_millis(50));
        assert_eq!(
            hangs,
            Err(Silence::Failed("no answer within 0.05 s".into()))
        );
        let missing = ask(Path::new("/nowhere/program"), &[]);
        assert_eq!(missing, Err(Silence::Missing));
    }
}
