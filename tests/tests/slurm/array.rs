//! A search that its user submits by hand: one array, a task for each trial, each with the bytes of a
//! plain run of that trial.

use std::fs;
use std::process::Command;

use schliff_tests::desk::{Desk, end_of};
use schliff_tests::ranks::{adapter, tiny_desk};
use schliff_tests::running::wait_until;

use crate::site::{Way, dev, slurm};

/// Enough to be disturbed in the middle of them.
const STEPS: usize = 600;
/// So many have been made before a task is disturbed.
const FIRST: usize = 20;
/// A learning rate for each trial.
const RATES: [&str; 3] = ["0.001", "0.002", "0.0005"];

/// An array in the queue; what is left of it is cancelled.
struct Array {
    desk: Desk,
    id: String,
}

impl Drop for Array {
    fn drop(&mut self) {
        slurm(&["scancel", "--full", "--signal=KILL", &self.id]);
        slurm(&["scancel", &self.id]);
    }
}

impl Array {
    /// Exports a search of two trials at a time and submits it.
    #[track_caller]
    fn submitted(desk: Desk, profile: &str) -> Self {
        desk.file("dev.toml", profile);
        let job = fs::read_to_string(desk.path("job.toml")).expect("the job");
        let rates = RATES.join(", ");
        let sweep = format!(
            "[sweep]\nmethod = \"grid\"\nmax_parallel = 2\nparameters = {{ \"training.lr\" = [{rates}] }}\n"
        );
        desk.file("search.toml", &(job + &sweep));
        let args = [
            "export",
            "search.toml",
            "--cluster",
            "dev.toml",
            "--out",
            "out",
        ];
        let script = desk.schliff(&args);
        assert_eq!(script.code, Some(0), "{}", script.stderr);
        desk.file("search.sh", &script.stdout);
        let mut sbatch = Command::new("sbatch");
        sbatch
            .args(["--parsable", "search.sh"])
            .current_dir(desk.path(""));
        let taken = end_of(sbatch);
        assert_eq!(taken.code, Some(0), "{}", taken.stderr);
        let id = taken.stdout.trim().to_owned();
        Self { desk, id }
    }

    /// A task, as Slurm's commands name it.
    fn task(&self, trial: usize) -> String {
        format!("{}_{trial}", self.id)
    }

    /// Lines of a file in a trial's folder.
    fn lines(&self, trial: usize, name: &str) -> usize {
        let path = self.desk.path(&format!("out/trial-{trial}/{name}"));
        fs::read_to_string(path).map_or(0, |text| text.lines().count())
    }

    fn log(&self, trial: usize) -> String {
        let name = format!("schliff-{}_{trial}.log", self.id);
        fs::read_to_string(self.desk.path(&name)).unwrap_or_else(|error| format!("{name}: {error}"))
    }

    fn state(&self, trial: usize) -> String {
        let told = slurm(&["squeue", "-h", "-j", &self.task(trial), "-o", "%T"]);
        told.stdout.trim().to_owned()
    }

    /// Slurm warns a task that trains, as before the end of its wall time; it puts itself back.
    #[track_caller]
    fn is_put_back(&self, trial: usize) {
        wait_until(
            || format!("steps of trial {trial}:\n{}", self.log(trial)),
            || self.lines(trial, "metrics.jsonl") > FIRST,
        );
        let told = slurm(&["scancel", "--batch", "--signal=USR1", &self.task(trial)]);
        assert_eq!(told.code, Some(0), "{}", told.stderr);
        wait_until(
            || {
                format!(
                    "{} of trial {trial}:\n{}",
                    self.state(trial),
                    self.log(trial)
                )
            },
            || self.state(trial) == "PENDING",
        );
    }

    /// Spares a task the two minutes.
    #[track_caller]
    fn starts_now(&self, trial: usize) {
        let which = format!("JobId={}", self.task(trial));
        let told = slurm(&["scontrol", "update", &which, "StartTime=now+2"]);
        assert_eq!(told.code, Some(0), "{}", told.stderr);
    }
}

#[test]
fn each_task_is_a_trial_and_goes_back_into_the_queue_alone() {
    let Some(dev) = dev() else { return };
    let desk = tiny_desk(STEPS);
    let plain = RATES.map(|rate| {
        let (set, out) = (format!("training.lr={rate}"), format!("plain-{rate}"));
        let ran = desk.schliff(&["run", "job.toml", "--set", &set, "--out", &out]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        adapter(&desk, &out)
    });
    let _turn = dev.turn();
    let profile = dev.profile(&desk, Way::Command, "chain = \"requeue\"\n");
    let array = Array::submitted(desk, &profile);
    array.is_put_back(1);
    // Its number is that of the whole array; others would start again with it.
    array.is_put_back(3);
    array.starts_now(1);
    array.starts_now(3);
    for trial in 1..=3 {
        wait_until(
            || format!("the end of trial {trial}:\n{}", array.log(trial)),
            || array.lines(trial, "done") == 1,
        );
    }
    let starts = [1, 2, 3].map(|trial| array.lines(trial, "starts"));
    assert_eq!(starts, [2, 1, 2]);
    for (trial, plain) in (1..).zip(&plain) {
        let out = format!("out/trial-{trial}");
        assert!(
            adapter(&array.desk, &out) == *plain,
            "trial {trial}: other bytes"
        );
    }
    assert!(
        plain[0] != plain[1] && plain[1] != plain[2],
        "trials differ"
    );
}
