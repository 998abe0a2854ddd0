//! A job of many wall times, as Slurm itself divides it: part of `make test-slurm-long`.
//!
//! Nothing here ends a link: the cap of the partition `short` does, and the signal before it is Slurm's.
//! Three runs of the same job go side by side: one without a break, one that goes back into the queue,
//! and one whose successors wait there. Each chain loses its coordinator twice by kill -9.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use schliff_tests::desk::{Desk, fixture};
use schliff_tests::ranks::{adapter, train};
use schliff_tests::running::wait_within;

use crate::scene::{curve, trained};
use crate::site::{Dev, Site, Way, dev};

/// Set by whoever has an hour.
const LONG: &str = "SCHLIFF_TEST_LONG";
/// Names how many minutes the job is to train, without a break.
const MINUTES: &str = "SCHLIFF_TEST_MINUTES";
/// As many where nobody says.
const USUAL_MINUTES: u64 = 20;
/// Steps of the runs that tell how fast this machine is.
const TRIAL: usize = 200;
/// A chain may take so many times as long: links wait for nodes, and begin.
const PATIENCE: u64 = 6;
/// So much wall time is asked for in all, in times of the work: links end before their time is over, and
/// the machine may have more to do than when it was measured.
const ASKED: u64 = 10;

/// The cluster, where there is one and an hour to spend.
pub(crate) fn long() -> Option<Dev> {
    if std::env::var_os(LONG).is_none() {
        eprintln!("SKIPPED: it takes an hour: make test-slurm-long runs it");
        return None;
    }
    dev()
}

/// A desk with `job.toml`: steps that are long enough to be worth one.
fn desk(steps: usize) -> Desk {
    let desk = Desk::new();
    let samples = fs::read_to_string(fixture("curves/data.jsonl")).expect("samples");
    let data = desk.file("data.jsonl", &samples.repeat(64));
    let job = format!(
        "name = \"long\"\n[model]\nbase = {:?}\n[data]\ntrain = {:?}\nformat = \"tokens\"\n\
         max_tokens = 64\n[training]\nsteps = {steps}\nbatch_samples = 512\n\
         micro_batch_samples = 8\nlr = 1e-3\n[checkpoint]\nevery_steps = 50\n",
        fixture("tiny/llama").display().to_string(),
        data.display().to_string()
    );
    desk.file("job.toml", &job);
    desk
}

/// What a run came to.
struct Came {
    weights: Vec<u8>,
    curve: Vec<String>,
    /// In steps alone.
    trained: Duration,
}

impl Came {
    fn of(desk: &Desk, out: &str) -> Self {
        Self {
            weights: adapter(desk, out),
            trained: trained(desk, out),
            curve: curve(desk, out),
        }
    }
}

fn plain(steps: usize) -> Came {
    let desk = desk(steps);
    train(&desk, "1");
    Came::of(&desk, "out-1")
}

/// So many steps take so many minutes while three runs share this machine, as they will.
fn steps_of(minutes: u64) -> usize {
    let trials = [(); 3].map(|()| thread::spawn(|| plain(TRIAL).trained));
    let trained = trials.map(|trial| trial.join().expect("a trial"));
    let fastest = trained.into_iter().min().expect("three");
    // A little more, for the machine may have been busier than it will be.
    let steps = TRIAL as f64 * minutes as f64 * 66.0 / fastest.as_secs_f64();
    steps.ceil() as usize
}

/// A start of the attempt's script.
struct Link {
    begun: Duration,
    /// What it goes on from.
    committed: Option<u64>,
}

/// A job on Slurm, link after link.
struct Chain {
    site: Site,
    job: u64,
    folder: PathBuf,
    begun: Instant,
    links: Vec<Link>,
    /// What it has printed; its folder goes with its end.
    log: String,
    /// Its coordinator was killed and not yet started again.
    is_alone: bool,
}

impl Chain {
    fn begin(dev: Dev, desk: Desk, kind: &str, minutes: u64) -> Self {
        let more = format!(
            "chain = {kind:?}\nsignal_before = \"45s\"\n---\n\
             [ask]\naccount = \"dev\"\npartition = \"short\"\n[limits]\nmax_time = \"3min\"\n"
        );
        let site = dev.serve(desk, Way::Command, &more);
        let mut words = vec!["job.toml", "--cluster", "dev", "--out", "out"];
        let time = format!("resources.time={}min", minutes * ASKED);
        words.extend(["--set", &time]);
        let job = site.serving.submit(&words);
        Self {
            folder: site.shared().join(format!("schliff-{job}-1")),
            site,
            job,
            begun: Instant::now(),
            links: Vec::new(),
            log: String::new(),
            is_alone: false,
        }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap_or_default()
    }

