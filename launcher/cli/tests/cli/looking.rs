//! The verbs that only look: list, status, explain, logs, clusters, nodes.

use schliff_wire::v1::{ClusterView, NodeView, Phase};
use serde_json::Value;

use crate::fake::Fake;
use crate::stage::end_of;

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("one JSON value on standard output")
}

#[test]
fn a_list_goes_over_pages_and_fits_the_terminal() {
    let fake = Fake::start();
    fake.change(|scene| {
        for number in 1..=5 {
            scene.add(&format!("job-number-{number}"), Phase::Queued);
        }
        scene.end(2, "succeeded", 0);
    });
    let numbers = |args: &[&str]| -> Vec<u64> {
        let ended = fake.play(&[&["list", "--json"], args].concat());
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let reply = json(&ended.stdout);
        let jobs = reply["jobs"].as_array().expect("jobs");
        jobs.iter()
            .map(|job| job["id"].as_u64().expect("a number"))
            .collect()
    };
    assert_eq!(numbers(&[]), [5, 4, 3, 2, 1]);
    assert_eq!(numbers(&["--limit", "3"]), [5, 4, 3]);
    assert_eq!(numbers(&["--phase", "done,running"]), [2]);
    assert_eq!(numbers(&["--name", "number-4"]), [4]);
    let mut command = fake.command(&["list", "--limit", "4"]);
    command.env("COLUMNS", "60");
    let ended = end_of(command);
    insta::assert_snapshot!(ended.stdout);
    assert_eq!(
        ended.stderr,
        "and older ones (1 done, 4 queued in all); --limit lists more\n"
    );
}

#[test]
fn status_and_explain_explain_in_the_same_words() {
    let fake = Fake::start();
    fake.change(|scene| scene.add("desk", Phase::Queued));
    let status = fake.play(&["status", "1"]);
    let explain = fake.play(&["explain", "1"]);
    assert_eq!(
        (status.code, explain.code),
        (Some(0), Some(0)),
        "{}",
        status.stderr
    );
    assert_eq!(
        explain.stdout,
        "queued: so it is\nahead: job 40\nhint: wait a little\n"
    );
    assert!(status.stdout.contains(&explain.stdout), "{}", status.stdout);
    let view = json(&fake.play(&["status", "1", "--json"]).stdout);
    assert_eq!(
        (&view["phase"], &view["reason"]["text"]),
        (&"queued".into(), &"so it is".into())
    );
    let why = json(&fake.play(&["explain", "1", "--json"]).stdout);
    assert_eq!(
        (&why["phase"], &why["ahead"][0]),
        (&"queued".into(), &40.into())
    );
}

