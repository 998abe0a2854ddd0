//! A job that was submitted by hand, with the script of `schliff export`, is adopted: it ends with the
//! bytes of a plain run, and the coordinator knows all of its curve.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;

use schliff_tests::ranks::{adapter, tiny_desk, train};
use schliff_tests::running::wait_until;
use schliff_tests::serving::Serving;
use serde_json::Value;

use crate::site::{Dev, Site, Way, dev, slurm, state_of};

/// Enough to be adopted in the middle of them.
const STEPS: u64 = 1_500;
/// So many have been made before it is adopted.
const FIRST: usize = 20;

/// A Slurm job that is cancelled when it is dropped, whoever has it.
struct ByHand(u32);

impl Drop for ByHand {
    fn drop(&mut self) {
        slurm(&["scancel", &self.0.to_string()]);
    }
}

impl ByHand {
    /// Submits the desk's job with `sbatch`, and further options of that.
    #[track_caller]
    fn submit(site: &Site, out: &str, options: &[&str]) -> Self {
        let serving = &site.serving;
        let profile = serving.desk.path("dev.toml").display().to_string();
        let export = ["export", "job.toml", "--cluster", &profile, "--out", out];
        let exported = serving.schliff(&export);
        assert_eq!(exported.code, Some(0), "{}", exported.stderr);
        let script = serving.desk.file(&format!("{out}.sh"), &exported.stdout);
        let folder = format!("--chdir={}", serving.desk.path("").display());
        let script = script.display().to_string();
        // Jobs of one name wait for each other, whichever test's they are.
        let name = serving.desk.path("");
        let name = name.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("--job-name=by-hand-{name}-{out}");
        let words = [
            &["sbatch", "--parsable", &folder, &name],
            options,
            &[script.as_str()],
        ];
        let submitted = slurm(&words.concat());
        let id = submitted.stdout.trim().parse();
        Self(id.unwrap_or_else(|_| panic!("no number: {submitted:?}")))
    }

    /// Waits until so many steps were made.
    #[track_caller]
    fn at_step(&self, site: &Site, out: &str, steps: usize) {
        let path = site.serving.desk.path(out).join("metrics.jsonl");
        let made = || {
            let text = fs::read_to_string(&path).unwrap_or_default();
            text.lines().count()
        };
        wait_until(
            || format!("step {steps} of {}: {}", self.0, made()),
            || made() >= steps,
        );
    }

    /// Has it adopted; gives its number.
    #[track_caller]
    fn adopt(&self, site: &Site) -> u64 {
        let id = self.0.to_string();
        let adopted = site
            .serving
            .schliff(&["adopt", &id, "--cluster", "dev", "--json"]);
        let reply = adopted.json();
        reply["job"]["id"].as_u64().expect("a number")
    }
}

