//! The live view of `schliff top`: a list of jobs, and the chosen one in full.
//!
//! Rules: [`Model`] is what is shown and [`Model::press`] what a key does to it, both pure;
//! [`view`] draws it and [`screen`] owns the terminal. Nothing happens to a job without a question.

pub(crate) mod screen;
pub(crate) mod view;

use schliff_wire::v1::{Explanation, JobView, LogLine, Phase};

use crate::view::title;

/// Everything that is shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    /// The newest first.
    pub(crate) jobs: Vec<JobView>,
    /// `3 queued, 2 running`.
    pub(crate) counts: String,
    /// Number of the chosen job; 0 before the first answer.
    pub(crate) chosen: u64,
    /// The chosen job takes the whole screen.
    pub(crate) is_open: bool,
    /// The chosen job in full, once it is there.
    pub(crate) detail: Option<Detail>,
    /// What is asked or told in front of everything.
    pub(crate) dialog: Option<Dialog>,
    /// What was told last, at the bottom.
    pub(crate) note: String,
    /// Why the last look failed; empty where it did not.
    pub(crate) trouble: String,
    /// Now.
    pub(crate) now_ms: i64,
    /// Whether colours are shown.
    pub(crate) has_color: bool,
}

/// One job in full.
#[derive(Clone, Debug, Default)]
pub(crate) struct Detail {
    /// How it is doing.
    pub(crate) job: JobView,
    /// Why.
    pub(crate) why: Explanation,
    /// Step and loss.
    pub(crate) losses: Vec<(f64, f64)>,
    /// The end of its log.
    pub(crate) lines: Vec<LogLine>,
}

/// What stands in front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Dialog {
    /// The keys.
    Keys,
    /// Whether to do this.
    Sure {
        /// What.
        wish: Wish,
        /// The job, in words.
        job: String,
    },
}

/// A key with a meaning here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Down,
    Up,
    First,
    Last,
    Open,
    Back,
    Cancel,
    Retry,
    Keys,
    Yes,
    Quit,
    Other,
}

/// What a key asks of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Another job is chosen.
    Show(u64),
    /// Cancel it.
    Cancel(u64),
    /// Retry it.
    Retry(u64),
    /// Leave.
    Quit,
}

impl Model {
    /// Takes the newest list. The chosen job stays chosen while it is there.
    pub(crate) fn take_jobs(&mut self, jobs: Vec<JobView>) {
        self.jobs = jobs;
        if self.place().is_none() {
            self.chosen = self.jobs.first().map_or(0, |job| job.id);
            self.detail = None;
        }
    }

    /// Takes a job in full, unless another one has been chosen since.
    pub(crate) fn take_detail(&mut self, detail: Detail) {
        if detail.job.id == self.chosen {
            self.detail = Some(detail);
        }
    }

    /// Where the chosen job is in the list.
    pub(crate) fn place(&self) -> Option<usize> {
        self.jobs.iter().position(|job| job.id == self.chosen)
    }

    /// What a key does.
    pub(crate) fn press(&mut self, key: Key) -> Option<Wish> {
        if let Some(dialog) = self.dialog.take() {
            return match (dialog, key) {
                (Dialog::Sure { wish, .. }, Key::Yes) => Some(wish),
                (_, Key::Quit) | (Dialog::Sure { .. } | Dialog::Keys, _) => None,
            };
        }
        match key {
            Key::Down => self.choose(|place, last| (place + 1).min(last)),
            Key::Up => self.choose(|place, _| place.saturating_sub(1)),
            Key::First => self.choose(|_, _| 0),
            Key::Last => self.choose(|_, last| last),
            Key::Open => {
                self.is_open = !self.is_open && self.place().is_some();
                None
            }
            Key::Back => {
                self.is_open = false;
                None
            }
            Key::Cancel => {
                self.ask(Wish::Cancel);
                None
            }
            Key::Retry => {
                self.ask(Wish::Retry);
                None
            }
            Key::Keys => {
                self.dialog = Some(Dialog::Keys);
                None
            }
            Key::Quit => Some(Wish::Quit),
            Key::Yes | Key::Other => None,
        }
    }

