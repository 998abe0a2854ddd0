//! The channel over ssh with a stand-in for `ssh`: a shell on this machine, and faults on demand.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use schliff_slurm::channel::{Channel, ChannelError, Limits, SshChannel, SshOptions};

/// Notes its arguments; greets on both outputs as a log-in does; ends as the file `fault` says.
const STAND_IN: &str = r#"#!/bin/sh
cd "$(dirname "$0")"
echo "$*" >>calls
case " $* " in *" -G "*) echo 'controlpath none'; exit 0 ;; esac
[ -e denied ] && { echo 'Permission denied (publickey).' >&2; exit 255; }
printf 'Welcome to\nthe machine'; echo 'a banner' >&2
exec sh
"#;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("ssh");
        fs::write(&program, STAND_IN).expect("it is written");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("its mode");
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn channel(&self, change: impl FnOnce(&mut SshOptions)) -> SshChannel {
        let mut options = SshOptions::new("login");
        options.program = self.path().join("ssh");
        change(&mut options);
        SshChannel::new(options)
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.path().join("calls")).expect("it was called")
    }
}

async fn stdout(channel: &SshChannel, script: &str) -> String {
    let output = channel.run(script).await.expect("an answer");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[tokio::test]
async fn one_login_serves_all_and_greetings_are_no_answers() {
    let place = Place::new();
    let channel = place.channel(|_| {});
    let output = channel.run("echo out; echo err >&2; exit 3").await;
    let output = output.expect("an answer");
    assert_eq!((output.code, &output.stdout[..]), (3, &b"out\n"[..]));
    assert_eq!(output.stderr, b"err\n");
    assert_eq!(
        stdout(&channel, "cd /; X=1; cat; printf bare").await,
        "bare"
    );
    assert_eq!(stdout(&channel, "echo ${X-none}").await, "none\n");
    assert_eq!(
        (channel.logins(), channel.place()),
        (1, "ssh login".to_owned())
    );
}

#[tokio::test]
async fn a_broken_script_does_not_break_the_line() {
    let place = Place::new();
    let channel = place.channel(|_| {});
    let output = channel.run("if then fi ' (").await.expect("an answer");
    assert_ne!(output.code, 0);
    assert_eq!(stdout(&channel, "echo next").await, "next\n");
    assert_eq!(channel.logins(), 1);
}

#[tokio::test]
async fn many_at_a_time_get_their_own_answers() {
    let place = Place::new();
    let channel = std::sync::Arc::new(place.channel(|_| {}));
    let ask = |number: usize| {
        let channel = std::sync::Arc::clone(&channel);
        tokio::spawn(async move {
            let script = format!(
                "head -c {} /dev/zero | tr '\\0' x; echo {number}",
                number * 999
            );
            (number, stdout(&channel, &script).await)
        })
    };
    let asked: Vec<_> = (0..20).map(ask).collect();
    for answer in asked {
        let (number, printed) = answer.await.expect("it ends");
        assert_eq!(printed.len(), number * 999 + format!("{number}\n").len());
        assert!(printed.ends_with(&format!("{number}\n")));
    }
    assert_eq!(channel.logins(), 1);
}

#[tokio::test]
async fn a_connection_lost_under_way_is_lost_and_the_next_call_logs_in_again() {
    let place = Place::new();
    let channel = place.channel(|_| {});
    stdout(&channel, ":").await;
    let error = channel.run("kill -KILL $$").await.expect_err("lost");
    assert!(matches!(error, ChannelError::Lost { .. }), "{error}");
    assert_eq!(stdout(&channel, "echo again").await, "again\n");
    assert_eq!(channel.logins(), 2);
}

#[tokio::test]
async fn a_silent_peer_is_lost_and_its_late_answer_belongs_to_nobody() {
    let place = Place::new();
    let channel = place.channel(|options| options.limits.timeout = Duration::from_millis(400));
    let error = channel.run("sleep 600").await.expect_err("lost");
    assert!(matches!(error, ChannelError::Lost { .. }), "{error}");
    assert_eq!(stdout(&channel, "echo mine").await, "mine\n");
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_takes_its_connection_with_it() {
    let place = Place::new();
    let channel = place.channel(|_| {});
    stdout(&channel, ":").await;
    let script = "echo theirs; sleep 600";
    let given_up = tokio::time::timeout(Duration::from_millis(100), channel.run(script)).await;
    assert!(given_up.is_err());
    assert_eq!(stdout(&channel, "echo mine").await, "mine\n");
    assert_eq!(channel.logins(), 2);
}

#[tokio::test]
async fn too_much_is_lost() {
    let place = Place::new();
    let channel = place.channel(|options| {
        options.limits = Limits {
            output_bytes: 100_000,
            ..Limits::default()
        };
    });
    let error = channel.run("yes").await.expect_err("too much");
    assert!(matches!(error, ChannelError::Lost { .. }), "{error}");
}

#[tokio::test]
async fn a_refused_login_tells_why_and_the_next_waits() {
    let place = Place::new();
    fs::write(place.path().join("denied"), "").expect("it is written");
    let channel = place.channel(|_| {});
    let error = channel.run("echo never").await.expect_err("refused");
    assert!(matches!(error, ChannelError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("Permission denied"), "{error}");
    let error = channel.run("echo never").await.expect_err("too early");
    assert!(matches!(error, ChannelError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("next log-in"), "{error}");
    assert_eq!(channel.logins(), 1);
}

#[tokio::test]
async fn logins_are_capped_also_when_they_work() {
    let place = Place::new();
    let channel = place.channel(|options| options.logins_per_minute = 2);
    for _ in 0..2 {
        let error = channel.run("kill -KILL $$").await.expect_err("lost");
        assert!(matches!(error, ChannelError::Lost { .. }), "{error}");
    }
    let error = channel.run("echo never").await.expect_err("too early");
    assert!(matches!(error, ChannelError::Unreachable { .. }), "{error}");
    assert_eq!(channel.logins(), 2);
}

#[tokio::test]
async fn nothing_is_asked_and_the_users_configuration_counts() {
    let place = Place::new();
    let channel = place.channel(|options| options.config = Some("/some/ssh_config".into()));
    stdout(&channel, ":").await;
    let calls = place.calls();
    let call = calls.lines().last().expect("a call");
    assert!(call.contains("-oBatchMode=yes"), "{call}");
    assert!(call.contains("-oControlPath=/"), "{call}");
    assert!(
        call.ends_with("-F /some/ssh_config -- login exec sh"),
        "{call}"
    );
}

#[tokio::test]
async fn no_such_program_is_unreachable() {
    let place = Place::new();
    let channel = place.channel(|options| options.program = "/no/such/ssh".into());
    let error = channel.run("echo never").await.expect_err("no program");
    assert!(matches!(error, ChannelError::Unreachable { .. }), "{error}");
}
