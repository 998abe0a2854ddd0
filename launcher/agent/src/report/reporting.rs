//! A listener that reports what it hears, and hands it on to the one that shows it.
//!
//! Rule: without a reporter it is only the other listener.

use schliff_spec::event::Event;

use super::last_word::Culprit;
use super::{Reporter, wall_ms, words};
use crate::crew::Crew;
use crate::outcome::Outcome;
use crate::shell::{Asked, Listener};

/// Both listeners.
pub struct Reporting<'a> {
    reporter: Option<&'a mut Reporter>,
    shown: &'a mut dyn Listener,
}

impl<'a> Reporting<'a> {
    /// Reports, where there is a reporter, and shows.
    pub fn new(reporter: Option<&'a mut Reporter>, shown: &'a mut dyn Listener) -> Self {
        Self { reporter, shown }
    }
}

impl Listener for Reporting<'_> {
    fn event(&mut self, rank: usize, event: &Event) {
        if let Some(reporter) = &mut self.reporter {
            reporter.event(rank, event);
        }
        self.shown.event(rank, event);
    }

    fn words(&mut self, rank: usize, line: &str) {
        if let Some(reporter) = &mut self.reporter {
            reporter.words(rank, line);
        }
        self.shown.words(rank, line);
    }

    fn tell(&mut self, text: &str) {
        if let Some(reporter) = &mut self.reporter {
            reporter.remark(text);
        }
        self.shown.tell(text);
    }

    fn begins(&mut self, crew: &Crew) {
        if let Some(reporter) = &mut self.reporter {
            let news = reporter.translator.begin(crew);
            let mut inside = reporter.desk.lock();
            inside.pulses.begin(crew.ranks());
            news.into_iter()
                .for_each(|body| inside.pending.push(body, wall_ms()));
        }
        self.shown.begins(crew);
    }

    fn over(&mut self, outcome: &Outcome) {
        if let Some(reporter) = &mut self.reporter {
            reporter.culprit = Culprit::of(outcome);
        }
        self.shown.over(outcome);
    }

    fn asked(&mut self) -> Option<Asked> {
        if let Some(reporter) = &mut self.reporter {
            let (asked, told) = reporter.heard();
            told.iter().for_each(|text| self.shown.tell(text));
            if asked.is_some() {
                return asked;
            }
        }
        self.shown.asked()
    }

    fn is_superseded(&mut self) -> bool {
        self.shown.is_superseded()
    }

    fn may_begin(&mut self) -> bool {
        self.shown.may_begin()
    }
}

impl Reporter {
    fn event(&mut self, rank: usize, event: &Event) {
        let at_ms = wall_ms();
        let mut inside = self.desk.lock();
        let news = match event {
            Event::Beat(beat) => {
                inside.pulses.beat(rank, *beat, at_ms);
                let is_together = inside.pulses.all_train();
                let together = is_together.then(|| self.translator.together());
                together.flatten().into_iter().collect()
            }
            event => self.translator.event(rank, event, at_ms),
        };
        let any = !news.is_empty();
        news.into_iter()
            .for_each(|body| inside.pending.push(body, at_ms));
        drop(inside);
        if any && !matches!(event, Event::Step(_)) {
            self.desk.bell.notify_one();
        }
    }

    fn words(&mut self, rank: usize, line: &str) {
        let at_ms = wall_ms();
        let is_admitted = self
            .gate
            .admits(rank, u64::try_from(at_ms).unwrap_or_default());
        let line = is_admitted.then(|| words::clean(line));
        let mut inside = self.desk.lock();
        match line {
            Some(line) => inside.pending.line(rank, line, at_ms),
            None => inside.pending.drop_line(),
        }
    }

    /// What the coordinator newly asks for, and what the user is to be told.
    fn heard(&mut self) -> (Option<Asked>, Vec<String>) {
        let mut inside = self.desk.lock();
        let asked = inside.asked.get(self.handed_on).copied();
        self.handed_on += usize::from(asked.is_some());
        (asked, std::mem::take(&mut inside.told))
    }
}

impl std::fmt::Debug for Reporting<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Reporting").finish_non_exhaustive()
    }
}
