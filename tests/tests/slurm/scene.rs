//! A job that has begun to train on Slurm, and what an undisturbed run of it on this machine gives.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use schliff_tests::desk::Desk;
use schliff_tests::ranks::{adapter, tiny_desk, train};
use schliff_tests::running::wait_until;
use serde_json::Value;

use crate::site::{Dev, Site, Way};

/// Enough to be disturbed several times in the middle of them.
const STEPS: usize = 1_500;
/// So many have been made before anything is disturbed.
const FIRST: u64 = 20;

/// The weights and the curve of an undisturbed run.
pub(crate) type Plain = (Vec<u8>, Vec<String>);

/// Trains undisturbed, on one rank.
#[track_caller]
pub(crate) fn plain(desk: &Desk) -> Plain {
    (train(desk, "1"), curve(desk, "out-1"))
}

/// It.
pub(crate) struct Scene {
    pub(crate) site: Site,
    pub(crate) job: u64,
    plain: Plain,
}

impl Scene {
    /// Starts a coordinator by commands (`more` as for [`Dev::serve`]), submits with further arguments,
    /// and waits for the first steps.
    #[track_caller]
    pub(crate) fn begin(dev: Dev, more: &str, args: &[&str]) -> Self {
        Self::begin_as(dev, args, |desk| dev.profile(desk, Way::Command, more))
    }

    /// The same with another profile.
    #[track_caller]
    pub(crate) fn begin_as(dev: Dev, args: &[&str], profile: impl Fn(&Desk) -> String) -> Self {
        Self::begin_with(dev, args, (STEPS, &[]), profile)
    }

    /// The same with so many steps, and further environment of the coordinator.
    #[track_caller]
    pub(crate) fn begin_with(
        dev: Dev,
        args: &[&str],
        (steps, env): (usize, &[(&str, &str)]),
        profile: impl Fn(&Desk) -> String,
    ) -> Self {
        let desk = tiny_desk(steps);
        let plain = plain(&desk);
        let profile = profile(&desk);
        Self::begin_at(dev.serve_as(desk, &profile, env), plain, args)
    }

    /// The same with a coordinator that is there, and what the desk's job comes to.
    #[track_caller]
    pub(crate) fn begin_at(site: Site, plain: Plain, args: &[&str]) -> Self {
        let mut all = vec!["job.toml", "--cluster", "dev", "--out", "out"];
        all.extend(args);
        let job = site.serving.submit(&all);
        site.at_step(job, FIRST);
        Self { site, job, plain }
    }

    /// The Slurm job makes further steps, after it has been started so often in all.
    #[track_caller]
    pub(crate) fn goes_on_after_start(&self, nth: usize) {
        self.is_started(nth);
        let before = self.site.serving.status(self.job);
        let before = before["progress"]["step"].as_u64().unwrap_or(0);
        self.site.at_step(self.job, before + FIRST);
    }

    /// The folder of the first attempt.
    pub(crate) fn folder(&self) -> PathBuf {
        let name = format!("schliff-{}-1", self.job);
        self.site.shared().join(name)
    }

    /// The weights of an undisturbed run.
    pub(crate) fn plain_adapter(&self) -> &[u8] {
        &self.plain.0
    }

    /// Waits until the attempt's script has been started so often.
    #[track_caller]
    pub(crate) fn is_started(&self, nth: usize) {
        let path = self.folder().join("starts");
        let starts = || fs::read_to_string(&path).unwrap_or_default();
        wait_until(
            || format!("start {nth}: {}", starts()),
            || starts().lines().count() >= nth,
        );
    }

    /// Waits until the job says this of itself, to `status` and `explain` alike.
    #[track_caller]
    pub(crate) fn says(&self, words: &str) {
        let says = |status: &Value| why(status).contains(words);
        self.site.serving.wait_for(self.job, says);
    }

    /// It comes to its end in so many attempts, with the bytes and the curve of an undisturbed run.
    #[track_caller]
    pub(crate) fn ends_right(&self, attempts: usize) -> Value {
        let serving = &self.site.serving;
        let outcome = serving.outcome(self.job);
        let status = serving.status(self.job);
        assert_eq!(outcome, "succeeded", "{status:#}");
        let had = status["attempts"].as_array().map(Vec::len);
        assert_eq!(had, Some(attempts), "{status:#}");
        assert!(adapter(&serving.desk, "out") == self.plain.0, "other bytes");
        assert_eq!(curve(&serving.desk, "out"), self.plain.1);
        status
    }

    /// The coordinator has each point of that curve, once.
    #[track_caller]
    pub(crate) fn is_told_whole(&self) {
        let series = self
            .site
            .serving
            .page(&format!("/jobs/{}/series.json", self.job));
        let series: Value = serde_json::from_str(&series).unwrap_or_else(|_| panic!("{series}"));
        let steps = series["steps"].as_array().cloned().unwrap_or_default();
        let told: Vec<_> = steps.iter().map(words_of).collect();
        assert_eq!(told, self.plain.1);
    }
}

/// Why a job is as it is.
pub(crate) fn why(status: &Value) -> &str {
    status["reason"]["text"].as_str().unwrap_or_default()
}

/// How long the steps of a run took, without what is between them.
#[track_caller]
pub(crate) fn trained(desk: &Desk, out: &str) -> Duration {
    let seconds = points(desk, out).into_iter().filter_map(|point| {
        let rate = point["tokens_per_s"].as_f64().filter(|rate| *rate > 0.0)?;
        Some(point["tokens"].as_f64()? / rate)
    });
    Duration::from_secs_f64(seconds.sum())
}

/// The steps of a run.
#[track_caller]
fn points(desk: &Desk, out: &str) -> Vec<Value> {
    let path = desk.path(out).join("metrics.jsonl");
    let text = fs::read_to_string(&path);
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let points = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    points.filter(|point| !point["loss"].is_null()).collect()
}

/// The curve of a run, without how fast it was.
#[track_caller]
pub(crate) fn curve(desk: &Desk, out: &str) -> Vec<String> {
    points(desk, out).iter().map(words_of).collect()
}

/// What a point of a curve says of training.
fn words_of(point: &Value) -> String {
    let keep = ["step", "loss", "grad_norm", "lr"];
    keep.map(|key| point[key].to_string()).join(" ")
}
