//! Several ranks on one display.
//!
//! Rules: what rank 0 reports is the run's progress; of the others only warnings are shown, each
//! wording once; words of a rank carry its node and number where there are several.

use std::collections::BTreeSet;

use schliff_agent::crew::Crew;
use schliff_agent::shell::{Listener, Run};
use schliff_spec::event::Event;

use crate::progress::Progress;
use crate::terminal;

/// The display of a group.
pub(super) struct Display<'a> {
    progress: &'a mut Progress,
    ranks: usize,
    crew: Crew,
    warnings: BTreeSet<String>,
}

impl<'a> Display<'a> {
    /// Shows one process that trains nothing.
    pub(super) fn alone(progress: &'a mut Progress) -> Self {
        Self {
            progress,
            ranks: 1,
            crew: Crew::whole(1, 1),
            warnings: BTreeSet::new(),
        }
    }

    /// Shows the ranks of a run.
    pub(super) fn new(progress: &'a mut Progress, run: &Run) -> Self {
        Self {
            ranks: run.ranks,
            crew: Crew::whole(run.nodes, run.ranks_per_node()),
            ..Self::alone(progress)
        }
    }
}

impl Listener for Display<'_> {
    fn event(&mut self, rank: usize, event: &Event) {
        match event {
            Event::Warning { text } if self.ranks > 1 && !self.warnings.insert(text.clone()) => {}
            Event::Warning { text } if rank > 0 => {
                let warning = terminal::yellow("warning:");
                self.progress.say(&format!("{warning} rank {rank}: {text}"));
            }
            event if rank == 0 => self.progress.event(event),
            _ => {}
        }
    }

    fn words(&mut self, rank: usize, line: &str) {
        match self.ranks {
            1 => self.progress.say(line),
            _ => {
                let node = self.crew.node_of(rank).unwrap_or(0);
                self.progress.say(&format!("[{node}:{rank}] {line}"));
            }
        }
    }

    fn begins(&mut self, crew: &Crew) {
        self.crew.clone_from(crew);
    }

    fn tell(&mut self, text: &str) {
        self.progress.say(text);
    }
}
