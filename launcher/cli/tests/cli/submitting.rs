//! `schliff submit`, up to the moment at which the coordinator has the job.

use serde_json::Value;
use tonic::Code;

use crate::fake::{Fake, away_from_home};
use crate::stage::{Ended, JobFolder, end_of};

fn submit(fake: &Fake, folder: &JobFolder, more: &[&str]) -> Ended {
    let mut command = fake.command(&[&["submit", "job.toml"], more].concat());
    command.current_dir(folder.path(""));
    end_of(command)
}

#[test]
fn the_number_goes_to_standard_output_and_the_job_to_the_coordinator() {
    let (fake, folder) = (
        Fake::start(),
        JobFolder::with("[checkpoint]\nuri = \"kept\"\n"),
    );
    let more = [
        "--out",
        "result",
        "--set",
        "training.lr=1e-3",
        "--after",
        "3",
        "4",
        "--after-any",
        "5",
    ];
    let ended = submit(&fake, &folder, &more);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), "1\n"),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.stderr, "job 1 desk: queued: so it is\n");
    let scene = fake.scene();
    let [request] = &*scene.submitted else {
        panic!("submitted {} times", scene.submitted.len());
    };
    let path = |name: &str| folder.path(name).display().to_string();
    assert_eq!(request.protocol, schliff_wire::PROTOCOL);
    assert_eq!(
        (&*request.file_name, request.out.clone()),
        ("job.toml", path("result"))
    );
    let after: Vec<_> = request
        .after
        .iter()
        .map(|it| (it.job, it.any_end))
        .collect();
    assert_eq!(after, [(3, false), (4, false), (5, true)]);
    for line in [
        format!("base = \"gguf:{}\"", path("model.gguf")),
        format!("train = [\"{}\"]", path("train.jsonl")),
        format!("uri = \"{}\"", path("kept")),
        "lr = 0.001".to_owned(),
    ] {
        assert!(
            request.job_toml.lines().any(|own| own == line),
            "{line} in {}",
            request.job_toml
        );
    }
}

