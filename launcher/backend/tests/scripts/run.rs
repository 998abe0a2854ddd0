//! Scripts that a real Slurm runs on two nodes, with a stand-in for the agent.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::thread::park_timeout;
use std::time::{Duration, Instant};

use schliff_backend::Launch;
use schliff_backend::slurm::batch::{Attempt, batches};
use schliff_scheduler::shape::Shape;
use schliff_slurm::batch::render;
use schliff_spec::cluster::Chain;

use crate::sites::sites;

/// Longest wait for anything, on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(90);

/// The first time it waits for USR1 and ends with 75; started again it is done.
const AGENT: &str = r#"#!/bin/sh
folder=${2%/*} node=$SLURM_NODEID run=${SLURM_RESTART_COUNT:-0} exit_file=
while [ $# -gt 0 ]; do [ "$1" != --exit-file ] || exit_file=$2; shift; done
end() { [ -z "$exit_file" ] || echo "$1" >"$exit_file"; exit "$1"; }
trap 'kill "$reader"; end 75' USR1
mkfifo "$folder/never-$node-$run"
cat <>"$folder/never-$node-$run" &
reader=$!
echo "$SRUN_CPUS_PER_TASK $(hostname)" >"$folder/ran-$node-$run"
[ "$run" = 0 ] || { kill "$reader"; end 0; }
wait
"#;

/// A folder of an attempt that Slurm sees, and its jobs; what is left of them is cancelled.
struct Play {
    folder: tempfile::TempDir,
    jobs: Vec<String>,
}

fn slurm(program: &str, args: &[&str]) -> String {
    let ended = Command::new(program).args(args).output().expect(program);
    let words = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{program} {args:?}: {words}");
    String::from_utf8(ended.stdout)
        .expect("text")
        .trim_end()
        .to_owned()
}

impl Drop for Play {
    fn drop(&mut self) {
        let _ = Command::new("scancel").args(&self.jobs).status();
    }
}

impl Play {
    /// Submitted, unless there is no cluster.
    fn begin(chain: Chain, jobs: usize) -> Option<Self> {
        if std::env::var_os("SCHLIFF_SLURM_STATE").is_none() {
            eprintln!("SKIPPED {chain:?}: SCHLIFF_SLURM_STATE is not set; see make slurm-up");
            return None;
        }
        let mut site = sites()
            .into_iter()
            .find(|site| site.profile.name.as_str() == "dev")?;
        let folder = tempfile::Builder::new()
            .prefix("script 100% ")
            .tempdir()
            .expect("a folder");
        let program = folder.path().join("agent.sh");
        fs::write(&program, AGENT).expect("written");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).expect("a mode");
        site.slurm.chain = chain;
        site.slurm.program = program.to_str().expect("text").to_owned();
        let launch = Launch {
            shape: Shape {
                nodes: 2,
                gpus_per_node: 1,
                cpus_per_node: 1,
                ranks: 2,
            },
            ..site.launch()
        };
        let attempt = Attempt {
            folder: folder.path().to_str().expect("text"),
            nonce: "k3v9x0q2",
            instance: "b7m4",
        };
        let batch = batches(&site.slurm, &launch, attempt)
            .expect("jobs")
            .remove(0);
        let script = folder.path().join("batch.sh");
        fs::write(&script, render(&batch).expect("a script")).expect("written");
        let mut play = Self {
            folder,
            jobs: Vec::new(),
        };
        for _ in 0..jobs {
            let after = play
                .jobs
                .last()
                .map(|job| format!("--dependency=afterany:{job}"));
            let script = script.to_str().expect("text");
            let name = format!("--job-name=script-{}", std::process::id());
            let mut args = vec!["--parsable", &name, "--mem=100"];
            args.extend(after.as_deref());
            args.push(script);
            let job = slurm("sbatch", &args);
            play.jobs.push(job);
        }
        Some(play)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name))
            .ok()
            .filter(|text| text.ends_with('\n'))
    }

    fn state(&self, job: usize) -> String {
        let args = ["-h", "-t", "all", "-o", "%T", "-j", &self.jobs[job]];
        let ended = Command::new("squeue").args(args).output().expect("squeue");
        String::from_utf8(ended.stdout)
            .expect("text")
            .trim_end()
            .to_owned()
    }

    #[track_caller]
    fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !holds(self) {
            let log = self.read("log").unwrap_or_default();
            assert!(
                begun.elapsed() < PATIENCE,
                "{what} did not come about; the log:\n{log}"
            );
            park_timeout(Duration::from_millis(100));
        }
    }

    #[track_caller]
    fn until_both_nodes_run(&self, run: usize) {
        for node in 0..2 {
            let name = format!("ran-{node}-{run}");
            self.until(&name, |play| play.read(&name).is_some());
        }
    }
}

#[test]
fn it_saves_its_work_when_told_and_goes_on_after_a_requeue() {
    let Some(play) = Play::begin(Chain::Requeue, 1) else {
        return;
    };
    play.until_both_nodes_run(0);
    slurm("scancel", &["--batch", "--signal=USR1", &play.jobs[0]]);
    play.until("a requeue", |play| play.state(0) == "PENDING");
    // In the first moments of a step srun dies of a signal that it would forward later, and no agent
    // leaves its code: that is more to do as well.
    let log = play.read("log").unwrap_or_default();
    assert!(log.contains("exit code 75"), "{log}");
    let left = play.read("exit");
    assert!(left.is_none_or(|code| code == "75\n"), "{log}");
    assert_eq!(play.read("done"), None);
    slurm(
        "scontrol",
        &[
            "update",
            &format!("JobId={}", play.jobs[0]),
            "StartTime=now+3",
        ],
    );
    play.until_both_nodes_run(1);
    play.until("an end", |play| play.read("done").is_some());
    assert_eq!(play.read("done").as_deref(), Some("0\n"));
    assert_eq!(play.read("starts").expect("lines").lines().count(), 2);
    let ran = |name| play.read(name).expect("a line");
    assert!(
        ran("ran-0-1").starts_with("1 ") && ran("ran-0-1") != ran("ran-1-1"),
        "two nodes"
    );
}

#[test]
fn a_cancelled_job_saves_its_work_and_stays_away() {
    let Some(play) = Play::begin(Chain::Requeue, 1) else {
        return;
    };
    play.until_both_nodes_run(0);
    slurm("scancel", &[&play.jobs[0]]);
    play.until("an end", |play| play.state(0) == "CANCELLED");
    assert_eq!(play.read("done"), None, "Slurm says how it ended");
    assert_eq!(play.read("starts").expect("lines").lines().count(), 1);
}

#[test]
fn successors_go_on_after_a_warning_and_end_with_a_cancelled_job() {
    let Some(play) = Play::begin(Chain::Successors, 3) else {
        return;
    };
    play.until_both_nodes_run(0);
    slurm("scancel", &["--batch", "--signal=USR1", &play.jobs[0]]);
    play.until("the first job's end", |play| play.state(0) == "FAILED");
    for node in 0..2 {
        fs::remove_file(play.path(&format!("ran-{node}-0"))).expect("it ran");
        fs::remove_file(play.path(&format!("never-{node}-0"))).expect("it ran");
    }
    play.until_both_nodes_run(0);
    slurm("scancel", &[&play.jobs[1]]);
    play.until("an end", |play| play.read("done").is_some());
    assert_eq!(play.read("done").as_deref(), Some("130\n"));
    play.until("the end of the third", |play| play.state(2) == "COMPLETED");
    assert_eq!(play.read("starts").expect("lines").lines().count(), 2);
}
