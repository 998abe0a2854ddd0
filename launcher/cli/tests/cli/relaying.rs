//! `schliff agent` where nobody is reached, and `schliff relay`, which ships what it left.

use rustix::process::Signal;
use schliff_wire::v1::news::Body;

use crate::reporting::Site;
use crate::stage::{Running, schliff};

/// What an agent leaves in the folder of its attempt.
fn attempt(site: &Site, scene: &str) -> i32 {
    let spool = site.job.path("shared/schliff-42-3/spool");
    let token = site.job.path("shared/schliff-42-3/token");
    std::fs::create_dir_all(&spool).expect("a disk");
    std::fs::write(token, "let me in\n").expect("a disk");
    let args = [
        "agent",
        "job.toml",
        "--ranks-per-node",
        "2",
        "--nodes",
        "1",
        "--spool",
        spool.to_str().expect("UTF-8"),
        "--job",
        "42",
        "--generation",
        "3",
        "--max-restarts",
        "0",
    ];
    let mut command = schliff(&args, scene);
    command
        .current_dir(site.job.path(""))
        .env("BEFORE", crate::group::RANK);
    let ended = Running::start(command).end();
    ended.code.unwrap_or_else(|| panic!("{}", ended.stderr))
}

fn relay(site: &Site, url: &str, args: &[&str]) -> std::process::Command {
    let all = [&["relay", "--folder", "shared", "--coordinator", url], args].concat();
    let mut command = schliff(&all, "");
    command.current_dir(site.job.path(""));
    command
}

const LOST: &str = r#"beat 1 computing
    [ "$rank" = 1 ] && { echo "last words" >&2; kill -KILL $$; }
    work 1 reducing"#;

#[test]
fn what_an_agent_left_is_shipped_once() {
    let site = Site::new();
    assert_eq!(attempt(&site, LOST), 76);
    assert!(site.far.lock().bodies.is_empty(), "nobody was called");
    let ended = Running::start(relay(&site, &site.url, &["--once"])).end();
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), ""),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.starts_with("shipped "), "{}", ended.stderr);
    let last = site.far.ended();
    assert_eq!((last.exit_code, last.rank), (76, Some(1)));
    assert_eq!(last.last_lines, ["last words"]);
    assert_eq!(site.far.lock().names[0], "42-3");
    let before = site.far.lock().bodies.len();
    let again = Running::start(relay(&site, &site.url, &["--once"])).end();
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert_eq!(site.far.lock().bodies.len(), before);
}

#[test]
fn nobody_there_and_another_token_are_told_by_the_exit_code() {
    let site = Site::new();
    attempt(&site, LOST);
    let nobody = Running::start(relay(&site, "http://127.0.0.1:9", &["--once"])).end();
    assert_eq!(nobody.code, Some(3), "{}", nobody.stderr);
    assert!(
        nobody
            .stderr
            .contains("cannot report to http://127.0.0.1:9"),
        "{}",
        nobody.stderr
    );
    std::fs::write(site.job.path("shared/schliff-42-3/token"), "not in").expect("a disk");
    let refused = Running::start(relay(&site, &site.url, &["--once"])).end();
    assert_eq!(refused.code, Some(4), "{}", refused.stderr);
    assert!(
        refused
            .stderr
            .contains("schliff-42-3: the coordinator takes no reports"),
        "{}",
        refused.stderr
    );
    let absent = Running::start(relay(&site, "ftp://x", &["--once"])).end();
    assert_eq!(absent.code, Some(2), "{}", absent.stderr);
}

#[test]
fn it_ships_what_comes_until_it_is_interrupted() {
    let site = Site::new();
    std::fs::create_dir_all(site.job.path("shared")).expect("a disk");
    let mut running = Running::start(relay(&site, &site.url, &["--max-rate", "1M"]));
    attempt(&site, LOST);
    let is_end = |body: &Body| matches!(body, Body::Ended(_));
    running.wait_until(|| site.far.lock().bodies.iter().any(is_end));
    running.signal(Signal::INT);
    let ended = running.end();
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
}

#[test]
fn what_is_to_be_brought_is_looked_for_and_what_cannot_be_is_told() {
    let site = Site::new();
    std::fs::create_dir_all(site.job.path("shared")).expect("a disk");
    let fetch = |uri: &str| {
        let mut command = schliff(&["relay", "--folder", "shared", "--fetch", uri], "");
        command.current_dir(site.job.path("")).envs([
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_ACCESS_KEY_ID", "a"),
            ("AWS_SECRET_ACCESS_KEY", "b"),
        ]);
        Running::start(command).end()
    };
    let folder = fetch("/p/runs/a");
    assert_eq!(folder.code, Some(2), "{}", folder.stderr);
    let nobody = fetch("s3://bucket/runs/a");
    assert_eq!(nobody.code, Some(1), "{}", nobody.stderr);
    assert!(
        nobody
            .stderr
            .contains("cannot bring checkpoints of s3://bucket/runs/a"),
        "{}",
        nobody.stderr
    );
    assert!(!site.job.path("shared/checkpoints").exists(), "no note");
}