#[test]
fn a_request_whose_reply_was_lost_submits_once() {
    let (fake, folder) = (Fake::start(), JobFolder::with(""));
    fake.change(|scene| scene.replies_to_lose = 2);
    let ended = submit(&fake, &folder, &["--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let reply: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(reply["repeated_request"], true);
    assert_eq!(
        (&reply["job"]["id"], &reply["job"]["phase"]),
        (&1.into(), &"queued".into())
    );
    let scene = fake.scene();
    assert_eq!(scene.submitted.len(), 1);
    assert_eq!(scene.submitted[0].request_id.len(), 32);
}

#[test]
fn a_dry_run_needs_no_coordinator() {
    let folder = JobFolder::with("");
    let mut command = away_from_home(&["submit", "job.toml", "--dry-run"]);
    command.current_dir(folder.path(""));
    let ended = end_of(command);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stdout.starts_with("name = \"intents\"\n"),
        "{}",
        ended.stdout
    );
}

#[test]
fn the_command_line_says_where_it_runs() {
    let folder = JobFolder::with("[scheduling]\ncluster = \"here\"\n");
    for (name, wanted) in [("there", Some("cluster = \"there\"")), ("any", None)] {
        let mut command = away_from_home(&["submit", "job.toml", "--dry-run", "--cluster", name]);
        command.current_dir(folder.path(""));
        let ended = end_of(command);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let told = ended
            .stdout
            .lines()
            .find(|line| line.starts_with("cluster"));
        assert_eq!(told, wanted, "{}", ended.stdout);
    }
}

#[test]
fn a_bad_job_file_is_not_submitted() {
    let (fake, folder) = (
        Fake::start(),
        JobFolder::with("[adapter]\nrank = 0\nrnak = 1\n"),
    );
    let ended = submit(&fake, &folder, &[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    assert_eq!(
        ended.stderr.matches("error: job.toml:").count(),
        2,
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.ends_with("see: schliff help E-JOB-FILE\n"),
        "{}",
        ended.stderr
    );
    assert!(fake.scene().submitted.is_empty());
}

#[test]
fn refusals_have_their_exit_code_and_their_page() {
    let (fake, folder) = (Fake::start(), JobFolder::with(""));
    for (grpc, code, exit, page) in [
        (Code::FailedPrecondition, "too-large", 4, "E-TOO-LARGE"),
        (Code::ResourceExhausted, "queue-full", 4, "E-QUEUE-FULL"),
        (
            Code::FailedPrecondition,
            "no-such-cluster",
            2,
            "E-NO-CLUSTER",
        ),
        (Code::PermissionDenied, "", 2, "E-ROLE"),
        (Code::FailedPrecondition, "protocol", 2, "E-VERSION"),
    ] {
        fake.change(|scene| scene.refuses = Some((grpc, code, "that \u{1b}[2J is\nwhy".into())));
        let ended = submit(&fake, &folder, &[]);
        let told = format!(
            "error: cannot submit job.toml\ncaused by: that \u{fffd}[2J is\nwhy\nsee: schliff help {page}\n"
        );
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (Some(exit), told.as_str())
        );
    }
}

#[test]
fn the_token_is_shown_and_kept() {
    let (fake, folder) = (Fake::start(), JobFolder::with(""));
    let list = |token: &str, mode: u32| {
        let path = folder.path("token");
        std::fs::write(&path, token).expect("written");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(&path, mode).expect("a mode");
        let path = path.display().to_string();
        let mut command =
            away_from_home(&["list", "--coordinator", &fake.url(), "--token-file", &path]);
        command.current_dir(folder.path(""));
        end_of(command)
    };
    assert_eq!(
        list(&format!("{}\n", crate::fake::TOKEN), 0o600).code,
        Some(0)
    );
    let wrong = list("wrong", 0o600);
    assert_eq!(wrong.code, Some(2));
    insta::assert_snapshot!(wrong.stderr, @r"
    error: cannot list jobs
    caused by: this is not the coordinator's token
    hint: --token-file names the file with the coordinator's token
    see: schliff help E-TOKEN
    ");
    let open = list(crate::fake::TOKEN, 0o644);
    assert_eq!(open.code, Some(2));
    assert!(
        open.stderr.contains("can be read by everybody"),
        "{}",
        open.stderr
    );
    assert!(open.stderr.contains("hint: chmod 600 "), "{}", open.stderr);
}

#[test]
fn the_state_folder_says_where_the_coordinator_is() {
    let (fake, state) = (Fake::start(), tempfile::tempdir().expect("a folder"));
    let note = format!("{{\"url\": \"{}\", \"pid\": 1}}", fake.url());
    std::fs::write(state.path().join("coordinator.json"), note).expect("written");
    let token = state.path().join("token");
    std::fs::write(&token, crate::fake::TOKEN).expect("written");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&token, mode).expect("a mode");
    let mut command = away_from_home(&["list"]);
    command.env("SCHLIFF_STATE", state.path());
    let ended = end_of(command);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("nothing has been submitted yet"),
        "{}",
        ended.stderr
    );
}

#[test]
fn no_coordinator_is_exit_3() {
    let unknown = end_of(away_from_home(&["list"]));
    assert_eq!(unknown.code, Some(3));
    insta::assert_snapshot!(unknown.stderr, @r"
    error: no coordinator is known here
    caused by: /nowhere/schliff has no coordinator.json, which 'schliff serve' writes
    hint: start one by 'schliff serve', or name one by --coordinator URL
    see: schliff help E-UNREACHABLE
    ");
    let mut fake = Fake::start();
    fake.crash();
    for verb in [
        &["list"][..],
        &["status", "1"],
        &["wait", "1"],
        &["logs", "1", "-f"],
        &["cancel", "1"],
    ] {
        let ended = fake.play(verb);
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(3), ""),
            "{verb:?}"
        );
        assert!(
            ended.stderr.contains("Connection refused"),
            "{}",
            ended.stderr
        );
        assert!(
            ended.stderr.ends_with("see: schliff help E-UNREACHABLE\n"),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn a_coordinator_that_does_not_lead_names_the_one_that_does() {
    let (standby, leader) = (Fake::start(), Fake::start());
    standby.change(|scene| scene.leader = Some(leader.url()));
    leader.change(|scene| scene.add("desk", schliff_wire::v1::Phase::Queued));
    let ended = standby.play(&["status", "1", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let mut gone = Fake::start();
    gone.crash();
    let mut command = standby.command(&["status", "1"]);
    command.env(
        "SCHLIFF_COORDINATOR",
        format!("{},{}", gone.url(), standby.url()),
    );
    assert_eq!(end_of(command).code, Some(0));
}