    fn choose(&mut self, to: impl Fn(usize, usize) -> usize) -> Option<Wish> {
        let last = self.jobs.len().checked_sub(1)?;
        let place = to(self.place().unwrap_or(0), last);
        let chosen = self.jobs.get(place)?.id;
        if chosen == self.chosen {
            return None;
        }
        self.chosen = chosen;
        self.detail = None;
        Some(Wish::Show(chosen))
    }

    /// Asks whether to do it; what cannot be done is told instead.
    fn ask(&mut self, wish: fn(u64) -> Wish) {
        let Some(job) = self.place().and_then(|place| self.jobs.get(place)) else {
            return;
        };
        let wish = wish(job.id);
        let has_ended = job.phase() == Phase::Done;
        self.note = match wish {
            Wish::Cancel(_) if has_ended => format!("job {} has ended", job.id),
            Wish::Retry(_) if !has_ended => format!("job {} has not ended", job.id),
            _ => {
                let job = title(job);
                self.dialog = Some(Dialog::Sure { wish, job });
                return;
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> Model {
        let job = |id, phase: Phase| JobView {
            id,
            name: "desk".into(),
            phase: phase.into(),
            ..JobView::default()
        };
        let mut model = Model::default();
        model.take_jobs(vec![
            job(3, Phase::Running),
            job(2, Phase::Queued),
            job(1, Phase::Done),
        ]);
        model
    }

    #[test]
    fn keys_choose_a_job() {
        let mut model = model();
        assert_eq!(model.chosen, 3);
        assert_eq!(model.press(Key::Up), None);
        assert_eq!(model.press(Key::Down), Some(Wish::Show(2)));
        assert_eq!(model.press(Key::Last), Some(Wish::Show(1)));
        assert_eq!(model.press(Key::Down), None);
        assert_eq!(model.press(Key::First), Some(Wish::Show(3)));
        assert_eq!(Model::default().press(Key::Down), None);
    }

    #[test]
    fn the_chosen_job_stays_chosen() {
        let mut model = model();
        model.press(Key::Down);
        let mut jobs = model.jobs.clone();
        jobs.insert(
            0,
            JobView {
                id: 4,
                ..JobView::default()
            },
        );
        model.take_jobs(jobs);
        assert_eq!((model.chosen, model.place()), (2, Some(2)));
        model.take_jobs(Vec::new());
        assert_eq!((model.chosen, model.place()), (0, None));
        model.take_detail(Detail {
            job: JobView {
                id: 9,
                ..JobView::default()
            },
            ..Detail::default()
        });
        assert!(model.detail.is_none(), "it is of a job that is not chosen");
    }

    #[test]
    fn nothing_happens_to_a_job_without_a_yes() {
        let mut model = model();
        for no in [Key::Other, Key::Quit, Key::Back, Key::Cancel] {
            assert_eq!(model.press(Key::Cancel), None);
            assert!(matches!(model.dialog, Some(Dialog::Sure { .. })));
            assert_eq!(model.press(no), None);
            assert_eq!(model.dialog, None);
        }
        assert_eq!(model.press(Key::Cancel), None);
        assert_eq!(model.press(Key::Yes), Some(Wish::Cancel(3)));
        assert_eq!(model.press(Key::Yes), None);
        assert_eq!(model.press(Key::Quit), Some(Wish::Quit));
    }

    #[test]
    fn what_cannot_be_done_is_told_without_a_question() {
        let mut model = model();
        model.press(Key::Retry);
        assert_eq!(
            (model.dialog.as_ref(), model.note.as_str()),
            (None, "job 3 has not ended")
        );
        model.press(Key::Last);
        model.press(Key::Cancel);
        assert_eq!(
            (model.dialog.as_ref(), model.note.as_str()),
            (None, "job 1 has ended")
        );
        model.press(Key::Retry);
        assert_eq!(model.press(Key::Yes), Some(Wish::Retry(1)));
    }

    #[test]
    fn a_job_opens_and_closes() {
        let mut model = model();
        model.press(Key::Open);
        assert!(model.is_open);
        model.press(Key::Back);
        assert!(!model.is_open);
        let mut empty = Model::default();
        empty.press(Key::Open);
        assert!(!empty.is_open);
    }
}
