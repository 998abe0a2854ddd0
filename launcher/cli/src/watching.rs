//! A submitted job on standard error while somebody waits for it: its log, and how far it is.
//!
//! On a terminal one line is redrawn below the log; elsewhere a line comes with every change of
//! phase or reason and about twenty times a run.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use schliff_wire::v1::{JobView, LogLine, Phase, Progress};

use crate::follow::Audience;
use crate::progress::{is_due, style};
use crate::terminal;
use crate::view::{log, reason_text, state_word, status};

const TICK: Duration = Duration::from_millis(120);

/// The display of one job.
pub(crate) struct Watching {
    bar: ProgressBar,
    redraws: bool,
    /// The state and the reason that were told last.
    told: String,
    /// The step that was told last, and when.
    step: (u64, Instant),
    generation: u64,
}

impl Watching {
    /// A display that fits the terminal.
    pub(crate) fn new() -> Self {
        Self {
            bar: ProgressBar::hidden(),
            redraws: terminal::redraws(),
            told: String::new(),
            step: (0, Instant::now()),
            generation: 0,
        }
    }

    /// Takes the redrawn line away.
    pub(crate) fn clear(&mut self) {
        self.bar.finish_and_clear();
        self.bar = ProgressBar::hidden();
    }

    fn say(&mut self, line: &str) {
        self.bar.suspend(|| terminal::say(line));
    }

    fn redraw(&mut self, view: &JobView, progress: Option<&Progress>) {
        if self.bar.is_hidden() {
            self.bar = ProgressBar::new_spinner().with_style(style("{spinner} {msg}"));
            self.bar.enable_steady_tick(TICK);
        }
        let progress = progress.filter(|it| it.steps > 0 && view.phase() == Phase::Running);
        let Some(progress) = progress else {
            self.bar.set_style(style("{spinner} {msg}"));
            let reason = reason_text(view.reason.as_ref());
            self.bar
                .set_message(format!("{}: {reason}", state_word(view)));
            return;
        };
        self.bar
            .set_style(style("training  {bar:24} {pos}/{len}  {msg}"));
        self.bar.set_length(progress.steps);
        self.bar.set_position(progress.step);
        self.bar.set_message(pace(progress));
    }
}

/// `loss 1.2346  812 tok/s  4m 05s left`.
fn pace(progress: &Progress) -> String {
    status::pace(progress).join("  ")
}

impl Audience for Watching {
    fn view(&mut self, view: &JobView) {
        let progress = view.progress.as_ref();
        let told = format!("{} {}", state_word(view), reason_text(view.reason.as_ref()));
        if self.redraws && view.phase() != Phase::Done {
            self.redraw(view, progress);
        } else if told != self.told {
            self.clear();
            self.say(&status::line(view));
        }
        self.told = told;
        let Some(progress) = progress.filter(|it| it.step > self.step.0 && !self.redraws) else {
            return;
        };
        let (step, steps) = (progress.step as usize, progress.steps as usize);
        if is_due(step, steps, self.step.1.elapsed()) {
            self.step = (progress.step, Instant::now());
            self.say(&format!("step {step}/{steps}  {}", pace(progress)));
        }
    }

    fn line(&mut self, line: &LogLine) {
        if line.generation != self.generation {
            if self.generation > 0 {
                self.say(&log::attempt(line.generation));
            }
            self.generation = line.generation;
        }
        self.say(&log::text(line));
    }

    fn remark(&mut self, words: &str) {
        self.say(words);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_holds_what_is_known() {
        let progress = Progress {
            loss: Some(1.234_56),
            tokens_per_s: Some(812.4),
            remaining_ms: 245_000,
            ..Progress::default()
        };
        assert_eq!(pace(&progress), "loss 1.2346  812 tok/s  4m 05s left");
        assert_eq!(pace(&Progress::default()), "");
    }
}
