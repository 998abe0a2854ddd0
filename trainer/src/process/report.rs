//! Events to whoever started this process, one JSON object a line.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use schliff_spec::event::Event;

use super::interrupt::Interrupt;
use super::pulse::Pulse;

/// Where events go. Cloning shares everything.
#[derive(Clone)]
pub struct Reporter {
    shared: Arc<Shared>,
}

struct Shared {
    sink: Mutex<Box<dyn Write + Send>>,
    interrupt: Interrupt,
    pulse: Pulse,
    follows: AtomicBool,
}

impl Reporter {
    /// Events go to `sink`; if that breaks, nobody listens any more, and `interrupt` is raised.
    pub fn new(sink: impl Write + Send + 'static, interrupt: Interrupt) -> Self {
        Self {
            shared: Arc::new(Shared {
                sink: Mutex::new(Box::new(sink)),
                interrupt,
                pulse: Pulse::default(),
                follows: AtomicBool::new(false),
            }),
        }
    }

    /// From now on only signs of life and the last word are sent: rank 0 speaks for the group.
    pub fn follow(&self) {
        self.shared.follows.store(true, Ordering::Relaxed);
    }

    /// Sends one event.
    pub fn event(&self, event: &Event) {
        let is_own = matches!(
            event,
            Event::Hello { .. } | Event::Beat(_) | Event::Done { .. } | Event::Failed(_)
        );
        if !is_own && self.shared.follows.load(Ordering::Relaxed) {
            return;
        }
        let Ok(mut line) = serde_json::to_vec(event) else {
            return;
        };
        line.push(b'\n');
        let mut sink = self
            .shared
            .sink
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if sink.write_all(&line).and_then(|()| sink.flush()).is_err() {
            self.shared.interrupt.raise();
        }
    }

    /// A stage of work begins.
    pub fn stage(&self, name: &str) {
        self.event(&Event::Stage {
            name: name.to_owned(),
        });
    }

    /// Progress inside the stage.
    pub fn progress(&self, done: usize, total: usize) {
        self.event(&Event::Progress {
            done: done as u64,
            total: total as u64,
        });
    }

    /// A remark.
    pub fn warning(&self, text: String) {
        self.event(&Event::Warning { text });
    }

    /// What this rank is doing, for its signs of life.
    pub fn pulse(&self) -> &Pulse {
        &self.shared.pulse
    }

    /// The request to stop, for work that asks at its own boundaries.
    pub fn interrupt(&self) -> &Interrupt {
        &self.shared.interrupt
    }
}
