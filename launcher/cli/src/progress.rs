//! What the trainer is doing, shown while it does it, on standard error.
//!
//! On a terminal one line is redrawn in place; elsewhere (a log file, a batch job) lines come at
//! least every ten seconds and about twenty times a run.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use schliff_spec::event::{CheckpointNews, Event, Measures, StepMetrics};

use crate::{figures, terminal};

/// Plain lines come at least so often.
const PLAIN_EVERY: Duration = Duration::from_secs(10);
/// Plain lines over a whole run, where steps are fast.
const PLAIN_LINES: usize = 20;
const TICK: Duration = Duration::from_millis(120);

/// The display of one verb.
pub(crate) struct Progress {
    bar: ProgressBar,
    redraws: bool,
    training: bool,
    stage: String,
    /// When the last plain line was printed.
    last_line: Instant,
    /// When the first step was done, and its number.
    first_step: Option<(Instant, usize)>,
    /// Number and loss of every step so far; a step done again replaces what came after it.
    steps: Vec<(usize, f64)>,
    /// Checkpoints cannot be written just now.
    delayed: bool,
}

impl Progress {
    /// A display that fits the terminal.
    pub(crate) fn new() -> Self {
        Self {
            bar: ProgressBar::hidden(),
            redraws: terminal::redraws(),
            training: false,
            stage: String::new(),
            last_line: Instant::now(),
            first_step: None,
            steps: Vec::new(),
            delayed: false,
        }
    }

    /// Shows one event.
    pub(crate) fn event(&mut self, event: &Event) {
        match event {
            Event::Stage { name } => self.stage(name),
            Event::Progress { done, total } => self.progress(*done, *total),
            Event::Warning { text } => {
                self.say(&format!("{} {text}", terminal::yellow("warning:")))
            }
            Event::Step(metrics) => self.step(metrics),
            Event::Evaluation { step, measures } => self.say(&evaluation_line(*step, measures)),
            Event::Checkpoint(news) => self.checkpoint(news),
            Event::Beat(_) => {}
            Event::Hello { .. } | Event::Done { .. } | Event::Failed(_) => {}
        }
    }

    /// Loss of every step so far.
    pub(crate) fn losses(&self) -> Vec<f64> {
        self.steps.iter().map(|(_, loss)| *loss).collect()
    }

    /// Prints a line above whatever is being redrawn.
    pub(crate) fn say(&mut self, line: &str) {
        self.bar.suspend(|| terminal::say(line));
    }

    /// Takes the redrawn line away.
    pub(crate) fn clear(&mut self) {
        self.bar.finish_and_clear();
        self.bar = ProgressBar::hidden();
        self.training = false;
    }

    fn stage(&mut self, name: &str) {
        self.clear();
        name.clone_into(&mut self.stage);
        if self.redraws {
            self.bar = ProgressBar::new_spinner().with_style(style("{spinner} {msg}  {elapsed}"));
            self.bar.set_message(self.stage.clone());
            self.bar.enable_steady_tick(TICK);
        } else {
            self.line(Instant::now(), &format!("{name} ..."));
        }
    }

    fn progress(&mut self, done: u64, total: u64) {
        if self.redraws {
            if self.bar.length() != Some(total) {
                self.bar.set_length(total);
                self.bar
                    .set_style(style("{spinner} {msg}  {bar:24} {pos}/{len}  ETA {eta}"));
            }
            self.bar.set_position(done);
        } else if self.last_line.elapsed() >= PLAIN_EVERY {
            let line = format!("{}: {done} of {total}", self.stage);
            self.line(Instant::now(), &line);
        }
    }

    fn step(&mut self, metrics: &StepMetrics) {
        let repeated = |(step, _): &(usize, f64)| *step >= metrics.step;
        if self.steps.last().is_some_and(repeated) {
            self.first_step = None;
            self.steps.retain(|done| !repeated(done));
        }
        self.steps.push((metrics.step, metrics.loss));
        let now = Instant::now();
        let (since, first) = *self.first_step.get_or_insert((now, metrics.step));
        if self.redraws {
            if !self.training {
                self.clear();
                self.training = true;
                self.bar = ProgressBar::new(metrics.steps as u64)
                    .with_style(style("training  {bar:24} {pos}/{len}  {msg}  ETA {eta}"));
                self.bar.enable_steady_tick(TICK);
                // After an evaluation the bar is new, and its steps were not done just now.
                self.bar
                    .set_position((metrics.step as u64).saturating_sub(1));
                self.bar.reset_eta();
            }
            self.bar.set_position(metrics.step as u64);
            let speed = figures::rate(metrics.tokens_per_s);
            self.bar
                .set_message(format!("loss {:.4}  {speed} tok/s", metrics.loss));
        } else if is_due(metrics.step, metrics.steps, now - self.last_line) {
            let left = time_left(now - since, metrics.step - first.min(metrics.step), metrics);
            self.line(now, &step_line(metrics, left));
        }
    }