#[test]
fn a_job_that_is_not_there_is_a_usage_error() {
    let fake = Fake::start();
    for verb in [
        "status", "explain", "logs", "wait", "cancel", "retry", "export",
    ] {
        let ended = fake.play(&[verb, "7"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{verb}");
        assert!(
            ended.stderr.contains("caused by: there is no job 7\n"),
            "{}",
            ended.stderr
        );
        assert!(
            ended.stderr.ends_with("see: schliff help E-NO-SUCH-JOB\n"),
            "{}",
            ended.stderr
        );
    }
    for number in ["0x1", "-1", "seven", "01"] {
        assert_eq!(fake.play(&["status", number]).code, Some(2), "{number}");
    }
}

#[test]
fn logs_are_chosen_and_harmless() {
    let fake = Fake::start();
    fake.change(|scene| {
        scene.add("desk", Phase::Running);
        scene.say(0, "loading");
        scene.say(1, "\u{1b}]0;owned\u{7}step\u{202e} 1");
        scene.say(0, "nan");
    });
    let all = fake.play(&["logs", "1"]);
    assert_eq!(all.code, Some(0), "{}", all.stderr);
    insta::assert_snapshot!(all.stdout, @r"
    14:05:10 rank 0  loading
    14:05:11 rank 1  �]0;owned�step� 1
    14:05:12 rank 0  nan
    ");
    let lines = |args: &[&str]| {
        fake.play(&[&["logs", "1"], args].concat())
            .stdout
            .lines()
            .count()
    };
    assert_eq!(lines(&["--tail", "2"]), 2);
    assert_eq!(lines(&["--rank", "1"]), 1);
    assert_eq!(lines(&["--grep", "na"]), 1);
    fake.play(&["logs", "1", "--attempt", "3"]);
    assert_eq!(
        fake.scene()
            .log_requests
            .last()
            .and_then(|it| it.generation),
        Some(3)
    );
    let as_json = fake.play(&["logs", "1", "--json"]).stdout;
    assert_eq!(
        as_json
            .lines()
            .map(json)
            .filter(|line| line["rank"] == 0)
            .count(),
        2
    );
}

#[test]
fn a_log_is_followed_through_a_crash_and_no_line_comes_twice() {
    let mut fake = Fake::start();
    fake.change(|scene| {
        scene.add("desk", Phase::Running);
        scene.say(0, "one");
    });
    let mut command = fake.command(&["logs", "1", "-f"]);
    let out = tempfile::NamedTempFile::new().expect("a file");
    command.stdout(out.reopen().expect("a file"));
    let mut following = crate::stage::Running::start(command);
    following.wait_until(|| {
        std::fs::read_to_string(out.path())
            .expect("text")
            .contains("one")
    });
    fake.crash();
    following.wait_for("trying again");
    fake.change(|scene| scene.say(0, "two"));
    fake.serve();
    following.wait_until(|| {
        std::fs::read_to_string(out.path())
            .expect("text")
            .contains("two")
    });
    fake.change(|scene| scene.end(1, "succeeded", 0));
    assert_eq!(following.end().code, Some(0));
    let text = std::fs::read_to_string(out.path()).expect("text");
    assert_eq!(text, "14:05:10 rank 0  one\n14:05:11 rank 0  two\n");
}

#[test]
fn the_last_lines_come_though_the_stream_breaks_at_the_end() {
    let fake = Fake::start();
    fake.change(|scene| {
        scene.add("desk", Phase::Running);
        scene.say(0, "one");
        scene.logs_to_break = 1;
    });
    let mut command = fake.command(&["logs", "1", "-f"]);
    let out = tempfile::NamedTempFile::new().expect("a file");
    command.stdout(out.reopen().expect("a file"));
    let text = || std::fs::read_to_string(out.path()).expect("text");
    let mut following = crate::stage::Running::start(command);
    following.wait_until(|| text().contains("one"));
    fake.change(|scene| {
        scene.say(0, "two");
        scene.end(1, "succeeded", 0);
    });
    let ended = following.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(text(), "14:05:10 rank 0  one\n14:05:11 rank 0  two\n");
    assert_eq!(fake.scene().log_requests.len(), 2, "it was asked for again");
}

#[test]
fn a_followed_log_ends_quietly_once_nobody_reads_it() {
    let fake = Fake::start();
    fake.change(|scene| {
        scene.add("desk", Phase::Running);
        scene.say(0, "one");
    });
    for more in [&[][..], &["--json"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = fake.command(&[&["logs", "1", "-f"], more].concat());
        command.stdout(writer);
        let ended = crate::stage::Running::start(command).end();
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    }
    let full = std::fs::File::options().write(true).open("/dev/full");
    let mut command = fake.command(&["logs", "1", "-f"]);
    command.stdout(full.expect("a device that is always full"));
    let ended = crate::stage::Running::start(command).end();
    assert_eq!(ended.code, Some(1));
    let told = "error: cannot write to standard output";
    assert!(ended.stderr.starts_with(told), "{}", ended.stderr);
}

#[test]
fn clusters_and_nodes_are_tables() {
    let fake = Fake::start();
    assert_eq!(
        fake.play(&["clusters"]).stderr,
        "the coordinator has no cluster\n"
    );
    fake.change(|scene| {
        for name in ["local", "booster"] {
            scene.clusters.push(ClusterView {
                name: name.into(),
                ..ClusterView::default()
            });
            scene.nodes.push(NodeView {
                cluster: name.into(),
                name: format!("{name}-1"),
                up: true,
                ..NodeView::default()
            });
        }
    });
    let clusters = fake.play(&["clusters"]).stdout;
    assert_eq!(clusters.lines().count(), 3, "{clusters}");
    let nodes = fake.play(&["nodes", "booster"]).stdout;
    assert_eq!(nodes.lines().count(), 2, "{nodes}");
    assert!(nodes.contains("booster-1"), "{nodes}");
    let nodes = json(&fake.play(&["nodes", "--json"]).stdout);
    assert_eq!(nodes["nodes"].as_array().map(Vec::len), Some(2));
}