    /// Newest step that is safe.
    fn committed(&self) -> Option<u64> {
        let manifests = self.site.serving.desk.path("out/checkpoints/manifests");
        let names = fs::read_dir(manifests).into_iter().flatten().flatten();
        let steps = names.filter_map(|name| {
            let name = name.file_name().into_string().ok()?;
            name.strip_suffix(".json")?.parse().ok()
        });
        steps.max()
    }

    /// Links that have ended with more to do, as the script says.
    fn over(&self) -> usize {
        self.log.matches("is over; the next one waits").count()
    }

    /// Looks at it, and kills its coordinator or starts it again; whether it has come to its end.
    fn look(&mut self) -> bool {
        let starts = self.read("starts").lines().count();
        while self.links.len() < starts {
            self.links.push(Link {
                begun: self.begun.elapsed(),
                committed: self.committed(),
            });
        }
        let log = self.read("log");
        if log.len() > self.log.len() {
            self.log = log;
        }
        let is_gone = !self.links.is_empty() && !self.folder.exists();
        let is_done = is_gone || self.folder.join("done").exists();
        // All of the second link and what is between the others, and between the fourth and the fifth.
        let wants = starts == 2 || (starts == 4 && self.over() == 4);
        if !is_done && wants && !self.is_alone {
            self.site.serving.kill();
            self.is_alone = true;
        } else if (is_done || !wants) && self.is_alone {
            self.site.serving.start_again();
            self.is_alone = false;
        }
        is_done
    }

    /// Waits for its end, which must be right; gives what it came to.
    fn end(mut self, kind: &str, minutes: u64) -> Came {
        let limit = Duration::from_secs(minutes * 60 * PATIENCE);
        wait_within(limit, || format!("the end of {kind}"), || self.look());
        let serving = &self.site.serving;
        let outcome = serving.outcome(self.job);
        let status = serving.status(self.job);
        assert_eq!(outcome, "succeeded", "{}", status["reason"]);
        let came = Came::of(&serving.desk, "out");
        self.report(kind, &came);
        let attempts = status["attempts"].as_array().map(Vec::len);
        assert_eq!(attempts, Some(1), "{}", status["attempts"]);
        assert!(self.links.len() > 1, "no link was ended by the cap");
        let (over, log) = (self.over(), &self.log);
        assert_eq!(over + 1, self.links.len(), "a link was cut: {log}");
        let own = "the time limit is near";
        assert!(!log.contains(own), "Slurm's signal came too late: {log}");
        came
    }

    fn report(&self, kind: &str, came: &Came) {
        let (wall, trained) = (self.begun.elapsed().as_secs(), came.trained.as_secs());
        let steps = came.curve.len();
        eprintln!("{kind}: {steps} steps, {trained} s in steps, {wall} s in all");
        for (nth, link) in (1..).zip(&self.links) {
            let (at_s, committed) = (link.begun.as_secs(), link.committed.unwrap_or(0));
            eprintln!("{kind}: link {nth} at {at_s} s, from step {committed}");
        }
    }
}

#[test]
fn a_job_of_twenty_minutes_comes_to_its_end_under_a_cap_of_three() {
    let Some(dev) = long() else { return };
    let minutes = std::env::var(MINUTES)
        .ok()
        .and_then(|text| text.parse().ok());
    let minutes = minutes.unwrap_or(USUAL_MINUTES);
    let steps = steps_of(minutes);
    eprintln!("{steps} steps for {minutes} minutes");
    let undisturbed = thread::spawn(move || plain(steps));
    let chains = ["requeue", "successors"].map(|kind| {
        let run = move || Chain::begin(dev, desk(steps), kind, minutes).end(kind, minutes);
        (kind, thread::spawn(run))
    });
    let chains = chains.map(|(kind, chain)| (kind, chain.join()));
    let plain = undisturbed.join().expect("a plain run");
    eprintln!("plain: {} s in steps", plain.trained.as_secs());
    for (kind, came) in chains {
        let came = came.unwrap_or_else(|_| panic!("{kind} did not end right"));
        assert!(came.weights == plain.weights, "{kind}: other bytes");
        assert_eq!(came.curve, plain.curve, "{kind}");
    }
}
