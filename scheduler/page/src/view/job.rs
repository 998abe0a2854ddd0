//! One job.

use askama::Template;
use schliff_wire::v1::{Explanation, HistoryReply, JobView, ListReply, LogChunk, Phase};
use schliff_wire::v1::{Reason, SeriesReply};

use crate::chart;
use crate::show::number;
use crate::show::phase::Look;
use crate::show::time::{Moment, span};
use crate::source::{Caller, Refusal};
use crate::view::chain::{Chain, Checkpoints, size};
use crate::view::cost::{self, CostLine};
use crate::view::frame::Frame;
use crate::view::history::Latest;
use crate::view::lines::Lines;
use crate::view::ranks::Ranks;
use crate::view::row::{self, Gauge, When};
use crate::view::trials::Trials;
use crate::view::{Part, text};

/// All that the coordinator says of a job.
pub(crate) struct Known {
    pub(crate) job: JobView,
    pub(crate) why: Explanation,
    pub(crate) trials: ListReply,
    pub(crate) history: HistoryReply,
    pub(crate) may_change: bool,
    pub(crate) now_ms: i64,
}

/// The page.
#[derive(Template)]
#[template(path = "job.html")]
pub(crate) struct JobPage {
    frame: Frame,
    id: u64,
    is_sweep: bool,
    is_over: bool,
    parts: JobParts,
    curve: String,
    lines: Lines,
    job_file: String,
    baseline: Option<f64>,
    steps: u64,
    ranks: u32,
}

impl JobPage {
    pub(crate) fn of(frame: Frame, known: &Known, series: &SeriesReply, chunk: &LogChunk) -> Self {
        let job = &known.job;
        let progress = job.progress.unwrap_or_default();
        Self {
            frame,
            id: job.id,
            is_sweep: job.sweep,
            is_over: job.phase() == Phase::Done,
            parts: JobParts::of(known),
            curve: chart::losses(series, progress.steps),
            lines: Lines::of(&chunk.lines),
            job_file: job.job_toml.clone(),
            baseline: progress.baseline_loss,
            steps: progress.steps,
            ranks: job.ranks,
        }
    }
}

/// What of the page changes.
pub(crate) struct JobParts {
    head: Head,
    why: Why,
    chain: Chain,
    ranks: Ranks,
    trials: Trials,
    facts: Facts,
    checkpoints: Checkpoints,
    history: Latest,
}

impl JobParts {
    pub(crate) fn of(known: &Known) -> Self {
        let (job, now_ms) = (&known.job, known.now_ms);
        Self {
            head: Head::of(known),
            why: Why::of(known),
            chain: Chain::of(job, now_ms),
            ranks: Ranks::of(job, now_ms),
            trials: Trials::of(&known.trials.jobs, now_ms),
            facts: Facts::of(job, now_ms),
            checkpoints: Checkpoints::of(job, now_ms),
            history: Latest::of(job.id, &known.history, now_ms),
        }
    }

    /// The parts as texts.
    pub(crate) fn rendered(&self) -> Result<Vec<Part>, Refusal> {
        Ok(vec![
            ("head", text(&self.head)?),
            ("why", text(&self.why)?),
            ("trials", text(&self.trials)?),
            ("chain", text(&self.chain)?),
            ("ranks", text(&self.ranks)?),
            ("facts", text(&self.facts)?),
            ("checkpoints", text(&self.checkpoints)?),
            ("history", text(&self.history)?),
        ])
    }
}

/// Name, phase, reason, progress and what can be done.
#[derive(Template)]
#[template(path = "job_head.html")]
struct Head {
    id: u64,
    name: String,
    label: String,
    parent: u64,
    look: Look,
    reason: String,
    hint: Vec<Piece>,
    gauge: Option<Gauge>,
    figures: Vec<Figure>,
    may_cancel: bool,
    may_retry: bool,
    /// The job that goes on with it, 0 where none does.
    retried_as: u64,
    is_stopping: bool,
    is_failed: bool,
}

/// Words, or a command among them.
struct Piece {
    is_code: bool,
    text: String,
}

/// What is between back-ticks is a command.
fn pieces(hint: &str) -> Vec<Piece> {
    let parts = hint.split('`').enumerate().map(|(at, text)| Piece {
        is_code: at % 2 == 1,
        text: text.into(),
    });
    parts.filter(|piece| !piece.text.is_empty()).collect()
}

/// A number that matters.
struct Figure {
    word: &'static str,
    value: String,
    note: String,
    moment: Option<Moment>,
}