    /// Commits are quiet; what stands in their way, and what they were good for, is told.
    fn checkpoint(&mut self, news: &CheckpointNews) {
        match news {
            CheckpointNews::Committed { step, .. } => {
                if std::mem::take(&mut self.delayed) {
                    self.say(&format!(
                        "checkpoints are written again: step {step} is safe"
                    ));
                }
            }
            CheckpointNews::Delayed {
                step,
                committed,
                reason,
            } => {
                let safe = match committed {
                    Some(step) => format!("step {step} is safe"),
                    None => "no step is safe yet".to_owned(),
                };
                let warning = terminal::yellow("warning:");
                if !std::mem::replace(&mut self.delayed, true) {
                    self.say(&format!(
                        "{warning} the checkpoint of step {step} cannot be written, {safe}; \
                         training goes on and tries again: {reason}"
                    ));
                }
            }
            CheckpointNews::Resumed { step, skipped } => {
                for reason in skipped {
                    let warning = terminal::yellow("warning:");
                    self.say(&format!("{warning} passed over a checkpoint: {reason}"));
                }
                self.say(&format!("going on from step {step}"));
            }
        }
    }

    fn line(&mut self, now: Instant, text: &str) {
        self.last_line = now;
        terminal::say(text);
    }
}

/// Whether a plain line is printed for this step.
pub(crate) fn is_due(step: usize, steps: usize, since_last: Duration) -> bool {
    let every = (steps / PLAIN_LINES).max(1);
    step == 1 || step == steps || step.is_multiple_of(every) || since_last >= PLAIN_EVERY
}

/// The time to the last step, from the pace of the `done` steps that took `elapsed`.
fn time_left(elapsed: Duration, done: usize, metrics: &StepMetrics) -> Option<Duration> {
    let left = metrics.steps.saturating_sub(metrics.step);
    (done > 0).then(|| elapsed.div_f64(done as f64).mul_f64(left as f64))
}

fn step_line(metrics: &StepMetrics, left: Option<Duration>) -> String {
    let StepMetrics {
        step,
        steps,
        loss,
        lr,
        tokens_per_s,
        skipped,
        ..
    } = metrics;
    let width = steps.to_string().len();
    let speed = figures::rate(*tokens_per_s);
    let skipped = if *skipped { "  skipped" } else { "" };
    let line =
        format!("step {step:>width$}/{steps}  loss {loss:.4}  lr {lr:.2e}  {speed} tok/s{skipped}");
    match left {
        Some(left) => format!("{line}  {} left", figures::span_of(left)),
        None => line,
    }
}

fn evaluation_line(step: usize, measures: &Measures) -> String {
    let when = if step == 0 {
        "held-out, base model:".into()
    } else {
        format!("held-out, step {step}:")
    };
    let mut line = format!(
        "{when} loss {:.4}, perplexity {:.2}",
        measures.loss, measures.perplexity
    );
    if let Some(share) = measures.exact_match {
        line += &format!(", exact match {}", figures::percent(share));
    }
    line
}

/// A style; the templates are constants, so a bad one can only fall back to indicatif's own.
pub(crate) fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸ ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(step: usize) -> StepMetrics {
        let (loss, grad_norm, lr) = (1.23456, 0.5, 2e-4);
        StepMetrics {
            step,
            steps: 200,
            loss,
            grad_norm: Some(grad_norm),
            lr,
            loss_scale: None,
            skipped: false,
            tokens: 4096,
            tokens_per_s: 812.4,
        }
    }

    #[test]
    fn a_plain_line_holds_what_matters() {
        let left = time_left(Duration::from_secs(18), 9, &metrics(10));
        let line = step_line(&metrics(10), left);
        assert_eq!(
            line,
            "step  10/200  loss 1.2346  lr 2.00e-4  812 tok/s  6m 20s left"
        );
        assert_eq!(time_left(Duration::ZERO, 0, &metrics(1)), None);
        let skipped = StepMetrics {
            skipped: true,
            ..metrics(10)
        };
        assert!(step_line(&skipped, None).ends_with("812 tok/s  skipped"));
    }

    #[test]
    fn plain_lines_are_few_but_never_far_apart() {
        let soon = Duration::from_secs(1);
        let printed = (1..=200).filter(|step| is_due(*step, 200, soon)).count();
        assert_eq!(printed, 21);
        assert!(is_due(7, 200, Duration::from_secs(11)));
        assert!(is_due(1, 1, soon));
    }

    #[test]
    fn an_evaluation_names_what_was_measured() {
        let measures = Measures {
            loss: 2.0,
            perplexity: 7.389,
            exact_match: Some(0.5),
            ..Default::default()
        };
        assert_eq!(
            evaluation_line(40, &measures),
            "held-out, step 40: loss 2.0000, perplexity 7.39, exact match 50.0 %"
        );
    }
}