/// The reason why a job is not adopted.
#[track_caller]
fn refused(serving: &Serving, id: &str) -> String {
    let ended = serving.schliff(&["adopt", id, "--cluster", "dev"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    ended.stderr
}

/// It came to its end in so many attempts, with these bytes, and each of its steps was told once.
#[track_caller]
fn ends_right(site: &Site, job: u64, (out, plain): (&str, &[u8]), attempts: usize) {
    let serving = &site.serving;
    let outcome = serving.outcome(job);
    let status = serving.status(job);
    assert_eq!(outcome, "succeeded", "{status:#}");
    let had = status["attempts"].as_array().map(Vec::len);
    assert_eq!(had, Some(attempts), "{status:#}");
    assert!(adapter(&serving.desk, out) == plain, "other bytes");
    let told = series(site, job);
    let steps = told["steps"].as_array().expect("a curve");
    let steps: Vec<_> = steps
        .iter()
        .filter_map(|point| point["step"].as_u64())
        .collect();
    assert_eq!(steps, (1..=STEPS).collect::<Vec<_>>());
}

/// A job's curve, as the page draws it.
#[track_caller]
fn series(site: &Site, job: u64) -> Value {
    let url = &site.serving.url;
    let (host, login) = url
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once('/'))
        .expect("an address");
    let greeting = get(host, &format!("/{login}"), "");
    let cookie = greeting
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "))
        .and_then(|line| line.split(';').next());
    let cookie = format!("Cookie: {}\r\n", cookie.expect("a session"));
    let answer = get(host, &format!("/jobs/{job}/series.json"), &cookie);
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    serde_json::from_str(body).unwrap_or_else(|_| panic!("not JSON: {answer}"))
}

#[track_caller]
fn get(host: &str, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(host).expect("a coordinator");
    let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// A stand-in for `scontrol`: where a file `trap` says so, the coordinator is killed before or after it
/// gives a job another name. `%s` is a folder, then the real `scontrol`.
const SCONTROL: &str = r#"#!/bin/bash
folder=%s
[ "$1" = update ] && mv "$folder/trap" "$folder/sprung" 2>/dev/null || exec %s "$@"
when=$(<"$folder/sprung")
[ "$when" = before ] || %s "$@"
kill -9 "$(<"$folder/coordinator")"
mv "$folder/sprung" "$folder/killed"
exit 1
"#;

/// A coordinator with that stand-in.
fn with_traps(dev: Dev) -> Site {
    let desk = tiny_desk(usize::try_from(STEPS).expect("small"));
    let bin = desk.path("bin");
    fs::create_dir(&bin).expect("a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut candidates = path.split(':').map(|folder| format!("{folder}/scontrol"));
    let real = candidates.find(|path| fs::metadata(path).is_ok());
    let real = real.expect("scontrol");
    let folder = desk.path("").display().to_string();
    let script = SCONTROL.replacen("%s", &folder, 1).replace("%s", &real);
    let stand_in = desk.file("bin/scontrol", &script);
    fs::set_permissions(&stand_in, fs::Permissions::from_mode(0o755)).expect("a program");
    let path = format!("{}:{path}", bin.display());
    dev.serve_with(desk, Way::Command, "", &[("PATH", &path)])
}

#[test]
fn a_job_is_adopted_in_the_middle_whenever_the_coordinator_is_killed() {
    let Some(dev) = dev() else { return };
    let mut site = with_traps(dev);
    let plain = train(&site.serving.desk, "1");
    for when in ["never", "before", "after", "at-once"] {
        let out = format!("out-{when}");
        let by_hand = ByHand::submit(&site, &out, &[]);
        by_hand.at_step(&site, &out, FIRST);
        let pid = site.serving.pid();
        let desk = &site.serving.desk;
        desk.file("coordinator", &format!("{pid}\n"));
        if ["before", "after"].contains(&when) {
            desk.file("trap", when);
        }
        let killed = desk.path("killed");
        let job = by_hand.adopt(&site);
        match when {
            "never" => {}
            "at-once" => {
                site.serving.kill();
                site.serving.start_again();
            }
            _ => {
                wait_until(|| "a killed coordinator".to_owned(), || killed.exists());
                fs::remove_file(&killed).expect("it was there");
                site.serving.ended();
                site.serving.start_again();
            }
        }
        ends_right(&site, job, (&out, &plain), 1);
        let history = fs::read_to_string(site.serving.desk.path(&out).join("adopted"));
        let history = history.expect("who has it");
        assert!(history.contains(&format!("schliff-{job}-1\n")), "{history}");
    }
}

/// A coordinator, a job of it that was submitted by hand and has made some steps, and the bytes of an
/// undisturbed run.
fn at_work(way: Way, more: &str) -> Option<(Site, ByHand, Vec<u8>)> {
    let dev = dev()?;
    let desk = tiny_desk(usize::try_from(STEPS).expect("small"));
    let plain = train(&desk, "1");
    let site = dev.serve(desk, way, more);
    let by_hand = ByHand::submit(&site, "out", &[]);
    by_hand.at_step(&site, "out", FIRST);
    Some((site, by_hand, plain))
}

#[test]
fn over_ssh_too() {
    let Some((site, by_hand, plain)) = at_work(Way::Ssh, "") else {
        return;
    };
    let job = by_hand.adopt(&site);
    ends_right(&site, job, ("out", &plain), 1);
}

#[test]
fn where_all_reports_are_relayed_too() {
    let Some((site, by_hand, plain)) = at_work(Way::Command, "reports = \"spool\"\n") else {
        return;
    };
    let job = by_hand.adopt(&site);
    ends_right(&site, job, ("out", &plain), 1);
}

/// Slurmrestd of 22.05 cannot give a job another name: nothing is changed then.
#[test]
fn by_slurmrestd_where_that_can_say_it() {
    let Some((site, by_hand, plain)) = at_work(Way::Rest, "") else {
        return;
    };
    let id = by_hand.0.to_string();
    let adopted = site
        .serving
        .schliff(&["adopt", &id, "--cluster", "dev", "--json"]);
    if adopted.code == Some(0) {
        let job = adopted.json()["job"]["id"].as_u64().expect("a number");
        return ends_right(&site, job, ("out", &plain), 1);
    }
    assert!(adopted.stderr.contains("v0.0.38"), "{}", adopted.stderr);
    assert!(!site.serving.desk.path("out/adopted").exists());
    let listed = site.serving.schliff(&["list", "--json"]).json();
    assert_eq!(listed["jobs"].as_array().map(Vec::len), Some(0), "{listed}");
}

#[test]
fn where_it_does_not_go_on_by_itself_the_coordinator_submits_what_follows() {
    let Some((site, by_hand, plain)) = at_work(Way::Command, "chain = \"none\"\n") else {
        return;
    };
    let job = by_hand.adopt(&site);
    site.at_step(job, 20);
    slurm(&[
        "scancel",
        "--batch",
        "--signal=USR1",
        &by_hand.0.to_string(),
    ]);
    ends_right(&site, job, ("out", &plain), 2);
}

#[test]
fn a_job_that_waits_is_adopted_and_says_why_it_waits() {
    let Some(dev) = dev() else { return };
    let desk = tiny_desk(usize::try_from(STEPS).expect("small"));
    let plain = train(&desk, "1");
    let site = dev.serve(desk, Way::Command, "");
    let by_hand = ByHand::submit(&site, "out", &["--hold"]);
    let job = by_hand.adopt(&site);
    assert_eq!(by_hand.adopt(&site), job, "asked again");
    let id = by_hand.0.to_string();
    site.serving.wait_for(job, |status| {
        let why = status["reason"]["text"].as_str().unwrap_or_default();
        why.contains("held")
    });
    slurm(&["scontrol", "release", &id]);
    ends_right(&site, job, ("out", &plain), 1);
}

#[test]
fn an_adopted_job_is_stopped_like_any_other_and_its_folder_stays() {
    let Some((site, by_hand, _)) = at_work(Way::Command, "") else {
        return;
    };
    let job = by_hand.adopt(&site);
    site.at_step(job, 20);
    let cancelled = site.serving.schliff(&["cancel", &job.to_string()]);
    assert_eq!(cancelled.code, Some(0), "{}", cancelled.stderr);
    assert_eq!(site.serving.outcome(job), "cancelled");
    let attempt = site.shared().join(format!("schliff-{job}-1"));
    wait_until(
        || format!("{} to be gone", attempt.display()),
        || !attempt.exists(),
    );
    let out = site.serving.desk.path("out");
    assert!(out.join("checkpoints").is_dir() && out.join("spool").is_dir());
    assert!(!out.join("stop").exists(), "the coordinator's own word");
    assert_ne!(state_of(by_hand.0), "RUNNING");
    // What is submitted by hand besides leaves it alone.
    let again = ByHand::submit(&site, "out", &[]);
    let log = site.serving.desk.path(&format!("schliff-{}.log", again.0));
    let said = || fs::read_to_string(&log).unwrap_or_default();
    wait_until(
        || format!("a word in {}: {}", log.display(), said()),
        || said().contains("a coordinator goes on with it"),
    );
    let left = || state_of(again.0);
    wait_until(|| format!("its end: {}", left()), || left().is_empty());
    let told = refused(&site.serving, &again.0.to_string());
    assert!(told.contains("has ended"), "{told}");
}

#[test]
fn what_is_not_to_be_had_is_refused_with_the_reason() {
    let Some((site, by_hand, _)) = at_work(Way::Command, "") else {
        return;
    };
    let told = refused(&site.serving, "67000000");
    assert!(told.contains("there is no job 67000000"), "{told}");
    let wrap = [
        "sbatch",
        "--parsable",
        "-o",
        "/dev/null",
        "--hold",
        "--wrap",
        "true",
    ];
    let foreign = slurm(&wrap).stdout.trim().parse().map(ByHand);
    let foreign = foreign.expect("a number");
    let told = refused(&site.serving, &foreign.0.to_string());
    assert!(told.contains("was not made by `schliff export`"), "{told}");
    let job = by_hand.adopt(&site);
    site.at_step(job, 20);
    // Another coordinator, with a folder of its own.
    let dev = dev().expect("as before");
    let desk = tiny_desk(4);
    let profile = desk.file("dev.toml", &dev.profile(&desk, Way::Command, ""));
    let profile = profile.display().to_string();
    let other = Serving::start_as(desk, &["--cluster", &profile], &[]);
    let told = refused(&other, &by_hand.0.to_string());
    assert!(told.contains("another coordinator's"), "{told}");
    let listed = other.schliff(&["list", "--json"]).json();
    assert_eq!(listed["jobs"].as_array().map(Vec::len), Some(0), "{listed}");
}