impl Head {
    fn of(known: &Known) -> Self {
        let job = &known.job;
        let is_over = job.phase() == Phase::Done;
        let can_be_retried = matches!(job.outcome.as_str(), "failed" | "cancelled");
        // What has gone on elsewhere is tried again there.
        let is_last = job.retried_as == 0;
        Self {
            id: job.id,
            name: job.name.clone(),
            label: job.label.clone(),
            parent: job.parent,
            look: Look::of(job),
            reason: row::reason(job),
            hint: pieces(job.reason.as_ref().map_or("", |reason| &reason.hint)),
            gauge: Gauge::of(job),
            figures: figures(job, known.now_ms),
            may_cancel: known.may_change && !is_over,
            may_retry: known.may_change && is_over && can_be_retried && is_last && !job.sweep,
            retried_as: job.retried_as,
            is_stopping: job.stopping,
            is_failed: job.outcome == "failed",
        }
    }
}

fn figures(job: &JobView, now_ms: i64) -> Vec<Figure> {
    let progress = job.progress.unwrap_or_default();
    let figure = |word, value, note| Figure {
        word,
        value,
        note,
        moment: None,
    };
    let mut figures = Vec::new();
    if progress.steps > 0 {
        let (step, steps) = (progress.step as f64, progress.steps as f64);
        let of = format!("of {}", number::count(progress.steps));
        let note = format!("{of} · {}", number::percent(step, steps));
        figures.push(figure("Step", number::count(progress.step), note));
    }
    if let Some(loss) = progress.loss {
        figures.push(figure("Loss", number::loss(loss), "training".into()));
    }
    if let Some(loss) = progress.eval_loss {
        let baseline = progress.baseline_loss.map(number::loss);
        let note = baseline.map_or("held-out".into(), |text| format!("held-out · base {text}"));
        figures.push(figure("Eval loss", number::loss(loss), note));
    }
    if let Some(speed) = progress
        .tokens_per_s
        .filter(|_| job.phase() == Phase::Running)
    {
        figures.push(figure("Speed", number::short(speed), "tokens/s".into()));
    }
    figures.extend(time_figure(job, now_ms));
    figures
}

/// What is left, when it starts, or how long it took.
fn time_figure(job: &JobView, now_ms: i64) -> Option<Figure> {
    let figure = |word, value, note, moment| {
        Some(Figure {
            word,
            value,
            note,
            moment,
        })
    };
    let when = When::of(job, now_ms);
    match (when.moment, job.phase()) {
        (Some(start), _) => figure("Expected start", String::new(), String::new(), Some(start)),
        (None, Phase::Running) if !when.word.is_empty() => {
            let left = when.word.trim_end_matches(" left").to_owned();
            figure("Time left", left, "at the current speed".into(), None)
        }
        (None, Phase::Done) if !when.word.is_empty() => figure(
            "Took",
            when.word.trim_start_matches("took ").to_owned(),
            String::new(),
            None,
        ),
        (None, Phase::Queued | Phase::Allocating) => figure(
            "Waiting for",
            span(now_ms - job.submitted_ms),
            String::new(),
            None,
        ),
        _ => None,
    }
}

/// Why it is as it is.
#[derive(Template)]
#[template(path = "job_why.html")]
struct Why {
    because: Vec<Reason>,
    ahead: Vec<u64>,
    ahead_more: u64,
}

impl Why {
    fn of(known: &Known) -> Self {
        let why = &known.why;
        Self {
            because: why.because.clone(),
            ahead: why.ahead.clone(),
            ahead_more: why.ahead_count.saturating_sub(why.ahead.len() as u64),
        }
    }
}

/// Who, where, when, and what it cost.
#[derive(Template)]
#[template(path = "job_facts.html")]
struct Facts {
    owner: String,
    cluster: String,
    size: String,
    priority: u32,
    submitted: Moment,
    started: Moment,
    ended: Moment,
    failures: String,
    out: String,
    after: Vec<(u64, &'static str)>,
    retry_of: u64,
    retried_as: u64,
    costs: Vec<CostLine>,
}

impl Facts {
    fn of(job: &JobView, now_ms: i64) -> Self {
        let moment = |at_ms| Moment { at_ms, now_ms };
        let after = job.after.iter().map(|other| {
            let rule = if other.any_end {
                "however it ends"
            } else {
                "if it succeeds"
            };
            (other.job, rule)
        });
        Self {
            owner: job.owner.clone(),
            cluster: job.cluster.clone(),
            size: size(u64::from(job.nodes), u64::from(job.ranks)),
            priority: job.priority,
            submitted: moment(job.submitted_ms),
            started: moment(job.started_ms),
            ended: moment(job.ended_ms),
            failures: format!("{} in a row, {} allowed", job.failures, job.retries),
            out: job.out.clone(),
            after: after.collect(),
            retry_of: job.retry_of,
            retried_as: job.retried_as,
            costs: job.cost.as_ref().map(cost::lines).unwrap_or_default(),
        }
    }
}

/// The frame of a job's page; what it shows already is named in the address of its stream.
pub(crate) fn frame(job: &JobView, caller: &Caller, events: String) -> Frame {
    let frame = Frame::new(format!("{} · job {}", job.name, job.id), "jobs", caller);
    let frame = if job.sweep {
        frame
    } else {
        frame.with_charts()
    };
    frame.watching(events)
}
