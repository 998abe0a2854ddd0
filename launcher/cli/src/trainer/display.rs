//! Several ranks on one display.
//!
//! Rules: what rank 0 reports is the run's progress; of the others only warnings are shown, each
//! wording once; words of a rank carry its node and number where there are several.

use std::collections::BTreeSet;

use schliff_agent::shell::Listener;
use schliff_spec::event::Event;

use crate::progress::Progress;
use crate::terminal;

/// Ranks on this machine belong to this node.
const NODE: usize = 0;

/// The display of a group.
pub(super) struct Display<'a> {
    progress: &'a mut Progress,
    ranks: usize,
    warnings: BTreeSet<String>,
}

impl<'a> Display<'a> {
    /// Shows `ranks` ranks on `progress`.
    pub(super) fn new(progress: &'a mut Progress, ranks: usize) -> Self {
        Self {
            progress,
            ranks,
            warnings: BTreeSet::new(),
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
            _ => self.progress.say(&format!("[{NODE}:{rank}] {line}")),
        }
    }

    fn tell(&mut self, text: &str) {
        self.progress.say(text);
    }
}
